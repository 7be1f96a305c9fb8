"""One run of one scene with one setting, in a worker process, and the record that is kept of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import held_out  # isort: skip  (it configures comfy, before anything imports comfy)
import comfy.utils

from ...interact_core.guidance import layouts_on_grid
from ...interact_core.host.keys import ADAPTER_KEY
from ...interact_core.metrics.puppets.drawing import Look, colour_distance, random_look
from ...interact_core.metrics.sets.frechet import Moments
from ...interact_core.metrics.sets.latents import token_features
from ...interact_core.metrics.steadiness import flicker, sharpness
from ...interact_core.metrics.types import Film
from ...interact_core.theatre.measuring.measure import ClipReading, mask_iou
from ...interact_core.theatre.measuring.report import CharacterMetrics
from ...interact_core.theatre.pipeline import (
    AudioExcerpt,
    Clip,
    RunSettings,
    StartImage,
    TheatreModels,
    run_scene,
    to_model_latent,
)
from ...interact_core.theatre.prompts import largest_travel
from ...interact_core.theatre.scenes import HEAD_SCALE, Rendering, random_scene, render
from ...interact_core.theatre.training.id_embedding import EMBEDDING_FILE, VARIANTS, IdentityEmbedding
from ...interact_core.whole_file import whole_file
from ..ablation.caches import LayerProbe, in_two_passes, within_the_step
from .held_out import MIN_TRAVEL, Case, SceneResult
from .settings import FIRST_FRAME, IN_TURNS, ONE_SILENT, START_IMAGE, TWO_PASSES, WITHIN_STEP, Setting

PAPER_STEPS = (1, 10, 20, 30, 50)  # of 50: where the paper reads its masks' IoU
APART = 75  # of 441: an extra reference keeps this far from the speakers' colours, as random_looks does
RENDERED = "drawn"  # key of a case's rendered scene, the reference of the Frechet distance

Record = dict[str, Any]


@dataclass(frozen=True)
class WorkerSettings:
    """What every worker process needs.

    models: a models folder; threads: of each process; truth: folder of segmentations; trained: folder of
    other weights by name; pictures: folder for six frames of every clip, or None.
    """

    models: Path
    threads: int
    bf16: bool
    truth: Path
    trained: Path | None = None
    pictures: Path | None = None

    def load(self, setting: Setting) -> TheatreModels:
        """The models of a setting, with the ID embedding where its weights have one."""
        folder = self.trained / setting.trained if self.trained and setting.trained else self.models
        models = held_out.models_of_this_process(folder, self.threads, self.bf16)
        embedding = folder / EMBEDDING_FILE
        if not embedding.exists():
            return models
        return replace(models, model=IdentityEmbedding.read(embedding).apply_to(models.model))


def trained_variants(folder: Path | None) -> tuple[str, ...]:
    """Names of the weights that `train identity` wrote into a folder."""
    return tuple(name for name in VARIANTS if folder is not None and (folder / name).is_dir())


@dataclass(frozen=True, eq=False)
class Task:
    """One record to be made; setting None asks for the case's rendered scene."""

    number: int
    case: Case
    setting: Setting | None

    @property
    def key(self) -> str:
        return RENDERED if self.setting is None else self.setting.key


def run_task(task: Task, worker: WorkerSettings, shipped: RunSettings) -> Record:
    """Run one task in a worker process. The record is JSON.

    A predicted run whose segmentation others take as true masks writes it into worker.truth.
    """
    comfy.utils.set_progress_bar_enabled(False)
    if task.setting is None:
        found = {"moments": _as_list(_rendered_moments(worker.load(Setting()), task.case, shipped))}
    else:
        found = _run_setting(task, worker, shipped)
    return {"setting": task.key, "case": task.number, **found}


def _run_setting(task: Task, worker: WorkerSettings, shipped: RunSettings) -> Record:
    setting, run_settings = task.setting, task.setting.applied_to(shipped)
    case = adapted_case(task.case, setting, run_settings)
    models, probe = _with_hooks(worker.load(setting), setting, run_settings, case)
    layouts = None
    if setting.needs_truth:
        layouts = read_truth(worker.truth, setting.source, task.number)
        layouts = layouts[:, :1] if setting.masks == FIRST_FRAME else layouts
    start = None
    if setting.masks == START_IMAGE:
        rendering = _rendered_scene(case, run_settings)
        start = StartImage(rendering.frames[0], rendering.masks[:, 0])
    began = time.process_time()  # not wall time: other work on the machine must not count
    clip = run_scene(models, run_settings, case.looks, case.excerpts, case.seed, layouts, start)
    seconds = time.process_time() - began
    result, reading = held_out.measure_clip(case, clip, run_settings)
    if worker.pictures is not None:
        held_out.write_strip(worker.pictures / f"{case.seed}_{setting.key}.png", clip.frames)
    if setting == setting.source:
        write_truth(worker.truth, setting, task.number, reading.masks)
    record = scene_record(result, reading, clip, layouts)
    drawn = _rendered_scene(case, run_settings).frames if len(case.looks) <= len(HEAD_SCALE) else None
    record["steadiness"] = steadiness_of(clip.frames, drawn, run_settings.fps)
    record["iou_by_layer"] = _iou_by_layer(probe, run_settings.steps, reading.masks)
    record["seconds"] = round(seconds, 2)
    record["moments"] = _as_list(Moments.of(token_features(clip.latent)))
    return record


