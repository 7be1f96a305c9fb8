"""wav2vec2 from disk: every public way of saving one, nothing from a network, nothing pickled."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.speech.wav2vec2 import Wav2Vec2Encoder, load_wav2vec2
from interacthuman.interact_core.speech.wav2vec2_file import settings_from_shapes
from interacthuman.interact_core.weights_file import is_out_of_memory
from interacthuman.tests.support.models.tiny_wav2vec2 import (
    SMALL,
    older_names,
    plain_weights,
    random_wav2vec2,
    save_file,
    save_folder,
)
from interacthuman.tests.support.sounds import noise

# The two public layouts, thinner: what tells them apart is in the shapes.
BASE = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 192,
    "conv_dim": (32,) * 7,
}
LARGE = {**BASE, "feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("loading a speech encoder reached for the network")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)


@pytest.fixture(scope="module")
def small() -> torch.nn.Module:
    return random_wav2vec2(**SMALL)


def states_of(model: torch.nn.Module) -> torch.Tensor:
    """[T, L, C] of transformers' own model, its last state after the final norm in every version."""
    with torch.no_grad():
        output = model(noise(0.5)[None], output_hidden_states=True)
    return torch.stack(
        [*(state[0] for state in output.hidden_states[:-1]), output.last_hidden_state[0]], dim=1
    )


def assert_same(encoder: Wav2Vec2Encoder, model: torch.nn.Module) -> None:
    torch.testing.assert_close(encoder.hidden_states(noise(0.5)), states_of(model), atol=1e-5, rtol=1e-5)


def test_folder(small: torch.nn.Module, tmp_path: Path) -> None:
    encoder = load_wav2vec2(save_folder(small, tmp_path))
    assert_same(encoder, small)
    assert (encoder.layers, encoder.width, encoder.do_normalize) == (4, 96, True)
    assert not encoder.training
    assert {(p.dtype, p.device.type, p.requires_grad) for p in encoder.parameters()} == {
        (torch.float32, "cpu", False)
    }


@pytest.mark.parametrize("do_normalize", [True, False])
def test_folder_says_whether_to_normalise(small: torch.nn.Module, tmp_path: Path, do_normalize: bool) -> None:
    assert load_wav2vec2(save_folder(small, tmp_path, do_normalize=do_normalize)).do_normalize is do_normalize


def test_fields_of_another_version_or_run_are_ignored(small: torch.nn.Module, tmp_path: Path) -> None:
    save_folder(small, tmp_path)
    path = tmp_path / "config.json"
    strange = {
        "attn_implementation": "flash_attention_2",
        "gradient_checkpointing": True,
        "torch_dtype": "float16",
        "output_attentions": True,
        "add_adapter": True,
        "mask_time_prob": 0.5,
        "of_the_future": {"x": [1]},
    }
    path.write_text(json.dumps({**json.loads(path.read_text()), **strange}))
    assert_same(load_wav2vec2(tmp_path), small)


def test_half_precision_weights_become_float32(small: torch.nn.Module, tmp_path: Path) -> None:
    weights = {key: value.half() for key, value in plain_weights(small).items()}
    path = save_file(tmp_path / "half.safetensors", weights, {"config": small.config.to_json_string()})
    assert_same(load_wav2vec2(path), small)


def test_file_with_configuration_in_its_header(small: torch.nn.Module, tmp_path: Path) -> None:
    config = json.dumps({**small.config.to_dict(), "do_normalize": False})
    path = save_file(tmp_path / "one.safetensors", plain_weights(small), {"config": config})
    encoder = load_wav2vec2(str(path))
    assert_same(encoder, small)
    assert encoder.do_normalize is False


