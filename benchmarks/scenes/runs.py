"""One scene played with one setting, in a worker: what of it is kept as a record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import held_out  # isort: skip  (it tells comfy where it runs, before anything imports comfy)
import comfy.utils

from ...interact_core.guidance import layouts_on_grid
from ...interact_core.host.run.wrappers import ADAPTER_KEY
from ...interact_core.metrics.frechet import Moments
from ...interact_core.metrics.latents import token_features
from ...interact_core.theatre.measure import ClipReading, mask_iou
from ...interact_core.theatre.pipeline import (
    Clip,
    RunSettings,
    AudioExcerpt,
    StartImage,
    Theatre,
    to_model_latent,
    play,
)
from ...interact_core.theatre.prompts import largest_travel
from ...interact_core.theatre.puppets import Look, colour_distance, random_look
from ...interact_core.theatre.report import CharacterMetrics
from ...interact_core.theatre.scenes import Rendering, random_scene, render
from ...interact_core.theatre.training.id_embedding import EMBEDDING_FILE, VARIANTS, IdentityEmbedding
from ..ablation.caches import LayerProbe, in_two_passes, within_the_step
from .held_out import TRAVEL, Case, Played
from .settings import FIRST_FRAME, IN_TURNS, ONE_SILENT, START_IMAGE, TWO_PASSES, WITHIN_STEP, Setting

PAPER_STEPS = (1, 10, 20, 30, 50)  # of 50: where the paper reads its masks' IoU
APART = 75  # of 441: an extra reference keeps this far from the speakers' colours, as random_looks does
DRAWN = "drawn"  # key of a case's drawn scene, the other side of the Frechet distance

Record = dict[str, Any]


@dataclass(frozen=True)
class WorkerSettings:
    """What every worker needs.

    truth: where segmentations are kept; trained: folder of other weights by name; pictures: where six frames of
    every clip go, if anywhere.
    """

    models: Path
    threads: int
    bf16: bool
    truth: Path
    trained: Path | None = None
    pictures: Path | None = None

    def open(self, setting: Setting) -> Theatre:
        models = self.trained / setting.trained if self.trained and setting.trained else self.models
        opened = held_out.models_of_this_process(models, self.threads, self.bf16)
        embedding = models / EMBEDDING_FILE
        if not embedding.exists():
            return opened
        return replace(opened, model=IdentityEmbedding.read(embedding).apply_to(opened.model))


def trained_weights(folder: Path | None) -> tuple[str, ...]:
    """Names of the weights that `train identity` has left in a folder."""
    return tuple(name for name in VARIANTS if folder is not None and (folder / name).is_dir())


@dataclass(frozen=True, eq=False)
class Task:
    """One record to be made; setting None asks for the case's drawn scene."""

    number: int
    case: Case
    setting: Setting | None

    @property
    def key(self) -> str:
        return DRAWN if self.setting is None else self.setting.key


def perform(task: Task, house: WorkerSettings, shipped: RunSettings) -> Record:
    """Runs in a worker. The record is JSON; a predicted run that others draw masks from leaves its truth."""
    comfy.utils.set_progress_bar_enabled(False)
    if task.setting is None:
        found = {"moments": _listed(_drawn_moments(house.open(Setting()), task.case, shipped))}
    else:
        found = _played(task, house, shipped)
    return {"setting": task.key, "case": task.number, **found}


def _played(task: Task, house: WorkerSettings, shipped: RunSettings) -> Record:
    setting, run_settings = task.setting, task.setting.directed(shipped)
    case = staged(task.case, setting, run_settings)
    stage, probe = _on_stage(house.open(setting), setting, run_settings, case)
    layouts = None
    if setting.drawn:
        layouts = read_truth(house.truth, setting.source, task.number)
        layouts = layouts[:, :1] if setting.masks == FIRST_FRAME else layouts
    start = None
    if setting.masks == START_IMAGE:
        drawn = _drawn_scene(case, run_settings)
        start = StartImage(drawn.frames[0], drawn.masks[:, 0])
    began = time.process_time()  # and not the clock's: other work on the machine is none of its price
    clip = play(stage, run_settings, case.looks, case.excerpts, case.seed, layouts, start)
    seconds = time.process_time() - began
    played, reading = held_out.judge(case, clip, run_settings)
    if house.pictures is not None:
        held_out.write_strip(house.pictures / f"{case.seed}_{setting.key}.png", clip.frames)
    if setting == setting.source:
        write_truth(house.truth, setting, task.number, reading.masks)
    record = figures(played, reading, clip, layouts)
    record["iou_by_layer"] = _iou_by_layer(probe, run_settings.steps, reading.masks)
    record["seconds"] = round(seconds, 2)
    record["moments"] = _listed(Moments.of(token_features(clip.latent)))
    return record


