"""What a wav2vec2 on disk says: its configuration, its normalisation, its weights. No transformers here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import InteractError, one_line
from ..weights_file import JSON_CHARACTERS, Pause, WeightsFile, open_weights, parse_object

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
WEIGHTS_NAME = "model.safetensors"
# Wrappers under which training scripts and the hub's *ForCTC, *ForPreTraining classes save the same network.
PREFIX = "wav2vec2."
# torch renamed the two halves of weight norm in 2.0; public files use either name.
WEIGHT_NORM_NAMES = {
    ".conv.weight_g": ".conv.parametrizations.weight.original0",
    ".conv.weight_v": ".conv.parametrizations.weight.original1",
}
# Kernels of the convolutions of every public wav2vec2, and their strides, which weights do not show.
PUBLIC_KERNELS = (10, 3, 3, 3, 3, 2, 2)
PUBLIC_STRIDES = (5, 2, 2, 2, 2, 2, 2)
PUBLIC_HEAD_WIDTH = 64  # 768 / 12 and 1024 / 16
# Switched off: spectrogram masking (training only, and its vector is missing from many files) and the
# down-sampling adapter, which comes after the hidden states that we read.
FIXED_FIELDS = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "add_adapter": False}
# The fields of a config.json that say what the network is. The others say how it was trained or run.
SIZES = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "num_conv_pos_embeddings",
    "num_conv_pos_embedding_groups",
)
SIZE_LISTS = ("conv_dim", "conv_stride", "conv_kernel")
SWITCHES = ("conv_bias", "do_stable_layer_norm")
NAMES = ("feat_extract_norm", "feat_extract_activation", "hidden_act")
LARGEST_SIZE = 2**16  # far above any wav2vec2's, and small enough for the products of three
MOST_CONVOLUTIONS = 32
MOST_STRIDE = 16000  # of all convolutions together, in samples: one state a second; public ones have 50
LAYER = "encoder.layers."


@dataclass(frozen=True)
class Wav2Vec2File:
    """A wav2vec2 on disk, its weights still unread. shapes: under transformers' present names.

    settings: what its configuration says of the network, each in range; nothing of it is compared with the shapes yet.
    """

    settings: dict[str, object]
    do_normalize: bool
    shapes: Mapping[str, Sequence[int]]
    _names: Mapping[str, str]  # in the file, by present names
    _file: WeightsFile

    def weights(self, keys: Iterable[str], pause: Pause) -> dict[str, Tensor]:
        """By present names. Raises InteractError for a weight that is no floating-point number, or not finite."""
        names = {self._names[key]: key for key in keys}
        return {names[name]: tensor for name, tensor in self._file.weights(names, pause).items()}


@contextmanager
def open_wav2vec2(path: Path) -> Iterator[Wav2Vec2File]:
    """A folder or a .safetensors file, open. Raises InteractError where it is neither or is incomplete."""
    if path.is_dir():
        weights_path = _weights_in(path)
        settings, do_normalize = _read_folder(path)
    elif path.suffix.lower() in PICKLES:
        raise InteractError(
            f"{path} is a pickle, which can run code when it is opened; use the same model as .safetensors."
        )
    elif not path.is_file():
        raise InteractError(f"There is no wav2vec2 at {path}; give a folder or a .safetensors file.")
    elif path.suffix.lower() != ".safetensors":
        raise InteractError(
            f"{path} is not a .safetensors file; use the model as .safetensors or its folder."
        )
    else:
        weights_path, settings, do_normalize = path, None, True
    with open_weights(weights_path, "a wav2vec2") as file:
        names = _present_names(file)
        shapes = {key: file.shapes[name] for key, name in names.items()}
        if settings is None and "config" in file.metadata:
            settings = parse_object(file.metadata["config"], f"The configuration in {path}")
            do_normalize = _switch(settings, "do_normalize", path)
        settings = settings_from_shapes(shapes, path) if settings is None else _network(settings, path)
        layers = {"num_hidden_layers": layers_in(shapes)}  # where the configuration does not say
        yield Wav2Vec2File({**layers, **settings, **FIXED_FIELDS}, do_normalize, shapes, names, file)


def _weights_in(folder: Path) -> Path:
    config_path, weights_path = folder / "config.json", folder / WEIGHTS_NAME
    if not config_path.is_file():
        raise InteractError(
            f"The wav2vec2 folder {folder} has no config.json; copy it in beside the weights."
        )
    if not weights_path.is_file():
        pickles = sorted(found.name for found in folder.iterdir() if found.suffix.lower() in PICKLES)
        also = f" ({pickles[0]} is a pickle, which is never opened)" if pickles else ""
        raise InteractError(f"The wav2vec2 folder {folder} has no {WEIGHTS_NAME}{also}; copy the weights in.")
    return weights_path


def _read_folder(folder: Path) -> tuple[dict[str, Any], bool]:
    """The fields of its configuration, and do_normalize."""
    preprocessor_path = folder / "preprocessor_config.json"
    preprocessor = _read_json(preprocessor_path) if preprocessor_path.is_file() else {}
    return _read_json(folder / "config.json"), _switch(preprocessor, "do_normalize", preprocessor_path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8") if path.stat().st_size <= 4 * JSON_CHARACTERS else None
    except (OSError, UnicodeDecodeError) as error:
        raise InteractError(f"{path} cannot be read ({one_line(error)}); fetch it again.") from error
    if text is None:
        raise InteractError(f"{path} is far larger than any configuration; fetch it again.")
    return parse_object(text, f"The configuration in {path}")


def _switch(fields: Mapping[str, Any], name: str, path: Path) -> bool:
    value = fields.get(name, True)
    if not isinstance(value, bool):
        raise _wrong(path, name, value, "true or false")
    return value


def _wrong(path: Path, name: str, value: object, expected: str) -> InteractError:
    return InteractError(
        f"The configuration of {path} has {name} {one_line(repr(value), 40)}, expected {expected}; fetch it again."
    )


def _network(fields: Mapping[str, Any], path: Path) -> dict[str, object]:
    """What a configuration says of the network, each field in range. Raises InteractError for another model's."""
    kind = fields.get("model_type", "wav2vec2")
    if kind != "wav2vec2":
        raise InteractError(
            f"{path} is a model of type {one_line(kind, 40)}, not a wav2vec2; choose a wav2vec2 model."
        )
    found: dict[str, object] = {}
    for name, value in fields.items():
        if name in SIZES and not _is_size(value):
            raise _wrong(path, name, value, f"a whole number of 1 to {LARGEST_SIZE}")
        if name in SIZE_LISTS and not _is_size_list(value):
            raise _wrong(path, name, value, f"1 to {MOST_CONVOLUTIONS} whole numbers of 1 to {LARGEST_SIZE}")
        if name in SWITCHES and not isinstance(value, bool):
            raise _wrong(path, name, value, "true or false")
        if name in NAMES and not isinstance(value, str):
            raise _wrong(path, name, value, "a name")
        if name == "layer_norm_eps" and not (type(value) is float and 0 < value < 1):
            raise _wrong(path, name, value, "a number between 0 and 1")
        if name == "adapter_attn_dim" and not (value is None or _is_size(value)):
            raise _wrong(path, name, value, f"null or a whole number of 1 to {LARGEST_SIZE}")
        if name in (*SIZES, *SIZE_LISTS, *SWITCHES, *NAMES, "layer_norm_eps", "adapter_attn_dim"):
            found[name] = value
    strides = fields.get("conv_stride", ())
    if prod(strides) > MOST_STRIDE:
        raise _wrong(path, "conv_stride", strides, f"strides whose product is at most {MOST_STRIDE}")
    return found


