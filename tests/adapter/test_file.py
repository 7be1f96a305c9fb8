"""The adapter's file: what is written comes back, and everything else is refused in one sentence."""

import json
import struct
from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.adapter import (
    Adapter,
    AdapterConfig,
    Recommended,
    init_adapter,
    load_any_adapter,
    read_adapter,
    save_adapter,
)
from interacthuman.interact_core.errors import InteractError
from safetensors.torch import save_file

CONFIG = AdapterConfig(12, 2, 2, 5, 6, 1, 10, 3, 7, 2, 12, 2, (0, 1), fps=25, base="a test")
ADAPTER = init_adapter(Adapter(CONFIG), torch.Generator().manual_seed(0))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "adapter.safetensors"
    save_adapter(path, ADAPTER.state_dict(), CONFIG)
    return path


def write(path: Path, metadata: dict[str, str] | None, **changes: torch.Tensor | None) -> None:
    weights = {**ADAPTER.state_dict(), **changes}
    save_file({key: value for key, value in weights.items() if value is not None}, path, metadata=metadata)


def refused(path: Path, *parts: str) -> None:
    """The file is refused in one sentence that names it and says all of `parts`."""
    with pytest.raises(InteractError) as caught:
        read_adapter(path)
    sentence = str(caught.value)
    assert str(path) in sentence and "\n" not in sentence
    told = sentence.replace(
        str(path), ""
    )  # pytest's folder bears the test's name, and so perhaps the very word
    for part in parts:
        assert part in told


@pytest.mark.parametrize("dtype", [None, torch.bfloat16, torch.float16])
def test_what_is_saved_comes_back(tmp_path: Path, dtype: torch.dtype | None) -> None:
    path = tmp_path / "adapter.safetensors"
    weights = ADAPTER.state_dict()
    weights["audio_projector.frame.weight"] = weights["audio_projector.frame.weight"].t().contiguous().t()
    save_adapter(path, weights, CONFIG, dtype)
    config, read = read_adapter(path)
    assert config == CONFIG and read.keys() == weights.keys()
    assert all(torch.equal(read[key], value.to(dtype or value.dtype)) for key, value in weights.items())
    Adapter(config, dtype=dtype).load_state_dict(read)
    assert [entry.name for entry in tmp_path.iterdir()] == ["adapter.safetensors"]


def test_equal_weights_make_equal_files(tmp_path: Path) -> None:
    """safetensors alone orders the metadata by chance: a training that was resumed then makes another file."""
    path, advice = tmp_path / "adapter.safetensors", Recommended(steps=20)
    made = set()
    for _ in range(8):
        save_adapter(path, ADAPTER.state_dict(), CONFIG, recommended=advice)
        made.add(path.read_bytes())
    assert len(made) == 1 and read_adapter(path)[0] == CONFIG


def test_saving_refuses_weights_of_another_adapter_and_keeps_the_old_file(path: Path) -> None:
    before = path.read_bytes()
    weights = {key: value for key, value in ADAPTER.state_dict().items() if key != "audio_blocks.1.q.weight"}
    with pytest.raises(InteractError, match="lacks the weight audio_blocks.1.q.weight"):
        save_adapter(path, weights, CONFIG)
    assert path.read_bytes() == before