def figures(played: Played, reading: ClipReading, clip: Clip, layouts: np.ndarray | None) -> Record:
    """A clip's figures, its speakers averaged; mask_iou is that of the masks that steered, None without any."""
    speakers = [k for k, p in enumerate(played.characters) if p.silent_open is None]
    heard = [played.characters[k] for k in speakers]
    steps = [max(1, round(step * clip.history.total_steps / 50)) - 1 for step in PAPER_STEPS]
    by_step = {
        str(paper): _mean([p.mask_iou[clip.history.steps.index(step)] for p in heard])
        for paper, step in zip(PAPER_STEPS, steps)
        if step in clip.history.steps
    }
    steered: float | None = _mean([p.mask_iou[-1] for p in heard])
    if clip.history.mask_source == "none":
        steered = None
    elif layouts is not None:
        steered = _mean(mask_iou(_on_grid(layouts, clip), reading.masks)[speakers])
    return {
        "sync": _mean([p.sync for p in heard]),
        "crosstalk": _mean([p.crosstalk for p in heard]),
        "margin": _mean([p.sync - p.crosstalk for p in heard]),
        "perfect_margin": _mean([1.0 - p.chance for p in heard]),
        "identity": _mean([p.likeness.alike for p in heard]),
        "on_screen": _mean([p.likeness.found for p in played.characters]),
        "mask_iou": steered,
        "iou_by_step": by_step,
        "silent_open": _silent_open(played.characters),
        "travel": round(played.travel, 2),
        "closeness": closeness(reading),
        "characters": [_told(character, played.boundary) for character in played.characters],
    }


def _told(character: CharacterMetrics, boundary: int) -> Record:
    """One character's figures; boundary: index of the masks at the stage boundary."""
    return {
        "sync": round(character.sync, 5),
        "crosstalk": round(character.crosstalk, 5),
        "crosstalk_at_own_lag": round(character.crosstalk_at_own_lag, 5),
        "chance": round(character.chance, 5),
        "silent_open": character.silent_open,
        "identity": bool(character.likeness.alike),
        "mask_iou": round(character.mask_iou[-1], 5),
        "boundary_iou": round(character.mask_iou[boundary], 5),
    }


def closeness(reading: ClipReading) -> float:
    """How near the first two heads come, in sums of their radii; 2 where one is never found, or alone.

    A body is 1.3 radii wide to each side (puppets.py): below 1.3 they overlap.
    """
    if len(reading.heads) < 2:
        return 2.0
    a, b = reading.heads[:2]
    both = a.found & b.found
    distances = np.hypot(a.x - b.x, a.y - b.y)[both] / (a.radius + b.radius)
    return round(float(distances.min(initial=2.0)), 3)


def staged(case: Case, setting: Setting, run_settings: RunSettings) -> Case:
    """The case with as many characters as the setting shows, its voices in turns or one of them mute if so told."""
    looks, excerpts = list(case.looks[: setting.references]), list(case.excerpts[: setting.references])
    rng = np.random.default_rng(case.seed + 1)
    while len(looks) < setting.references:
        looks.append(_stranger(rng, case.looks))
        excerpts.append(None)
    if setting.speech == ONE_SILENT:
        excerpts[int(rng.integers(setting.speakers))] = None
    if setting.speech == IN_TURNS:
        half = run_settings.frames / run_settings.fps / 2
        excerpts[0] = _only(excerpts[0], 0.0, half)
        excerpts[1] = _only(excerpts[1], half, 2 * half)
    return replace(case, looks=tuple(looks), excerpts=tuple(excerpts))


def _stranger(rng: np.random.Generator, speakers: Sequence[Look]) -> Look:
    """Somebody whom segmentation does not take for a speaker; eight who all differ are hardly to be found."""
    while True:
        look = random_look(rng)
        pairs = [(a, b) for other in speakers for a in other.colours[:3] for b in look.colours[:3]]
        if all(colour_distance(a, b) > APART for a, b in pairs):
            return look