def steadiness_of(frames: np.ndarray, drawn: np.ndarray | None, fps: float) -> Record:
    """Flicker and sharpness of a clip and of the scene drawn with the same looks and voices (metrics/steadiness.py).

    frames, drawn: uint8 RGB [F, H, W, 3]; drawn is None, and its values are not there, where there are more puppets
    than the theatre draws. Where nothing stands still, flicker is None.
    """
    films = {"": frames} if drawn is None else {"": frames, "drawn_": drawn}
    record: Record = {}
    for whose, film in films.items():
        seen = Film.of_frames(film, fps)
        record |= {f"{whose}flicker": flicker(seen).value, f"{whose}sharpness": sharpness(seen)}
    return record


def scene_record(result: SceneResult, reading: ClipReading, clip: Clip, layouts: np.ndarray | None) -> Record:
    """A clip's metrics, averaged over its speakers; mask_iou is that of the masks that steered, None without
    any.
    """
    speakers = [k for k, p in enumerate(result.characters) if p.silent_open is None]
    speaking = [result.characters[k] for k in speakers]
    steps = [max(1, round(step * clip.history.total_steps / 50)) - 1 for step in PAPER_STEPS]
    by_step = {
        str(paper): _mean([p.mask_iou[clip.history.steps.index(step)] for p in speaking])
        for paper, step in zip(PAPER_STEPS, steps)
        if step in clip.history.steps
    }
    steered: float | None = _mean([p.mask_iou[-1] for p in speaking])
    if clip.history.mask_source == "none":
        steered = None
    elif layouts is not None:
        steered = _mean(mask_iou(_on_grid(layouts, clip), reading.masks)[speakers])
    return {
        "sync": _mean([p.sync for p in speaking]),
        "crosstalk": _mean([p.crosstalk for p in speaking]),
        "margin": _mean([p.sync - p.crosstalk for p in speaking]),
        "perfect_margin": _mean([1.0 - p.chance for p in speaking]),
        "identity": _mean([p.likeness.alike for p in speaking]),
        "on_screen": _mean([p.likeness.found for p in result.characters]),
        "whole": _mean_of_known([p.whole for p in result.characters]),
        "mask_iou": steered,
        "iou_by_step": by_step,
        "silent_open": _mean_of_known([p.silent_open for p in result.characters]),
        "travel": round(result.travel, 2),
        "closeness": closeness(reading),
        "characters": [_character_record(character, result.boundary) for character in result.characters],
    }


def _character_record(character: CharacterMetrics, boundary: int) -> Record:
    """One character's metrics; boundary: index of the masks at the stage boundary."""
    return {
        "sync": round(character.sync, 5),
        "crosstalk": round(character.crosstalk, 5),
        "crosstalk_at_own_lag": round(character.crosstalk_at_own_lag, 5),
        "chance": round(character.chance, 5),
        "silent_open": character.silent_open,
        "identity": bool(character.likeness.alike),
        "whole": None if character.whole is None else round(character.whole, 5),
        "mask_iou": round(character.mask_iou[-1], 5),
        "boundary_iou": round(character.mask_iou[boundary], 5),
    }


def closeness(reading: ClipReading) -> float:
    """Smallest distance of the first two heads, in sums of their radii; 2 for one head or where one is never
    found.

    A body is 1.3 radii wide to each side (drawing.py): below 1.3 they overlap.
    """
    if len(reading.heads) < 2:
        return 2.0
    a, b = reading.heads[:2]
    both = a.found & b.found
    distances = np.hypot(a.x - b.x, a.y - b.y)[both] / (a.radius + b.radius)
    return round(float(distances.min(initial=2.0)), 3)


def adapted_case(case: Case, setting: Setting, run_settings: RunSettings) -> Case:
    """The case with the setting's number of characters, and its voices in turns or one of them mute where it
    asks so.
    """
    looks, excerpts = list(case.looks[: setting.references]), list(case.excerpts[: setting.references])
    rng = np.random.default_rng(case.seed + 1)
    while len(looks) < setting.references:
        looks.append(_extra_look(rng, case.looks))
        excerpts.append(None)
    if setting.speech == ONE_SILENT:
        excerpts[int(rng.integers(setting.speakers))] = None
    if setting.speech == IN_TURNS:
        half = run_settings.frames / run_settings.fps / 2
        excerpts[0] = _silence_outside(excerpts[0], 0.0, half)
        excerpts[1] = _silence_outside(excerpts[1], half, 2 * half)
    return replace(case, looks=tuple(looks), excerpts=tuple(excerpts))


