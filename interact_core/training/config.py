"""What a training run is told: a TOML file, each key of which is explained here and nowhere else.

`describe()` prints a whole file with every key, its default and what it means; docs/training.md shows it.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InteractError

if sys.version_info >= (3, 11):
    import tomllib
else:  # a requirement of the extra `train` there
    import tomli as tomllib


def key(default: Any, words: str, choices: tuple[str, ...] = (), watching: bool = False) -> Any:
    """One key of the file. choices: the only values it takes; watching: a resumed run may change it, for what is
    trained does not depend on it.
    """
    return field(default=default, metadata={"words": words, "choices": choices, "watching": watching})


@dataclass(frozen=True)
class BaseKeys:
    """The base model, a Wan2.1 text-to-video file with ComfyUI's keys."""

    file: str = key("", "the base, .safetensors; Phantom-Wan is the one that knows reference pictures")
    train: str = key("frozen", "what of the base is trained", ("frozen", "lora", "full"))
    dtype: str = key(
        "float32",
        "of its weights; a frozen base may be bfloat16 (half the memory), a full one is float32",
        ("float32", "bfloat16"),
    )
    lora_rank: int = key(32, "rank of the LoRA, with train = 'lora'")
    lora_alpha: float = key(32.0, "its scale is lora_alpha / lora_rank")
    lora_start: str = key("", "lora.safetensors of an earlier run to go on from; empty: a new one")
    lora_layers: tuple[str, ...] = key(
        ("self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "ffn.0", "ffn.2"),
        "linear layers of each block that get one",
    )
    checkpointing: bool = key(False, "compute each block again in the backward pass instead of keeping it")


@dataclass(frozen=True)
class AdapterKeys:
    """The adapter: width and depth come from the base, audio layers and channels from the audio encoder."""

    start: str = key("", "adapter file to go on from (its sizes count then); empty: a new one")
    new_heads: bool = key(
        False, "with start: mask heads of the sizes below begin anew; of the file only what hears stays"
    )
    audio_projector: bool = key(True, "train the audio projector; false: frozen")
    audio_blocks: bool = key(True, "train the audio cross-attentions; false: frozen")
    mask_heads: bool = key(True, "train the mask heads; false: frozen")
    audio_frame_width: int = key(512, "channels of one video frame's audio after the first projection")
    audio_window: int = key(
        5, "video frames heard on each side of a latent frame's own four (paper: +-5 tokens)"
    )
    audio_hidden: int = key(1024, "hidden width of the projector")
    audio_tokens: int = key(8, "audio tokens for each latent frame")
    audio_context_width: int = key(768, "channels of an audio token")
    mask_width: int = key(224, "width of a mask head; 224 is the paper's 56M parameters at 14B")
    mask_heads_each: int = key(4, "attention heads of a mask head")
    mask_blocks: tuple[int, ...] = key(
        (), "blocks with a mask head, all of them averaged; empty: the last quarter of the base's blocks"
    )


@dataclass(frozen=True)
class ShardKeys:
    """What is learned from: WebDataset shards (docs/training.md has the format), encoded once."""

    train: tuple[str, ...] = key((), "tar files; a path may hold *")
    validation: tuple[str, ...] = key((), "held-out ones for figures and clips; may be empty", watching=True)
    cache: str = key("", "folder for what is encoded; empty: beside the first shard", watching=True)
    vae: str = key("", "the Wan2.1 VAE")
    audio_encoder: str = key("", "wav2vec2, a folder or .safetensors; it is what the nodes must use later")
    text_encoder: str = key("", "umt5-xxl as ComfyUI reads it; empty: captions are not heard")
    width: int = key(832, "pixels, a multiple of 16; clips are scaled to cover the frame, and cropped")
    height: int = key(480, "likewise")
    frames: int = key(81, "video frames of a clip, 4n+1; shorter clips are left out")
    fps: float = key(25.0, "video frames per second of a clip, and of the audio features")
    views: int = key(3, "reference pictures encoded for each concept, one of which is drawn at each step")
    crops: bool = key(True, "crop views to head, half body or clothing at random (paper); false: as they are")
    people: tuple[int, ...] = key((1, 4), "fewest and most concepts of a clip; others are left out")
    readers: int = key(2, "threads that read batches ahead", watching=True)


@dataclass(frozen=True)
class AugmentationKeys:
    """How often what is left out or spoiled, so that the model knows it from training; shares in 0..1."""

    injection: str = key(
        "masks",
        "where voices are heard: inside their owner's true mask, or everywhere (stage one, a single person)",
        ("masks", "everywhere"),
    )
    no_audio: float = key(0.1, "no audio at all: the negative branch of guidance")
    no_references: float = key(
        0.8, "of the clips without audio: blank references too, so that cfg means likeness"
    )
    no_text: float = key(0.1, "no caption; clips without audio have none either, for cfg drops both together")
    all_mute: float = key(0.05, "silence everywhere: the middle branch of audio guidance")
    no_masks_early: float = key(0.5, "above stage_one_above: no masks yet, silence or all voices everywhere")
    stage_one_above: float = key(0.9, "noise level from which that happens")
    held: float = key(
        0.0, "above held_above: masks of one moment at all moments, so that a mask is no order to stand there"
    )
    held_above: float = key(0.6, "noise level from which that happens")
    blurred: float = key(0.3, "masks as a model predicts them while the video forms")
    dilated: float = key(0.15, "masks that are a token too wide")


@dataclass(frozen=True)
class LossKeys:
    """losses.py has the formulas and their sources."""

    velocity: float = key(1.0, "weight of the rectified-flow loss; 0 where only mask heads are trained")
    mask: float = key(1.0, "weight of the mask loss (paper: 1:1)")
    focal_alpha: float = key(0.25, "of the focal loss (paper)")
    focal_gamma: float = key(2.0, "likewise")
    confidence: float = key(0.5, "frames whose mask is less sure than this leave the mask loss (paper)")
    emphasis_people: float = key(0.0, "how much more the velocity loss weighs inside masks; the paper: 0")
    emphasis_focus: float = key(0.0, "likewise inside a shard's focus map, such as mouths; the paper: 0")


@dataclass(frozen=True)
class OptimiserKeys:
    """AdamW; the paper says 10k steps at 3e-5 with an effective batch of 8."""

    kind: str = key("adamw", "muon: matrices in blocks by Muon (one process only)", ("adamw", "muon"))
    rate: float = key(3e-5, "learning rate after the warm-up")
    warmup: int = key(100, "steps in which it rises")
    cooldown: int = key(1000, "last steps, in which it falls to nothing")
    clip: float = key(1.0, "largest norm of the gradient")
    average: float = key(0.999, "EMA of what is trained: the share that is kept at each step; 0: none")


@dataclass(frozen=True)
class RunKeys:
    """The run itself."""

    folder: str = key("", "where checkpoints, curves, clips and the finished adapter go", watching=True)
    steps: int = key(10000, "optimiser steps")
    batch: int = key(8, "clips in a step, over all processes together")
    micro: int = key(1, "clips in one forward pass of one process; the rest is accumulated", watching=True)
    seed: int = key(0, "all that is drawn follows from it, from the step and from the place in the batch")
    precision: str = key("bf16", "of the forward pass (autocast)", ("bf16", "no"))
    sharding: str = key(
        "none", "over several GPUs: 'fsdp' shards the weights, 'none' copies them", ("none", "fsdp"), True
    )
    save_every: int = key(250, "steps from checkpoint to checkpoint", watching=True)
    keep: int = key(2, "checkpoints that are kept", watching=True)
    log_every: int = key(10, "steps from line to line", watching=True)
    validate_every: int = key(500, "steps from validation to validation; 0: none", watching=True)
    validation_clips: int = key(8, "held-out clips for the figures, from the first on", watching=True)
    sampled_clips: int = key(2, "of these, sampled to the end and written as video", watching=True)
    sampling_steps: int = key(30, "steps of that sampling", watching=True)
    sampling_cfg: float = key(5.0, "its scale of guidance", watching=True)
    sampling_shift: float = key(5.0, "its shift of the noise schedule", watching=True)
    measure_peak: bool = key(
        True, "measure the matrix rate of the device, for the FLOPs utilisation", watching=True
    )


@dataclass(frozen=True)
class TrainingConfig:
    """A whole file. Raises InteractError for what cannot be."""

    base: BaseKeys = BaseKeys()
    adapter: AdapterKeys = AdapterKeys()
    shards: ShardKeys = ShardKeys()
    mix: AugmentationKeys = AugmentationKeys()
    loss: LossKeys = LossKeys()
    optimiser: OptimiserKeys = OptimiserKeys()
    run: RunKeys = RunKeys()

    def __post_init__(self) -> None:
        for name, given, words in _checks(self):
            raise InteractError(f"Training configuration: {name} is {given!r}; {words}.")

    @property
    def trains_base(self) -> bool:
        return self.base.train != "frozen"

    @property
    def needs_masks(self) -> bool:
        """Whether a clip without masks is of no use."""
        return self.mix.injection == "masks" or (self.adapter.mask_heads and self.loss.mask > 0)

    def entries(self) -> dict[str, Any]:
        """Every key as "table.key", lists as tuples."""
        return {
            f"{table.name}.{entry.name}": getattr(getattr(self, table.name), entry.name)
            for table in fields(self)
            for entry in fields(getattr(self, table.name))
        }


def _checks(config: TrainingConfig) -> Iterator[tuple[str, Any, str]]:
    """What is wrong, if anything is: (key, value, what to do)."""
    for table in fields(config):
        for entry in fields(getattr(config, table.name)):
            value, choices = getattr(getattr(config, table.name), entry.name), entry.metadata["choices"]
            name = f"{table.name}.{entry.name}"
            if choices and value not in choices:
                yield name, value, f"choose one of {', '.join(choices)}"
            if table.name == "mix" and not choices and not 0 <= value <= 1:
                yield name, value, "give a share within 0..1"
    shards, run, loss = config.shards, config.run, config.loss
    for name, value in (("shards.width", shards.width), ("shards.height", shards.height)):
        if value < 16 or value % 16:
            yield name, value, "give a multiple of 16"
    if shards.frames < 1 or (shards.frames - 1) % 4:
        yield "shards.frames", shards.frames, "give 4n+1, such as 81"
    if len(shards.people) != 2 or not 1 <= shards.people[0] <= shards.people[1]:
        yield "shards.people", list(shards.people), "give the fewest and the most concepts, such as [1, 4]"
    for name, value in (
        ("shards.views", shards.views),
        ("shards.readers", shards.readers),
        ("run.steps", run.steps),
        ("run.batch", run.batch),
        ("run.micro", run.micro),
        ("run.save_every", run.save_every),
        ("run.keep", run.keep),
        ("run.log_every", run.log_every),
        ("optimiser.warmup", config.optimiser.warmup),
        ("optimiser.cooldown", config.optimiser.cooldown),
        ("base.lora_rank", config.base.lora_rank),
    ):
        if value < 1:
            yield name, value, "give 1 or more"
    if config.mix.no_audio + config.mix.all_mute > 1:
        yield "mix.all_mute", config.mix.all_mute, "together with mix.no_audio it must not pass 1"
    if not 0 <= config.optimiser.average < 1:
        yield "optimiser.average", config.optimiser.average, "give a share from 0 to below 1"
    if config.base.train == "full" and config.base.dtype != "float32":
        yield "base.dtype", config.base.dtype, "a base that is trained in full needs 'float32'"
    parts = config.adapter
    if not (config.trains_base or parts.audio_projector or parts.audio_blocks or parts.mask_heads):
        yield "adapter.mask_heads", False, "train at least one part, for now everything is frozen"
    heads_only = not (config.trains_base or parts.audio_projector or parts.audio_blocks)
    if heads_only and loss.mask <= 0:
        yield "loss.mask", loss.mask, "mask heads learn from the mask loss alone, so give it a weight"


def read_config(path: Path, settings: Sequence[str] = ()) -> TrainingConfig:
    """Read a TOML file, then apply "table.key=value" settings, whose values are TOML too (text without quotes is
    text). Paths in the file may begin with ~ and count from the folder that the command runs in.

    Raises InteractError, one sentence, for a file that is missing or not TOML, a key that does not exist and a
    value of the wrong type or range.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InteractError(
            f"{path} cannot be read ({error.strerror}): name a training configuration."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise InteractError(f"{path} is not TOML: {error}.") from error
    for setting in settings:
        name, equals, text = setting.partition("=")
        table, dot, entry = name.partition(".")
        if not equals or not dot:
            raise InteractError(f"The setting {setting!r} is not of the form table.key=value.")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        entries.setdefault(table, {})[entry] = value
    return config_of(entries, str(path))


def config_of(entries: Mapping[str, Any], name: str) -> TrainingConfig:
    """From nested tables; `name` is only named in errors."""
    tables = {table.name: getattr(TrainingConfig(), table.name) for table in fields(TrainingConfig)}
    for table, given in entries.items():
        if not isinstance(given, Mapping):
            raise InteractError(f"{name}: {table} stands outside of any table; write it below its [table].")
        if table not in tables:
            raise InteractError(
                f"{name}: there is no table [{table}]; the tables are {', '.join(f'[{t}]' for t in tables)}."
            )
        tables[table] = replace(tables[table], **_typed(tables[table], table, given, name))
    try:
        return TrainingConfig(**tables)
    except InteractError as error:
        raise InteractError(f"{name}: {error}") from error


def _typed(table: Any, title: str, given: Mapping[str, Any], name: str) -> dict[str, Any]:
    kinds = typing.get_type_hints(type(table))
    typed = {}
    for entry, value in given.items():
        if entry not in kinds:
            raise InteractError(
                f"{name}: [{title}] has no key {entry!r}; its keys are {', '.join(sorted(kinds))}."
            )
        typed[entry] = _as(kinds[entry], value, f"{name}: {title}.{entry}")
    return typed


def _as(kind: Any, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        value = value if isinstance(value, (list, tuple)) else [value]
        return tuple(_as(inner, item, where) for item in value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        words = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}[kind]
        raise InteractError(f"{where} is {value!r}; give {words}.")
    return value


def check_same_run(before: Mapping[str, Any], now: TrainingConfig, folder: Path) -> None:
    """Raise InteractError where a checkpoint was made under another configuration: what would go on there would be
    neither the one run nor the other. Keys that only watch may differ.
    """
    watching = {
        f"{table.name}.{entry.name}"
        for table in fields(now)
        for entry in fields(getattr(now, table.name))
        if entry.metadata["watching"]
    }
    for name, value in now.entries().items():
        value = list(value) if isinstance(value, tuple) else value
        if name not in watching and before.get(name, value) != value:
            raise InteractError(
                f"The run in {folder} was begun with {name} = {before[name]!r} and would go on with {value!r}: "
                "put that back, or give run.folder another folder."
            )


def describe() -> str:
    """A whole file: every key with its default, explained."""
    lines = []
    for table in fields(TrainingConfig):
        keys = getattr(TrainingConfig(), table.name)
        assert is_dataclass(keys)
        summary = (type(keys).__doc__ or "").splitlines()[0]
        lines += [f"# {summary}", f"[{table.name}]"]
        for entry in fields(keys):
            choices = entry.metadata["choices"]
            words = entry.metadata["words"] + (f" ({' | '.join(choices)})" if choices else "")
            lines.append(f"{entry.name} = {_toml(getattr(keys, entry.name))}  # {words}")
        lines.append("")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