def test_a_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "nothing.safetensors", "does not exist")
    refused(tmp_path, "not a file")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_unopened(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "adapter.safetensors"
    torch.save(ADAPTER.state_dict(), path, _use_new_zipfile_serialization=zipped)
    refused(path, "is a pickle", "safetensors")


@pytest.mark.parametrize("kept", [0, 5, 8, 9, 200, -1, -500])
def test_a_truncated_file(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    refused(path, "truncated")


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n" + b"x" * 99, b"GGUF" + bytes(99), b"hello, adapter"]
)
def test_a_foreign_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(content)
    refused(path, "not a safetensors file")


def test_a_damaged_header(tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(struct.pack("<Q", 4) + b"{]}]")
    refused(path, "damaged")


def test_foreign_weights(path: Path) -> None:
    write(path, None)
    refused(path, "not an InterAct adapter", "interact_adapter")
    write(path, {"modelspec.title": "something else"})
    refused(path, "not an InterAct adapter")


@pytest.mark.parametrize("version", ["2", "0", None])
def test_another_format_version(path: Path, version: str | None) -> None:
    metadata = CONFIG.to_metadata()
    metadata.pop("format_version")
    write(path, metadata if version is None else {**metadata, "format_version": version})
    refused(path, f"format_version {version!r}", "'1'")


def test_a_long_format_version_is_cut(path: Path) -> None:
    write(path, {**CONFIG.to_metadata(), "format_version": "x" * 100_000})
    with pytest.raises(InteractError, match="format_version 'xxx") as caught:
        read_adapter(path)
    assert len(str(caught.value)) < 300 + len(str(path))


def test_missing_and_unexpected_weights(path: Path) -> None:
    key = "mask_heads.1.proj.weight"
    write(path, CONFIG.to_metadata(), **{key: None})
    refused(path, key, "lacks", "[12, 12]")
    write(path, CONFIG.to_metadata(), **{"mask_heads.7.proj.weight": torch.zeros(1)})
    refused(path, "unexpected", "mask_heads.7.proj.weight")


def test_a_wrong_shape(path: Path) -> None:
    key = "audio_blocks.0.k.weight"
    write(path, CONFIG.to_metadata(), **{key: torch.zeros(12, 8)})
    refused(path, key, "[12, 8]", "[12, 7]")


def test_a_configuration_of_another_width(path: Path) -> None:
    wide = AdapterConfig(24, 2, 2, 5, 6, 1, 10, 3, 7, 2, 12, 2, (0, 1))
    write(path, wide.to_metadata())
    refused(path, "audio_blocks.0.norm.weight", "[12]", "[24]")


@pytest.mark.parametrize(
    "change, parts",
    [
        ({"model_width": None}, ("lacks model_width",)),
        ({"colour": "red"}, ("unknown colour",)),
        ({"model_width": "12"}, ("model_width is '12'", "expected int")),
        ({"model_width": True}, ("model_width is True", "expected int")),
        ({"audio_tokens": 3.0}, ("audio_tokens is 3.0", "expected int")),
        ({"fps": "25"}, ("fps is '25'", "expected float")),
        ({"fps": 0}, ("fps is 0", "positive")),
        ({"mask_blocks": 1}, ("mask_blocks is 1", "tuple of integers")),
        ({"mask_blocks": [0, "1"]}, ("mask_blocks", "tuple of integers")),
        ({"mask_blocks": []}, ("mask_blocks", "at least one")),
        ({"mask_blocks": [1, 0]}, ("mask_blocks", "rising")),
        ({"mask_blocks": [0, 2]}, ("mask_blocks", "0..1")),
        ({"audio_heads": 5}, ("audio_heads is 5", "divisor of model_width 12")),
        ({"mask_heads": 5}, ("mask_heads is 5", "divisor of mask_width 12")),
        ({"mask_heads": 4}, ("mask_heads is 4", "even")),
        ({"audio_tokens": 0}, ("audio_tokens is 0", "at least 1")),
        ({"audio_width": 2**70}, ("audio_width is 1180591620717411303424", "at most")),
        ({"model_width": 2**31, "audio_heads": 1}, ("model_width is 2147483648", "at most")),
        ({"fps": float("nan")}, ("fps is nan", "positive")),
        ({"fps": 1e-300}, ("fps is 1e-300", "positive")),
        ({"model_blocks": 60000}, ("lacks the weight audio_blocks.2.norm.weight",)),
        ({"model_blocks": 60000, "mask_blocks": list(range(50000))}, ("lacks the weight audio_blocks.2.",)),
        ({"audio_hidden": 65536, "audio_tokens": 65536}, ("audio_projector.hidden.weight", "65536")),
        ({"audio_window": -1}, ("audio_window is -1", "at least 0")),
        ({"reference_layout": "channels"}, ("reference_layout is 'channels'", "time")),
    ],
)
def test_a_wrong_configuration(path: Path, change: dict[str, object], parts: tuple[str, ...]) -> None:
    entries = json.loads(CONFIG.to_metadata()["interact_adapter"])
    for name, value in change.items():
        entries.pop(name, None)
        if value is not None:
            entries[name] = value
    write(path, {**CONFIG.to_metadata(), "interact_adapter": json.dumps(entries)})
    refused(path, *parts)


HUGE = '{"model_width": ' + "9" * 10000 + "}"
TWICE = '{"fps": 25, "fps": 30}'


@pytest.mark.parametrize(
    "text, part",
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ("[" * 100000 + "]" * 100000, "not JSON"),
        (HUGE, "not JSON"),
        (TWICE, "'fps' stands there twice"),
        (json.dumps("x" * 2**20), "far more than any configuration"),
    ],
    ids=["cut", "list", "deep", "long number", "twice", "long"],
)
def test_a_configuration_that_is_no_object(path: Path, text: str, part: str) -> None:
    write(path, {**CONFIG.to_metadata(), "interact_adapter": text})
    refused(path, part)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bool, torch.complex64, torch.uint8])