def _extra_look(rng: np.random.Generator, speakers: Sequence[Look]) -> Look:
    """A look that segmentation does not confuse with a speaker; eight looks that all differ are hardly to be
    found.
    """
    while True:
        look = random_look(rng)
        pairs = [(a, b) for other in speakers for a in other.colours[:3] for b in look.colours[:3]]
        if all(colour_distance(a, b) > APART for a, b in pairs):
            return look


def _silence_outside(excerpt: AudioExcerpt, begin: float, end: float) -> AudioExcerpt:
    """The excerpt with silence outside of these seconds of the video."""
    first, last = (round((excerpt.begin + second) * excerpt.rate) for second in (begin, end))
    waveform = np.zeros_like(excerpt.waveform)
    waveform[first:last] = excerpt.waveform[first:last]
    return replace(excerpt, waveform=waveform)


def _with_hooks(
    models: TheatreModels, setting: Setting, run_settings: RunSettings, case: Case
) -> tuple[TheatreModels, LayerProbe | None]:
    """The models with the hooks that a setting needs; for the shipped setting also a probe of the mask heads."""
    if setting.cache == TWO_PASSES:
        return replace(models, model=in_two_passes(models.model)), None
    if setting.cache == WITHIN_STEP:
        speaking = tuple(excerpt is not None for excerpt in case.excerpts)
        return replace(models, model=within_the_step(models.model, speaking, run_settings.guidance)), None
    if setting == Setting():
        blocks = models.model.model_options["transformer_options"][ADAPTER_KEY].config.mask_blocks
        model, probe = LayerProbe.put_on(models.model, blocks)
        return replace(models, model=model), probe
    return models, None


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


def _rendered_moments(models: TheatreModels, case: Case, run_settings: RunSettings) -> Moments:
    with torch.no_grad():
        latent = models.vae.encode(torch.from_numpy(_rendered_scene(case, run_settings).frames) / 255.0)
    return Moments.of(token_features(to_model_latent(models, latent)))


def _rendered_scene(case: Case, run_settings: RunSettings) -> Rendering:
    """The case's looks and voices, rendered in a scene that moves as much as the compared ones.

    A motion prompt above 1, beyond all that training was told, is met by the drawn scenes that move most.
    """
    rng = np.random.default_rng(case.seed + 2)
    motion = None if run_settings.motion is None else min(1.0, run_settings.motion)
    still = np.zeros(run_settings.frames, np.float32)
    mouths = np.stack(
        [
            still if e is None else e.mouth_openings(run_settings.fps, run_settings.frames)
            for e in case.excerpts
        ]
    )
    for _ in range(50):
        scene = random_scene(rng, len(case.looks), run_settings.width, run_settings.height, motion)
        rendering = render(replace(scene, looks=case.looks), mouths)
        if largest_travel(rendering.heads) >= MIN_TRAVEL:
            break
    return rendering


def write_truth(folder: Path, setting: Setting, number: int, masks: np.ndarray) -> None:
    """Write true masks, bool [N, F, H, W], for a setting and case; the file appears whole."""
    path = truth_file(folder, setting, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, bits=np.packbits(masks), shape=masks.shape)


def read_truth(folder: Path, setting: Setting, number: int) -> np.ndarray:
    """The masks that `write_truth` wrote, bool [N, F, H, W]."""
    with np.load(truth_file(folder, setting, number)) as kept:
        shape = tuple(kept["shape"])
        return np.unpackbits(kept["bits"], count=int(np.prod(shape))).reshape(shape).astype(bool)


def truth_file(folder: Path, setting: Setting, number: int) -> Path:
    return folder / setting.key.replace(" ", "_") / f"{number}.npz"


def moments_of(record: Record) -> Moments:
    count, total, products = record["moments"]
    return Moments(count, np.array(total), np.array(products))


def _as_list(moments: Moments) -> list[Any]:
    """As JSON, to eight digits."""
    total, products = ([float(f"{v:.8g}") for v in a.ravel()] for a in (moments.total, moments.products))
    size = len(total)
    return [moments.count, total, [products[k * size : (k + 1) * size] for k in range(size)]]


def _on_grid(layouts: np.ndarray, clip: Clip) -> np.ndarray:
    size = clip.history.frames, clip.history.width, clip.history.height
    return np.stack(
        [layouts_on_grid(torch.from_numpy(np.asarray(one, np.float32)), *size).numpy() for one in layouts]
    )


def _mean_of_known(values: Sequence[float | None]) -> float | None:
    """Mean of the values that are not None; None without any."""
    found = [value for value in values if value is not None]
    return _mean(found) if found else None


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return round(float(np.mean(values)), 5)
