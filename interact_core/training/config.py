"""The configuration of a training run: a TOML file, whose keys are defined and explained here.

`describe()` gives a whole file with every key, its default and its explanation; docs/training.md contains it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..config_tables import describe_tables, key, read_entries, tables_of, wrong_choices
from ..errors import InteractError


@dataclass(frozen=True)
class BaseKeys:
    """The base model, a Wan2.1 text-to-video file with ComfyUI's keys."""

    file: str = key("", "the base model, .safetensors; Phantom-Wan is the one trained on reference images")
    train: str = key("frozen", "which weights of the base are trained", ("frozen", "lora", "full"))
    dtype: str = key(
        "float32",
        "of the base's weights; bfloat16 takes half the memory, but train = 'full' needs float32",
        ("float32", "bfloat16"),
    )
    lora_rank: int = key(32, "rank of the LoRA, for train = 'lora'")
    lora_alpha: float = key(32.0, "the LoRA is scaled by lora_alpha / lora_rank")
    lora_start: str = key("", "lora.safetensors of an earlier run to start from; empty: a new LoRA")
    lora_layers: tuple[str, ...] = key(
        ("self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "ffn.0", "ffn.2"),
        "linear layers of each block that get a LoRA",
    )
    checkpointing: bool = key(False, "gradient checkpointing: less memory, and each block is computed twice")


@dataclass(frozen=True)
class AdapterKeys:
    """The adapter; its width and depth follow from the base, its audio input from the audio encoder."""

    start: str = key(
        "", "adapter file to start from, whose sizes then replace those below; empty: a new adapter"
    )
    new_heads: bool = key(
        False,
        "with start: take only the audio parts of that file, and make new mask heads of the sizes below",
    )
    audio_projector: bool = key(True, "train the audio projector; false: frozen")
    audio_blocks: bool = key(True, "train the audio cross-attentions; false: frozen")
    mask_heads: bool = key(True, "train the mask heads; false: frozen")
    audio_frame_width: int = key(512, "channels of one video frame's audio after the first projection")
    audio_window: int = key(
        5, "video frames of audio on each side of a latent frame's own four (paper: +-5 tokens)"
    )
    audio_hidden: int = key(1024, "hidden width of the audio projector")
    audio_tokens: int = key(8, "audio tokens for each latent frame")
    audio_context_width: int = key(768, "channels of an audio token")
    mask_width: int = key(224, "width of a mask head; 224 is the paper's 56M parameters at 14B")
    mask_heads_each: int = key(4, "attention heads of a mask head")
    mask_blocks: tuple[int, ...] = key(
        (), "blocks with a mask head, whose masks are averaged; empty: the last quarter of the blocks"
    )


@dataclass(frozen=True)
class ShardKeys:
    """The training data: WebDataset shards (format: docs/training.md), encoded once."""

    train: tuple[str, ...] = key((), "tar files; a path may contain *")
    validation: tuple[str, ...] = key((), "held-out shards for validation; may be empty", may_change=True)
    cache: str = key("", "folder for the encoded clips; empty: beside the first shard", may_change=True)
    vae: str = key("", "the Wan2.1 VAE")
    audio_encoder: str = key("", "wav2vec2, a folder or .safetensors; the nodes must use the same one later")
    text_encoder: str = key("", "umt5-xxl as ComfyUI reads it; empty: captions are ignored")
    width: int = key(832, "pixels, a multiple of 16; clips are scaled to cover the frame, then cropped")
    height: int = key(480, "pixels, a multiple of 16")
    frames: int = key(81, "video frames of a clip, 4n+1; shorter clips are left out")
    fps: float = key(25.0, "video frames per second of a clip, and of the audio features")
    views: int = key(3, "reference images encoded for each concept; each step draws one of them")
    crops: bool = key(True, "crop reference images to head, half body or clothing at random (paper)")
    people: tuple[int, ...] = key((1, 4), "fewest and most concepts of a clip; others are left out")
    readers: int = key(2, "threads that prefetch batches", may_change=True)


@dataclass(frozen=True)
class AugmentationKeys:
    """Condition dropout and mask augmentation: probabilities and noise levels in 0..1."""

    injection: str = key(
        "masks",
        "where audio is injected: inside the speaker's true mask, or everywhere (stage one, one person)",
        ("masks", "everywhere"),
    )
    no_audio: float = key(0.1, "no audio: the negative branch of classifier-free guidance")
    no_references: float = key(
        0.8, "of the samples without audio: blank references too, so that cfg strengthens likeness"
    )
    no_text: float = key(
        0.1, "no caption, of the samples with audio; those without have none, because cfg drops both"
    )
    all_mute: float = key(0.05, "the mute track everywhere: the middle branch of separate audio guidance")
    no_masks_early: float = key(0.5, "above stage_one_above: no masks yet, but mute or all voices everywhere")
    stage_one_above: float = key(0.9, "noise level above which no_masks_early applies")
    held: float = key(
        0.0, "above held_above: one latent frame's masks for all frames, so that people keep moving"
    )
    held_above: float = key(0.6, "noise level above which held applies")
    blurred: float = key(0.3, "blurred masks, as a model predicts them at high noise")
    dilated: float = key(0.15, "masks one token too wide")
    high_noise: float = key(0.0, "samples at uniform noise levels above 0.82, where the layout is decided")


@dataclass(frozen=True)
class LossKeys:
    """The losses; formulas and sources are in interact_core/training/losses.py."""

    velocity: float = key(1.0, "weight of the rectified-flow loss; 0 if only mask heads are trained")
    mask: float = key(1.0, "weight of the mask loss (paper: 1:1)")
    focal_alpha: float = key(0.25, "alpha of the focal loss (paper)")
    focal_gamma: float = key(2.0, "gamma of the focal loss (paper)")
    confidence: float = key(0.5, "the mask loss ignores frames whose mask has a lower confidence (paper)")
    emphasis_people: float = key(0.0, "additional weight of the velocity loss inside masks (paper: 0)")
    emphasis_focus: float = key(
        0.0, "additional weight inside a shard's focus map, such as mouths (paper: 0)"
    )


@dataclass(frozen=True)
class OptimiserKeys:
    """The optimiser; the paper trains 10k steps at rate 3e-5 with a batch of 8."""

    kind: str = key(
        "adamw",
        "muon: Muon for the matrices inside blocks, AdamW for the rest (one process only)",
        ("adamw", "muon"),
    )
    rate: float = key(3e-5, "learning rate after the warm-up")
    warmup: int = key(100, "steps of linear warm-up")
    cooldown: int = key(1000, "last steps, in which the rate falls linearly to 0; all of a shorter run")
    clip: float = key(1.0, "gradient clipping: largest norm")
    average: float = key(0.999, "decay of the EMA of the trained weights; 0: no EMA")


@dataclass(frozen=True)
class RunKeys:
    """The run itself."""

    folder: str = key(
        "", "output folder: checkpoints, curves, clips and the finished adapter", may_change=True
    )
    steps: int = key(10000, "optimiser steps")
    batch: int = key(8, "clips in a step, over all processes together")
    micro: int = key(
        1, "clips in one forward pass of one process; gradients are accumulated", may_change=True
    )
    seed: int = key(0, "every random draw follows from it, the step and the position in the batch")
    precision: str = key("bf16", "autocast of the forward pass", ("bf16", "no"))
    sharding: str = key(
        "none", "on several GPUs: 'fsdp' shards the weights, 'none' replicates them", ("none", "fsdp"), True
    )
    save_every: int = key(250, "steps between checkpoints", may_change=True)
    keep: int = key(2, "number of checkpoints that are kept", may_change=True)
    log_every: int = key(10, "steps between lines of the log", may_change=True)
    validate_every: int = key(500, "steps between validations; 0: none", may_change=True)
    validation_clips: int = key(8, "number of held-out clips that validation uses", may_change=True)
    sampled_clips: int = key(2, "of these, clips that are sampled and written as video", may_change=True)
    sampling_steps: int = key(30, "sampling steps of those clips", may_change=True)
    sampling_cfg: float = key(5.0, "guidance scale of those clips", may_change=True)
    sampling_shift: float = key(5.0, "noise schedule shift of those clips", may_change=True)
    measure_peak: bool = key(
        True, "measure the matmul rate of the device, to report the FLOPs utilisation", may_change=True
    )


@dataclass(frozen=True)
class TrainingConfig:
    """A whole file. Raises InteractError for values out of range or that contradict each other."""

    base: BaseKeys = BaseKeys()
    adapter: AdapterKeys = AdapterKeys()
    shards: ShardKeys = ShardKeys()
    mix: AugmentationKeys = AugmentationKeys()
    loss: LossKeys = LossKeys()
    optimiser: OptimiserKeys = OptimiserKeys()
    run: RunKeys = RunKeys()

    def __post_init__(self) -> None:
        for name, given, advice in _checks(self):
            raise InteractError(f"Training configuration: {name} is {given!r}; {advice}.")

    @property
    def trains_base(self) -> bool:
        return self.base.train != "frozen"

    @property
    def needs_masks(self) -> bool:
        """Whether clips without masks cannot be used."""
        return self.mix.injection == "masks" or (self.adapter.mask_heads and self.loss.mask > 0)

    def entries(self) -> dict[str, Any]:
        """Every key as "table.key", lists as tuples."""
        return {
            f"{table.name}.{entry.name}": getattr(getattr(self, table.name), entry.name)
            for table in fields(self)
            for entry in fields(getattr(self, table.name))
        }


def _tables(config: TrainingConfig) -> dict[str, Any]:
    return {table.name: getattr(config, table.name) for table in fields(config)}


def _check_choices(config: TrainingConfig) -> Iterator[tuple[str, Any, str]]:
    yield from wrong_choices(_tables(config))
    for entry in fields(config.mix):
        value = getattr(config.mix, entry.name)
        if not entry.metadata["choices"] and not 0 <= value <= 1:
            yield f"mix.{entry.name}", value, "give a share within 0..1"


def _check_shards(shards: ShardKeys) -> Iterator[tuple[str, Any, str]]:
    for name, value in (("shards.width", shards.width), ("shards.height", shards.height)):
        if value < 16 or value % 16:
            yield name, value, "give a multiple of 16"
    if shards.frames < 1 or (shards.frames - 1) % 4:
        yield "shards.frames", shards.frames, "give 4n+1, such as 81"
    if len(shards.people) != 2 or not 1 <= shards.people[0] <= shards.people[1]:
        yield "shards.people", list(shards.people), "give the fewest and the most concepts, such as [1, 4]"


def _checks(config: TrainingConfig) -> Iterator[tuple[str, Any, str]]:
    """Yields (key, value, advice) for each wrong value."""
    yield from _check_choices(config)
    yield from _check_shards(config.shards)
    run, loss = config.run, config.loss
    for name, value in (
        ("shards.views", config.shards.views),
        ("shards.readers", config.shards.readers),
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
    if run.seed < 0:
        yield "run.seed", run.seed, "give 0 or more"
    if config.mix.no_audio + config.mix.all_mute > 1:
        yield "mix.all_mute", config.mix.all_mute, "together with mix.no_audio it must not pass 1"
    if not 0 <= config.optimiser.average < 1:
        yield "optimiser.average", config.optimiser.average, "give a share from 0 to below 1"
    if config.base.train == "full" and config.base.dtype != "float32":
        yield "base.dtype", config.base.dtype, "a base that is trained in full needs 'float32'"
    if config.base.dtype != "float32" and run.precision == "no":
        yield (
            "base.dtype",
            config.base.dtype,
            "without autocast (run.precision = 'bf16') it has to be 'float32'",
        )
    parts = config.adapter
    if not (config.trains_base or parts.audio_projector or parts.audio_blocks or parts.mask_heads):
        yield "adapter.mask_heads", False, "train at least one part, for now everything is frozen"
    heads_only = not (config.trains_base or parts.audio_projector or parts.audio_blocks)
    if heads_only and loss.mask <= 0:
        yield "loss.mask", loss.mask, "mask heads learn from the mask loss alone, so give it a weight"


def read_config(path: Path, settings: Sequence[str] = ()) -> TrainingConfig:
    """Read a TOML file, then apply "table.key=value" settings, whose values are TOML too (text needs no
    quotes). Paths in the file may begin with ~ and are relative to the working folder of the command.

    Raises InteractError, one sentence, for a file that is missing or not TOML, an unknown key, and a value of
    the wrong type or range.
    """
    return config_of(read_entries(path, settings, "training configuration"), str(path))


def config_of(entries: Mapping[str, Any], name: str) -> TrainingConfig:
    """From nested tables; name: of the file, for error messages."""
    tables = tables_of(entries, _tables(TrainingConfig()), name)
    try:
        return TrainingConfig(**tables)
    except InteractError as error:
        raise InteractError(f"{name}: {error}") from error


def check_same_run(before: Mapping[str, Any], now: TrainingConfig, folder: Path) -> None:
    """Raise InteractError if a checkpoint was made under another configuration, except for keys that a
    resumed run may change.
    """
    may_change = {
        f"{table.name}.{entry.name}"
        for table in fields(now)
        for entry in fields(getattr(now, table.name))
        if entry.metadata["may_change"]
    }
    for name, entry in now.entries().items():
        value = list(entry) if isinstance(entry, tuple) else entry
        if name not in may_change and before.get(name, value) != value:
            raise InteractError(
                f"The run in {folder} was begun with {name} = {before[name]!r} and would go on with "
                f"{value!r}: put that back, or give run.folder another folder."
            )


def describe() -> str:
    """A whole file as text: every key with its default and its explanation."""
    return describe_tables(_tables(TrainingConfig()))