@pytest.mark.parametrize("layout", [BASE, LARGE], ids=["base", "large"])
@pytest.mark.parametrize(
    "names", [plain_weights, lambda model: older_names(plain_weights(model))], ids=["new", "old"]
)
def test_file_without_configuration(layout: dict, names: object, tmp_path: Path) -> None:
    model = random_wav2vec2(**layout)
    assert_same(load_wav2vec2(save_file(tmp_path / "bare.safetensors", names(model))), model)


def test_public_sizes_are_read_off_the_shapes() -> None:
    """The fields in which facebook/wav2vec2-base and -large-lv60 differ from each other."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    large = {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "feat_extract_norm": "layer",
        "conv_bias": True,
        "do_stable_layer_norm": True,
    }
    for public in (Wav2Vec2Config(), Wav2Vec2Config(**large)):
        with torch.device("meta"):
            weights = Wav2Vec2Model(public).state_dict()
        shapes = {key: list(weight.shape) for key, weight in weights.items()}
        for field, value in settings_from_shapes(shapes, Path("x")).items():
            expected = getattr(public, field)
            assert value == (list(expected) if isinstance(expected, (list, tuple)) else expected), field


def refusal(path: Path) -> str:
    with pytest.raises(InteractError) as caught:
        load_wav2vec2(path)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "MODEL.CKPT"])
def test_pickle_is_refused_unopened(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"would run code")
    assert "pickle" in refusal(path) and ".safetensors" in refusal(path)


def test_folder_without_weights(small: torch.nn.Module, tmp_path: Path) -> None:
    save_folder(small, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert "no model.safetensors" in refusal(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert "pytorch_model.bin is a pickle" in refusal(tmp_path)


def test_folder_without_configuration(small: torch.nn.Module, tmp_path: Path) -> None:
    save_folder(small, tmp_path)
    (tmp_path / "config.json").unlink()
    assert "no config.json" in refusal(tmp_path)


@pytest.mark.parametrize(
    "text, said",
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"model_type": "hubert"}', "type hubert"),
        ('{"conv_dim": [1], "conv_kernel": [2, 3], "num_hidden_layers": 3}', "no model"),
        ('{"conv_stride": [5, 2, 2, 2, 2, 2, 0]}', "conv_stride"),
        ('{"conv_stride": [5, 2, 2, 2, 2, 2, 65000]}', "product is at most 16000"),
        ('{"conv_kernel": 3}', "conv_kernel 3, expected 1 to 32 whole numbers"),
        ('{"num_hidden_layers": 1000000}', "num_hidden_layers 1000000, expected"),
        ('{"num_hidden_layers": 60000}', "60000 layers, but its weights have 3"),
        ('{"num_hidden_layers": 2}', "2 layers, but its weights have 3"),
        ('{"hidden_size": 2147483648}', "hidden_size 2147483648, expected"),
        ('{"hidden_size": true}', "hidden_size True, expected"),
        ('{"hidden_act": "evil"}', "no model that transformers can build"),
        ('{"hidden_act": {"a": 1}}', "hidden_act"),
        ('{"layer_norm_eps": NaN}', "layer_norm_eps nan"),
        ('{"model_type": ["wav2vec2"]}', "not a wav2vec2"),
        ('{"hidden_size": 96, "hidden_size": 96}', "'hidden_size' stands there twice"),
        ("[" * 100000, "not JSON"),
        ('"' + "x" * 5000000 + '"', "larger than any configuration"),
    ],
)
def test_configuration_that_is_none(small: torch.nn.Module, tmp_path: Path, text: str, said: str) -> None:
    save_folder(small, tmp_path)
    (tmp_path / "config.json").write_text(text)
    assert said in refusal(tmp_path) and len(refusal(tmp_path)) < 600 + len(str(tmp_path))


def test_normalisation_is_true_or_false(small: torch.nn.Module, tmp_path: Path) -> None:
    assert "do_normalize 'false'" in refusal(save_folder(small, tmp_path, do_normalize="false"))


@pytest.mark.parametrize("dtype", [torch.int32, torch.bool, torch.complex64])
def test_weights_are_floating_point_numbers(
    small: torch.nn.Module, tmp_path: Path, dtype: torch.dtype
) -> None:
    header = {"config": small.config.to_json_string()}
    key = "encoder.layers.2.final_layer_norm.weight"
    weights = plain_weights(small)
    sentence = refusal(
        save_file(tmp_path / "x.safetensors", {**weights, key: weights[key].to(dtype)}, header)
    )
    assert key in sentence and "floating-point" in sentence


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_are_finite(small: torch.nn.Module, tmp_path: Path, bad: float) -> None:
    header = {"config": small.config.to_json_string()}
    weights = older_names(plain_weights(small))
    weights["wav2vec2.feature_projection.projection.weight"][3, 5] = bad
    sentence = refusal(save_file(tmp_path / "x.safetensors", weights, header))
    assert "weight wav2vec2.feature_projection.projection.weight holds NaN or infinity" in sentence


def test_a_weight_under_two_names(small: torch.nn.Module, tmp_path: Path) -> None:
    weights = plain_weights(small)
    weights["wav2vec2.encoder.layer_norm.bias"] = torch.zeros(96)
    sentence = refusal(save_file(tmp_path / "x.safetensors", weights))
    assert "encoder.layer_norm.bias twice" in sentence


def of_the_computer() -> None:
    torch.empty(2**60, dtype=torch.uint8, device="cpu")  # torch's own allocator and its own error


def of_a_device() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 30.00 GiB")


@pytest.mark.parametrize("memory", [of_the_computer, of_a_device])
def test_out_of_memory_is_nobodys_configuration(
    small: torch.nn.Module, tmp_path: Path, memory: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While transformers builds the model, and while weights are read."""
    save_folder(small, tmp_path)
    with pytest.raises(RuntimeError) as caught:
        load_wav2vec2(tmp_path, pause=memory)
    assert is_out_of_memory(caught.value)
    monkeypatch.setattr(torch.nn.Conv1d, "reset_parameters", lambda self: memory())
    with pytest.raises(RuntimeError) as caught:
        load_wav2vec2(tmp_path)
    assert is_out_of_memory(caught.value)


