"""What a wav2vec2 on disk says: its configuration, its normalisation, its weights. No transformers here."""

import json
from pathlib import Path

from torch import Tensor

from ..errors import InteractError

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
# Fields of a config.json that say how somebody once ran the model, not what it is.
RUN_FIELDS = (
    "architectures",
    "transformers_version",
    "torch_dtype",
    "dtype",
    "gradient_checkpointing",
    "attn_implementation",
    "_attn_implementation",
    "_attn_implementation_internal",
    "_name_or_path",
    "quantization_config",
    "return_dict",
    "torchscript",
    "output_attentions",
    "output_hidden_states",
)
# Switched off: spectrogram masking (training only, and its vector is missing from many files) and the
# down-sampling adapter, which comes after the hidden states that we read.
FIXED_FIELDS = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "add_adapter": False}


def read_wav2vec2(path: Path) -> tuple[dict[str, object], bool, dict[str, Tensor]]:
    """Configuration fields, do_normalize, and weights under transformers' present names.

    path: a folder or a .safetensors file. Raises InteractError where it is neither or is incomplete.
    """
    if path.is_dir():
        settings, do_normalize, weights = _read_folder(path)
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
        settings, do_normalize, weights = _read_file(path)

    kind = settings.get("model_type", "wav2vec2")
    if kind != "wav2vec2":
        raise InteractError(f"{path} is a model of type {kind}, not a wav2vec2; choose a wav2vec2 model.")
    kept = {name: value for name, value in settings.items() if name not in (*RUN_FIELDS, "model_type")}
    return {**kept, **FIXED_FIELDS}, do_normalize, weights


def _read_folder(folder: Path) -> tuple[dict[str, object], bool, dict[str, Tensor]]:
    config_path, weights_path = folder / "config.json", folder / WEIGHTS_NAME
    if not config_path.is_file():
        raise InteractError(
            f"The wav2vec2 folder {folder} has no config.json; copy it in beside the weights."
        )
    if not weights_path.is_file():
        pickles = sorted(found.name for found in folder.iterdir() if found.suffix.lower() in PICKLES)
        also = f" ({pickles[0]} is a pickle, which is never opened)" if pickles else ""
        raise InteractError(f"The wav2vec2 folder {folder} has no {WEIGHTS_NAME}{also}; copy the weights in.")
    preprocessor_path = folder / "preprocessor_config.json"
    preprocessor = _read_json(preprocessor_path) if preprocessor_path.is_file() else {}
    weights, _ = _read_safetensors(weights_path)
    return _read_json(config_path), bool(preprocessor.get("do_normalize", True)), weights


def _read_file(path: Path) -> tuple[dict[str, object], bool, dict[str, Tensor]]:
    weights, header = _read_safetensors(path)
    settings = (
        _parse_json(header["config"], path) if "config" in header else settings_from_shapes(weights, path)
    )
    return settings, bool(settings.pop("do_normalize", True)), weights


def _read_json(path: Path) -> dict[str, object]:
    try:
        return _parse_json(path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise InteractError(f"{path} cannot be read ({error}); fetch it again.") from error


def _parse_json(text: str, path: Path) -> dict[str, object]:
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        raise InteractError(f"The configuration in {path} is not JSON ({error}); fetch it again.") from error
    if not isinstance(fields, dict):
        raise InteractError(f"The configuration in {path} is not a JSON object; fetch it again.")
    return fields


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors under transformers' present names, and the header's metadata."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt", device="cpu") as opened:
            header = opened.metadata() or {}
            keys = opened.keys()  # it is no mapping: a loop over the file fails
            tensors = {key: opened.get_tensor(key) for key in keys}
    except (SafetensorError, OSError) as error:
        raise InteractError(f"{path} is not a whole safetensors file ({error}); fetch it again.") from error
    return {present_name(key): tensor for key, tensor in tensors.items()}, header


def present_name(key: str) -> str:
    """The name that today's Wav2Vec2Model gives to a weight saved under any of its public names."""
    key = key.removeprefix(PREFIX)
    for old, new in WEIGHT_NORM_NAMES.items():
        if key.endswith(old):
            return key.removesuffix(old) + new
    return key


def settings_from_shapes(weights: dict[str, Tensor], path: Path) -> dict[str, object]:
    """Configuration of the public base and large layouts, read off the weights.

    Strides and heads leave no trace in shapes: the public ones are assumed, and anything else is refused.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in weights.items()}
    names = [f"feature_extractor.conv_layers.{i}.conv.weight" for i in range(len(PUBLIC_KERNELS))]
    convs = [shapes[name] for name in names if name in shapes]
    position = shapes.get("encoder.pos_conv_embed.conv.parametrizations.weight.original1")
    dense = shapes.get("encoder.layers.0.feed_forward.intermediate_dense.weight")
    if position is None or dense is None or len(convs) < len(names):
        raise InteractError(
            f"{path} does not hold a wav2vec2 (convolutions or transformer are missing); choose another file."
        )
    width = position[0]
    if tuple(shape[2] for shape in convs) != PUBLIC_KERNELS or width % PUBLIC_HEAD_WIDTH:
        raise InteractError(
            f"{path} is a wav2vec2 of no public size and its header has no configuration; "
            "use its folder with config.json."
        )
    layers = {key.split(".")[2] for key in shapes if key.startswith("encoder.layers.")}
    # The large models normalise every convolution and put LayerNorm before attention; base ones do neither.
    large = "feature_extractor.conv_layers.1.layer_norm.weight" in shapes
    return {
        "hidden_size": width,
        "num_hidden_layers": len(layers),
        "num_attention_heads": width // PUBLIC_HEAD_WIDTH,
        "intermediate_size": dense[0],
        "conv_dim": [shape[0] for shape in convs],
        "conv_kernel": list(PUBLIC_KERNELS),
        "conv_stride": list(PUBLIC_STRIDES),
        "conv_bias": "feature_extractor.conv_layers.1.conv.bias" in shapes,
        "feat_extract_norm": "layer" if large else "group",
        "do_stable_layer_norm": large,
        "num_conv_pos_embeddings": position[2],
        "num_conv_pos_embedding_groups": width // position[1],
    }