def test_weights_are_floating_point_numbers(path: Path, dtype: torch.dtype) -> None:
    key = "audio_blocks.1.q.weight"
    write(path, CONFIG.to_metadata(), **{key: ADAPTER.state_dict()[key].to(dtype)})
    refused(path, key, "floating-point")
    write(path, CONFIG.to_metadata(), **{key: value.to(dtype) for key, value in ADAPTER.state_dict().items()})
    refused(path, "floating-point")


FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_weights_are_finite(path: Path, dtype: torch.dtype) -> None:
    key = "mask_heads.1.logit.bias"
    for bad in (float("nan"), float("inf"), float("-inf")):
        broken = torch.tensor([bad]).to(dtype)
        if dtype == torch.float8_e4m3fn and not broken.isnan().any():
            continue  # it has no infinity
        write(path, CONFIG.to_metadata(), **{key: broken})
        refused(path, key, "NaN or infinity")
    largest = (
        torch.tensor([-torch.finfo(dtype).max, torch.finfo(dtype).max], dtype=torch.float64)
        .repeat(6)
        .to(dtype)
    )
    write(path, CONFIG.to_metadata(), **{"audio_blocks.0.norm.bias": largest})
    _, weights = read_adapter(path)
    assert torch.equal(weights["audio_blocks.0.norm.bias"].double(), largest.double())


def test_a_header_larger_than_any(tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(struct.pack("<Q", 2**24 + 1) + b"{" + b" " * 2**24)
    refused(path, "damaged", "16 MiB")


def test_what_comes_from_a_file_stays_on_one_line(path: Path) -> None:
    write(path, CONFIG.to_metadata(), **{"evil\n<script>\u202e" + "x" * 5000: torch.zeros(1)})
    refused(path, "unexpected weight evil <script>?x")
    with pytest.raises(InteractError) as caught:
        read_adapter(path)
    assert len(str(caught.value)) < 400 + len(str(path))


def test_loading_can_be_stopped_between_weights(path: Path) -> None:
    class Stopped(BaseException): ...

    calls = []

    def pause() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        load_any_adapter(path, pause)


def test_no_key_is_one_that_comfyui_takes_for_another_model() -> None:
    """By these two ComfyUI knows SCAIL2 and HuMo (comfy/model_detection.py)."""
    assert (
        not {"patch_embedding_mask.weight", "audio_proj.audio_proj_glob_1.layer.bias"}
        & ADAPTER.state_dict().keys()
    )