def test_nothing_there(tmp_path: Path) -> None:
    assert "There is no wav2vec2" in refusal(tmp_path / "absent.safetensors")
    (tmp_path / "voice.wav").write_bytes(b"RIFF")
    assert "not a .safetensors file" in refusal(tmp_path / "voice.wav")


def test_truncated_file(small: torch.nn.Module, tmp_path: Path) -> None:
    path = save_file(tmp_path / "cut.safetensors", plain_weights(small))
    path.write_bytes(path.read_bytes()[:-1000])
    assert "not a whole safetensors file" in refusal(path)


def test_file_of_something_else(tmp_path: Path) -> None:
    path = save_file(tmp_path / "other.safetensors", {"blocks.0.weight": torch.zeros(2, 2)})
    assert "does not hold a wav2vec2" in refusal(path)


def test_unknown_size_without_configuration(small: torch.nn.Module, tmp_path: Path) -> None:
    assert "no public size" in refusal(save_file(tmp_path / "small.safetensors", plain_weights(small)))


def test_missing_and_misshapen_weight_are_named(small: torch.nn.Module, tmp_path: Path) -> None:
    header = {"config": small.config.to_json_string()}
    key = "encoder.layers.1.attention.q_proj.weight"
    weights = plain_weights(small)
    absent = {name: value for name, value in weights.items() if name != key}
    sentence = refusal(save_file(tmp_path / "absent.safetensors", absent, header))
    assert key in sentence and "absent.safetensors" in sentence and "[96, 96]" in sentence
    sentence = refusal(save_file(tmp_path / "wide.safetensors", {**weights, key: torch.zeros(8, 96)}, header))
    assert key in sentence and "[8, 96]" in sentence and "[96, 96]" in sentence