def _is_size(value: object) -> bool:
    return type(value) is int and 1 <= value <= LARGEST_SIZE


def _is_size_list(value: object) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MOST_CONVOLUTIONS and all(map(_is_size, value))


def _present_names(file: WeightsFile) -> dict[str, str]:
    """The file's name of each weight, by its present one. Raises InteractError if one stands there twice."""
    names: dict[str, str] = {}
    for name in file.shapes:
        key = present_name(name)
        if key in names:
            raise InteractError(
                f"{file.name} holds {one_line(key)} twice, as {one_line(names[key])} and {one_line(name)}: "
                "fetch it again."
            )
        names[key] = name
    return names


def layers_in(shapes: Iterable[str]) -> int:
    """How many transformer layers there are weights of."""
    return len({key.split(".")[2] for key in shapes if key.startswith(LAYER)})


def present_name(key: str) -> str:
    """The name that today's Wav2Vec2Model gives to a weight saved under any of its public names."""
    key = key.removeprefix(PREFIX)
    for old, new in WEIGHT_NORM_NAMES.items():
        if key.endswith(old):
            return key.removesuffix(old) + new
    return key


def settings_from_shapes(shapes: Mapping[str, Sequence[int]], path: Path) -> dict[str, object]:
    """Configuration of the public base and large layouts, read off the shapes of the weights.

    Strides and heads leave no trace in shapes: the public ones are assumed, and anything else is refused.
    """
    names = [f"feature_extractor.conv_layers.{i}.conv.weight" for i in range(len(PUBLIC_KERNELS))]
    convs = [shapes[name] for name in names if name in shapes]
    position = shapes.get("encoder.pos_conv_embed.conv.parametrizations.weight.original1", ())
    dense = shapes.get("encoder.layers.0.feed_forward.intermediate_dense.weight", ())
    ranks = [len(shape) for shape in (*convs, position, dense)]
    if ranks != [3] * len(names) + [3, 2] or not all(map(_is_size, chain(*convs, position, dense))):
        raise InteractError(
            f"{path} does not hold a wav2vec2 (convolutions or transformer are missing); choose another file."
        )
    width = position[0]
    if tuple(shape[2] for shape in convs) != PUBLIC_KERNELS or width % PUBLIC_HEAD_WIDTH:
        raise InteractError(
            f"{path} is a wav2vec2 of no public size and its header has no configuration; "
            "use its folder with config.json."
        )
    # The large models normalise every convolution and put LayerNorm before attention; base ones do neither.
    large = "feature_extractor.conv_layers.1.layer_norm.weight" in shapes
    return {
        "hidden_size": width,
        "num_hidden_layers": layers_in(shapes),
        "num_attention_heads": width // PUBLIC_HEAD_WIDTH,
        "intermediate_size": dense[0],
        "conv_dim": [shape[0] for shape in convs],
        "conv_kernel": list(PUBLIC_KERNELS),
        "conv_stride": list(PUBLIC_STRIDES),
        "conv_bias": "feature_extractor.conv_layers.1.conv.bias" in shapes,
        "feat_extract_norm": "layer" if large else "group",
        "do_stable_layer_norm": large,
        "num_conv_pos_embeddings": position[2],
        "num_conv_pos_embedding_groups": max(1, width // position[1]),
    }