def _only(excerpt: AudioExcerpt, begin: float, end: float) -> AudioExcerpt:
    """The excerpt with silence outside of these seconds of the video."""
    first, last = (round((excerpt.begin + second) * excerpt.rate) for second in (begin, end))
    waveform = np.zeros_like(excerpt.waveform)
    waveform[first:last] = excerpt.waveform[first:last]
    return replace(excerpt, waveform=waveform)


def _on_stage(
    house: Theatre, setting: Setting, run_settings: RunSettings, case: Case
) -> tuple[Theatre, LayerProbe | None]:
    """The theatre with the hooks that a setting needs; the probe for the shipped one."""
    if setting.cache == TWO_PASSES:
        return replace(house, model=in_two_passes(house.model)), None
    if setting.cache == WITHIN_STEP:
        speaking = tuple(excerpt is not None for excerpt in case.excerpts)
        return replace(house, model=within_the_step(house.model, speaking, run_settings.guidance)), None
    if setting == Setting():
        blocks = house.model.model_options["transformer_options"][ADAPTER_KEY].config.mask_blocks
        model, probe = LayerProbe.put_on(house.model, blocks)
        return replace(house, model=model), probe
    return house, None


def _iou_by_layer(probe: LayerProbe | None, steps: int, truth: np.ndarray) -> dict[str, dict[str, float]]:
    """By block and step of 50; nothing where there is not one prediction a step."""
    if probe is None or len(probe.found) != steps:
        return {}
    at = {paper: probe.found[max(1, round(paper * steps / 50)) - 1] for paper in PAPER_STEPS}
    return {
        str(block): {
            str(step): _mean(mask_iou(heads[k].float().numpy(), truth)) for step, heads in at.items()
        }
        for k, block in enumerate(probe.blocks)
    }


def _drawn_moments(house: Theatre, case: Case, run_settings: RunSettings) -> Moments:
    with torch.no_grad():
        latent = house.vae.encode(torch.from_numpy(_drawn_scene(case, run_settings).frames) / 255.0)
    return Moments.of(token_features(to_model_latent(house, latent)))


def _drawn_scene(case: Case, run_settings: RunSettings) -> Rendering:
    """The case's looks and voices as they are drawn, in a scene that moves as those that are compared."""
    rng = np.random.default_rng(case.seed + 2)
    mouths = np.stack([e.openings(run_settings.fps, run_settings.frames) for e in case.excerpts])
    for _ in range(50):
        scene = random_scene(rng, len(case.looks), run_settings.width, run_settings.height, run_settings.motion)
        drawn = render(replace(scene, looks=case.looks), mouths)
        if largest_travel(drawn.heads) >= TRAVEL:
            break
    return drawn


def write_truth(folder: Path, setting: Setting, number: int, masks: np.ndarray) -> None:
    """masks: bool [N, F, H, W]; a file is whole or not there."""
    path = truth_file(folder, setting, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as file:
        np.savez_compressed(file, bits=np.packbits(masks), shape=masks.shape)
    partial.replace(path)


def read_truth(folder: Path, setting: Setting, number: int) -> np.ndarray:
    with np.load(truth_file(folder, setting, number)) as kept:
        shape = tuple(kept["shape"])
        return np.unpackbits(kept["bits"], count=int(np.prod(shape))).reshape(shape).astype(bool)


def truth_file(folder: Path, setting: Setting, number: int) -> Path:
    return folder / setting.key.replace(" ", "_") / f"{number}.npz"


def moments_of(record: Record) -> Moments:
    count, total, products = record["moments"]
    return Moments(count, np.array(total), np.array(products))


def _listed(moments: Moments) -> list[Any]:
    """As JSON, to eight digits."""
    total, products = ([float(f"{v:.8g}") for v in a.ravel()] for a in (moments.total, moments.products))
    size = len(total)
    return [moments.count, total, [products[k * size : (k + 1) * size] for k in range(size)]]


def _on_grid(layouts: np.ndarray, clip: Clip) -> np.ndarray:
    size = clip.history.frames, clip.history.width, clip.history.height
    return np.stack(
        [layouts_on_grid(torch.from_numpy(np.asarray(one, np.float32)), *size).numpy() for one in layouts]
    )


def _silent_open(characters: Sequence[CharacterMetrics]) -> float | None:
    found = [p.silent_open for p in characters if p.silent_open is not None]
    return _mean(found) if found else None


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return round(float(np.mean(values)), 5)
