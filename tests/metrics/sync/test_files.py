"""SyncNet's file and its converter: everything that is no SyncNet is refused with one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.metrics.sync import convert
from interacthuman.interact_core.metrics.sync.syncnet import SyncNet, load_syncnet
from safetensors.torch import save_file


def refusal(act, *words: object) -> str:
    with pytest.raises(InteractError) as refused:
        act(*words)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        net = SyncNet()
    return {key: torch.zeros(weight.shape) for key, weight in net.state_dict().items()}


@pytest.fixture
def public() -> dict[str, torch.Tensor]:
    return {name: torch.ones(shape) for name, shape in convert.public_shapes()}


def saved(path: Path, weights: dict[str, torch.Tensor]) -> Path:
    save_file(weights, path)
    return path


def torchscript(path: Path) -> Path:
    torch.jit.script(torch.nn.Linear(2, 2)).save(path)
    return path


def test_a_file_loads_in_half_precision_too(tmp_path: Path, weights) -> None:
    net = load_syncnet(saved(tmp_path / "half.safetensors", {k: w.half() for k, w in weights.items()}))
    assert net.mouth.conv1.weight.dtype == torch.float32 and not net.training
    assert not any(weight.requires_grad for weight in net.parameters())
    assert net.mouths(torch.zeros(4, 224, 224, 3, dtype=torch.uint8)).shape == (0, 1024)
    assert net.mouths(torch.zeros(5, 224, 224, 3, dtype=torch.uint8)).shape == (1, 1024)
    assert net.voices(torch.zeros(19, 13)).shape == (0, 1024)
    assert net.voices(torch.zeros(24, 13)).shape == (2, 1024)


def test_other_files_are_refused(tmp_path: Path, weights) -> None:
    assert "does not exist" in refusal(load_syncnet, tmp_path / "none.safetensors")
    assert "SyncNet v2" in refusal(load_syncnet, torchscript(tmp_path / "i3d.safetensors"))
    other = saved(tmp_path / "other.safetensors", {"weight": torch.zeros(2)})
    assert "lacks the weight mouth.conv1.weight" in refusal(load_syncnet, other)


def test_wrong_weights_are_refused(tmp_path: Path, weights) -> None:
    key = "voice.conv6.weight"
    shape = weights[key]
    weights[key] = shape[:, :, :4].contiguous()
    assert f"{key} has shape [512, 256, 4, 4]" in refusal(
        load_syncnet, saved(tmp_path / "shape.safetensors", weights)
    )
    weights[key] = torch.full_like(shape, float("nan"))
    assert f"{key} holds NaN" in refusal(load_syncnet, saved(tmp_path / "nan.safetensors", weights))
    weights[key] = shape
    weights["more"] = torch.zeros(1)
    assert "unexpected weight more" in refusal(load_syncnet, saved(tmp_path / "more.safetensors", weights))


def test_the_converter_reads_old_pickles_and_folds_norms(tmp_path: Path, public) -> None:
    """Without torch's counters and in torch's format before 1.6, as the public file may be."""
    source, target = tmp_path / "syncnet_v2.model", tmp_path / "out.safetensors"
    public["netcnnaud.1.running_var"] = torch.full((64,), 4.0)
    torch.save(public, source, _use_new_zipfile_serialization=False)
    assert convert.main(["syncnet", str(source), str(target)]) == 0
    net = load_syncnet(target)
    # (1 x + 1 - mean 1) / sqrt(var 4 + 1e-5) * 1 + 1
    assert net.voice.conv1.weight.flatten()[0] == pytest.approx(0.5, abs=1e-5)
    assert net.voice.conv1.bias[0] == pytest.approx(1.0, abs=1e-5)
    assert net.mouth.fc1.weight[0, 0] == pytest.approx(1.0, abs=1e-4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.safetensors", "syncnet_v2.model"]


def test_a_windows_frames_lie_in_channels_colour_by_colour(public) -> None:
    weight = torch.arange(15.0).reshape(3, 5)[None, :, :, None, None].expand(96, 3, 5, 7, 7)
    public["netcnnlip.0.weight"] = weight.contiguous()
    found = convert.folded(public)["mouth.conv1.weight"][0, :, 0, 0]
    assert found.tolist() == pytest.approx([5 * c + t for t in range(5) for c in range(3)], rel=1e-4)


def test_the_converter_refuses_what_is_no_syncnet(tmp_path: Path, public, capsys) -> None:
    out = tmp_path / "out.safetensors"
    assert "is a torchscript" in refusal(convert.convert_syncnet, torchscript(tmp_path / "i3d.pt"), out)
    assert "does not exist" in refusal(convert.convert_syncnet, tmp_path / "none", out)
    (tmp_path / "text.model").write_text("no weights")
    assert "cannot be read as weights" in refusal(convert.convert_syncnet, tmp_path / "text.model", out)
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.model")
    assert "cannot be read as weights" in refusal(convert.convert_syncnet, tmp_path / "module.model", out)
    torch.save([1, 2], tmp_path / "list.model")
    assert "pickle of something else" in refusal(convert.convert_syncnet, tmp_path / "list.model", out)
    torch.save({"face_encoder.weight": torch.zeros(2)}, tmp_path / "wav2lip.pth")
    assert "lacks the weight netcnnlip.0.weight" in refusal(
        convert.convert_syncnet, tmp_path / "wav2lip.pth", out
    )
    public["netfcaud.3.bias"][5] = float("inf")
    torch.save(public, tmp_path / "inf.model")
    assert "netfcaud.3.bias holds NaN or infinity" in refusal(
        convert.convert_syncnet, tmp_path / "inf.model", out
    )
    assert convert.main(["syncnet", str(tmp_path / "inf.model"), str(tmp_path / "out.pt")]) == 1
    assert "give it that ending" in capsys.readouterr().err
    assert not out.exists()
