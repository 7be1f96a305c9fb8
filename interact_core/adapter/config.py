"""What has to be known of an adapter before its weights can be used; it travels in the file's metadata."""

import json
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise

from ..errors import InteractError, one_line
from ..sentences import sentence
from ..weights_file import parse_object

FORMAT_VERSION = "1"
METADATA_KEY = "interact_adapter"
VERSION_KEY = "format_version"
REFERENCE_LAYOUTS = ("time",)
LARGEST_SIZE = 2**16
"""Far above any adapter's sizes, and small enough for the products of four."""
MOST_FPS = 1000


@dataclass(frozen=True)
class AdapterConfig:
    """Sizes and conventions of one adapter; every field is written to and read from the file.

    Raises InteractError where a field is out of range or two fields do not fit together.
    """

    model_width: int  # D, channels of a token of the base model
    model_blocks: int  # blocks of the base model; each gets an audio cross-attention
    audio_layers: int  # L, hidden states per frame in Speech.features
    audio_width: int  # C, channels of one hidden state
    audio_frame_width: int  # channels of one video frame's audio after the first projection
    audio_window: int  # video frames looked at on EACH side of a latent frame's own `temporal_stride`
    audio_hidden: int  # hidden width of the projector's MLP
    audio_tokens: int  # n, audio tokens per latent frame
    audio_context_width: int  # channels of one audio token
    audio_heads: int  # heads of the audio cross-attention; divides model_width
    mask_width: int  # width of the mask head; 224 is the paper's budget, 55.9M at Wan-14B
    mask_heads: int  # heads of the mask cross-attention; divides mask_width
    mask_blocks: tuple[int, ...]  # blocks that carry a mask head; ALL of them are averaged
    reference_layout: str = "time"  # places in RoPE; "time": behind the video, as Phantom-Wan has them
    temporal_stride: int = 4  # video frames per latent frame of the VAE
    fps: float = 25.0  # video frames per second that the audio was read at in training
    base: str = ""  # free text: what it was trained on

    # Not fields, as every such file has them in common; see SpeechSizes in families.py.
    kind = sentence("kind_interact")
    encoder = sentence("encoder_interact")
    null_features = False

    def __post_init__(self) -> None:
        _check_types(self)
        _check_ranges(self)

    @property
    def window_frames(self) -> int:
        """Video frames of audio that one latent frame sees: its own and `audio_window` on each side."""
        return self.temporal_stride + 2 * self.audio_window

    def to_metadata(self) -> dict[str, str]:
        """The safetensors header's metadata: this configuration as JSON, and the format's version."""
        return {METADATA_KEY: json.dumps(asdict(self), sort_keys=True), VERSION_KEY: FORMAT_VERSION}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str] | None, path: str) -> "AdapterConfig":
        """Read `to_metadata` back; `path` is only named in errors.

        Raises InteractError, one sentence naming the file and the field, where the metadata is missing, of
        another format version, or lacks a field, has an unknown one or one of the wrong type or range.
        """
        metadata = metadata or {}
        if METADATA_KEY not in metadata:
            raise InteractError(
                f"{path} is not an InterAct adapter: its header has no '{METADATA_KEY}' entry; "
                "choose a file written by this pack's training, or a MultiTalk or InfiniteTalk file."
            )
        version = metadata.get(VERSION_KEY)
        if version != FORMAT_VERSION:
            raise InteractError(
                f"{path} has adapter format_version {one_line(repr(version), 40)}, but this pack reads "
                f"{FORMAT_VERSION!r}: update the pack or choose another file."
            )
        entries = parse_object(metadata[METADATA_KEY], f"{path}: the '{METADATA_KEY}' entry of the header")
        names = {field.name for field in fields(cls)}
        wrong = [f"lacks {name}" for name in sorted(names - entries.keys())]
        wrong += [f"has unknown {one_line(name, 40)}" for name in sorted(entries.keys() - names)]
        if wrong:
            said = one_line(", ".join(wrong))
            raise InteractError(f"{path}: the adapter configuration {said}; save the file again.")
        if isinstance(entries["mask_blocks"], list):
            entries["mask_blocks"] = tuple(entries["mask_blocks"])  # JSON has no tuples
        try:
            return cls(**entries)
        except InteractError as error:
            raise InteractError(f"{path}: {error}") from error


def _check_types(config: AdapterConfig) -> None:
    for name, expected in typing.get_type_hints(AdapterConfig).items():
        value = getattr(config, name)
        if expected is float:
            fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        elif expected in (int, str):
            fits = isinstance(value, expected) and not isinstance(value, bool)
        else:
            fits = isinstance(value, tuple) and all(type(block) is int for block in value)
        if not fits:
            kind = "tuple of integers" if name == "mask_blocks" else expected.__name__
            raise InteractError(
                f"adapter configuration field {name} is {one_line(repr(value), 40)}, expected {kind}."
            )


def _check_ranges(config: AdapterConfig) -> None:
    def require(holds: bool, name: str, expected: str) -> None:
        if not holds:
            raise InteractError(
                f"adapter configuration field {name} is {one_line(repr(getattr(config, name)), 40)}, "
                f"expected {expected}."
            )

    for field in fields(config):
        if field.type is int:
            least = 0 if field.name == "audio_window" else 1
            fits = least <= getattr(config, field.name) <= LARGEST_SIZE
            require(fits, field.name, f"at least {least} and at most {LARGEST_SIZE}")
    require(1 <= config.fps <= MOST_FPS, "fps", f"a positive number, 1 to {MOST_FPS}")
    require(config.reference_layout in REFERENCE_LAYOUTS, "reference_layout", f"one of {REFERENCE_LAYOUTS}")
    heads = config.audio_heads
    require(config.model_width % heads == 0, "audio_heads", f"a divisor of model_width {config.model_width}")
    heads = config.mask_heads
    require(config.mask_width % heads == 0, "mask_heads", f"a divisor of mask_width {config.mask_width}")
    head_width = config.mask_width // heads
    turns = head_width >= 6 and head_width % 2 == 0  # three axes of channel pairs to turn, rope.py
    require(turns, "mask_heads", "such that a head is of even width, 6 or more")
    blocks = config.mask_blocks
    ordered = bool(blocks) and all(low < high for low, high in pairwise(blocks))
    inside = ordered and blocks[0] >= 0 and blocks[-1] < config.model_blocks
    require(inside, "mask_blocks", f"rising block numbers within 0..{config.model_blocks - 1}, at least one")
