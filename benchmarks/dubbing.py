"""`dev.py bench dubbing`: does a dubbed mouth follow its new voice, and does all else stay as it was?

Each scene is a rendered film of two puppets that training never saw: one speaks, the other is silent. The speaker is
dubbed with another recording. Who is dubbed is told by the true mask of every frame ("tracked"), which in "fixed" is
its layout, too, and steers, as in the template on public weights; by the masks that the mask heads predict in a
short run over the film ("predicted"); or by one mask for all frames, which holds all places of the puppet ("drawn").
"core" is "tracked" without InterAct Dub Video, by core's Grow Mask and Set Latent Noise Mask.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..interact_core.host.standalone import prepare_comfy

prepare_comfy()

import comfy.utils  # noqa: E402  (comfy has to be configured first)
import torch  # noqa: E402
from comfy.patcher_extension import WrappersMP  # noqa: E402
from torch import Tensor  # noqa: E402

from ..interact_core.guidance import Cast  # noqa: E402
from ..interact_core.host.encode.dubbing import EncodedDub, encode_dub  # noqa: E402
from ..interact_core.metrics.intervals import bootstrap_interval  # noqa: E402
from ..interact_core.metrics.lips import silent_open  # noqa: E402
from ..interact_core.theatre.measuring import measure  # noqa: E402
from ..interact_core.theatre.measuring.wholeness import count_parts  # noqa: E402
from ..interact_core.theatre.pipeline import (  # noqa: E402
    AudioExcerpt,
    Dub,
    RunSettings,
    TheatreModels,
    dub_scene,
    shipped_run_settings,
)
from ..interact_core.theatre.scenes import Rendering, random_scene, render  # noqa: E402
from .scenes import result  # noqa: E402
from .scenes.held_out import (  # noqa: E402
    FIRST_SEED,
    MOTION,
    Case,
    add_model_arguments,
    draw_excerpt,
    load_recordings,
    models_of_this_process,
    write_results,
    write_strip,
)
from .scenes.result import Figure, at_least, at_most  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
WAYS = ("fixed", "tracked", "predicted", "drawn", "core")
FRAMES = 25
FULL = 4  # scenes below which nothing is written unless --out says so
DENOISE = 0.65  # of the dub, as in the shipped graph: at 0.85 the theatre's model loses somebody in one of three films
PASS = (2, 0.3)  # steps and denoise of the run whose masks say where everybody is
GROW, FEATHER = 8, 4  # pixels, half the node's defaults: a puppet's head is 50 wide
DRAWS, UNLIKE = 50, 0.1  # of pairs of recordings, until their loudness correlates by less than so much
SYNC, CROSSTALK, WHOLE, STEP_SHARE = 0.6, 0.2, 0.95, 0.02


@dataclass(frozen=True, eq=False)
class Source:
    """A film to dub: the case has its looks and new voices.

    old: the speaker's opening in it, float [F]; alone: its frames, encoded and decoded, float [F, H, W, 3] in 0..255;
    whole_alone: in what share of these that show the speaker it is whole.
    """

    case: Case
    drawn: Rendering
    old: np.ndarray
    alone: np.ndarray
    whole_alone: float


@dataclass(frozen=True)
class DubMetrics:
    """What was measured of one dub.

    sync, crosstalk: of the dubbed mouth with its new voice, and with its old one; chance: of the new voice itself with
    the old; pinned_open: share of frames in which the silent puppet's mouth is open; shown, decoded: mean difference
    from the source outside of the mask, of 255, with and without the source's pixels put back; alone: the same of the
    source that was encoded and decoded; whole: share of the frames that show the dubbed puppet in which it has all its
    parts and none twice (theatre/measuring/wholeness.py); whole_alone: the same of the source that was encoded and
    decoded; dubbed: share of the picture's pixels in the mask; share: of a step that the noise mask costs.
    """

    sync: float
    crosstalk: float
    chance: float
    pinned_open: float
    shown: float
    decoded: float
    alone: float
    whole: float
    whole_alone: float
    dubbed: float
    share: float


@torch.no_grad()
def draw_source(number: int, settings: RunSettings, recordings: Sequence[AudioExcerpt], vae: Any) -> Source:
    """A film in which puppets move far, the first speaks and the second is silent.

    The two recordings are drawn so that they are not loud together, or a mouth that follows one would follow the other.
    """
    rng = np.random.default_rng(FIRST_SEED + number)
    scene = random_scene(rng, 2, settings.width, settings.height, MOTION)
    for _ in range(DRAWS):
        old, new = (
            draw_excerpt(rng, recordings[k], settings) for k in rng.choice(len(recordings), 2, replace=False)
        )
        opening, anew = (one.mouth_openings(settings.fps, settings.frames) for one in (old, new))
        if measure.crosstalk(anew, opening[None]) < UNLIKE:
            break
    drawn = render(scene, np.stack([opening, np.zeros_like(opening)]))
    alone = vae.decode(vae.encode(torch.from_numpy(drawn.frames) / 255.0)).reshape(drawn.frames.shape)
    alone = (alone.float().clamp(0, 1) * 255).round().cpu().numpy()
    shown = alone.astype(np.uint8)
    whole = _share_whole(shown, measure.read_clip(shown, scene.looks))
    return Source(Case(FIRST_SEED + number, scene.looks, (new, None)), drawn, opening, alone, whole)


def _share_whole(frames: np.ndarray, reading: measure.ClipReading) -> float:
    """Of the speaker, in the frames that show it."""
    return float(count_parts(frames, reading).shares()[0])


def by_core(vae: Any, video: Tensor, _cast: Cast, mask: Tensor, _masks: None) -> EncodedDub:
    """The same with core's nodes alone, which spread the masks of frames over latent frames by interpolation."""
    from comfy_extras.nodes_mask import GrowMask

    from nodes import SetLatentNoiseMask

    grown = GrowMask.execute((mask > 0.5).float(), GROW, True).result[0]
    (latent,) = SetLatentNoiseMask().set_mask({"samples": vae.encode(video)}, grown)
    return EncodedDub(latent, video, grown, ())


def dub(models: TheatreModels, settings: RunSettings, source: Source, way: str) -> tuple[Dub, list[float]]:
    """The film, dubbed, and the CPU seconds of each evaluation of the model."""
    seconds: list[float] = []
    case, mask = source.case, source.drawn.masks[0]
    given = {
        "fixed": {"mask": mask, "layouts": mask[None]},
        "tracked": {"mask": mask},
        "predicted": {"look_first": PASS},
        "drawn": {"mask": mask.max(0, keepdims=True)},
        "core": {"mask": mask, "encode": by_core},
    }[way]
    given = {"denoise": DENOISE, "encode": partial(encode_dub, grow=GROW, feather=FEATHER), **given}
    timed = models.model.clone()
    timed.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, "bench_dubbing", _timed(seconds))
    film = source.drawn.frames
    who = case.looks[:1], case.excerpts[:1]
    return dub_scene(replace(models, model=timed), settings, *who, case.seed, film, **given), seconds


def _timed(seconds: list[float]) -> Callable[..., Any]:
    def wrapper(executor: Any, *given: Any, **more: Any) -> Any:
        began = time.process_time()  # not wall time: other work on the machine must not count
        output = executor(*given, **more)
        seconds.append(time.process_time() - began)
        return output

    return wrapper


def mask_seconds(latent: dict[str, Tensor], repeats: int = 20) -> float:
    """CPU seconds that a step's two blends take (comfy/samplers.py, KSamplerX0Inpaint), the shortest of so many."""
    clean = latent["samples"]
    free = comfy.utils.reshape_mask(latent["noise_mask"], clean.shape)  # core's own node gives pixels
    noise, found = torch.randn_like(clean), []
    for _ in range(repeats):
        began = time.process_time()
        given = noise * free + (0.5 * noise + 0.5 * clean) * (1.0 - free)
        given * free + clean * (1.0 - free)
        found.append(time.process_time() - began)
    return min(found)


def measure_dub(settings: RunSettings, source: Source, made: Dub, step: float) -> DubMetrics:
    """step: CPU seconds of one evaluation of the model."""
    film, looks = source.drawn.frames, source.case.looks
    reading = measure.read_clip(made.frames, looks)
    new = source.case.excerpts[0]
    assert new is not None, "the first puppet speaks"
    voice = new.mouth_openings(settings.fps, settings.frames)
    kept = made.encoded.mask.numpy() == 0

    def off(frames: np.ndarray) -> float:
        return float(np.abs(frames.astype(np.float32) - film)[kept].mean())

    return DubMetrics(
        sync=measure.sync(reading.openings[0], voice),
        crosstalk=measure.crosstalk(reading.openings[0], source.old[None]),
        chance=measure.crosstalk(voice, source.old[None]),
        pinned_open=silent_open(reading.openings[1]),
        shown=off(made.frames),
        decoded=off(made.decoded),
        alone=off(source.alone),
        whole=_share_whole(made.frames, reading),
        whole_alone=source.whole_alone,
        dubbed=float((made.encoded.mask > 0).float().mean()),
        share=mask_seconds(made.encoded.latent) / step,
    )


def figures_of(scenes: Sequence[dict[str, DubMetrics]]) -> list[Figure]:
    table = []
    for way in scenes[0]:

        def mean(name: str, way: str = way) -> tuple[float, tuple[float, float], int]:
            values = [getattr(scene[way], name) for scene in scenes]
            return float(np.mean(values)), bootstrap_interval(values), len(values)

        over = [scene[way].decoded - scene[way].alone for scene in scenes]
        table += [
            at_least(f"sync_{way}", *mean("sync"), SYNC),
            at_most(f"crosstalk_{way}", *mean("crosstalk"), CROSSTALK, OLD_VOICE),
            Figure(f"crosstalk_of_perfect_mouths_{way}", *mean("chance")),
            at_least(f"whole_{way}", *mean("whole"), WHOLE),
            Figure(f"whole_of_the_autoencoder_{way}", *mean("whole_alone")),
            at_most(f"pinned_open_{way}", *mean("pinned_open"), 0.0),
            at_most(f"kept_off_{way}", *mean("shown"), 0.0, KEPT),
            Figure(f"kept_off_before_compositing_{way}", *mean("decoded")),
            Figure(f"kept_off_of_the_autoencoder_{way}", *mean("alone")),
            Figure(
                f"kept_off_over_the_autoencoder_{way}",
                float(np.mean(over)),
                bootstrap_interval(over),
                len(over),
            ),
            Figure(f"dubbed_share_{way}", *mean("dubbed")),
            at_most(f"share_of_a_step_{way}", *mean("share"), STEP_SHARE),
        ]
    return table


OLD_VOICE = (
    "Of the dubbed mouth with the voice that it followed in the source; chance alone gives the next row."
)
KEPT = "Mean difference from the source outside of the mask, of 255, in the film as it is shown."


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dev.py bench dubbing", description=__doc__.split("\n\n", maxsplit=1)[0]
    )
    parser.add_argument("--scenes", type=int, default=FULL, help="(default: %(default)s)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--frames", type=int, default=FRAMES, help="4n+1 (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="(default: the shipped graph's)")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no scene after so many minutes")
    add_model_arguments(parser)
    parser.add_argument("--pictures", type=Path, help="write six frames of source and dub into this folder")
    parser.add_argument("--out", type=Path, help="JSON (default: dubbing.json in benchmarks/results)")
    return parser.parse_args(argv)


def records_file(settings: RunSettings, chosen: argparse.Namespace) -> Path:
    """Where finished dubs of these weights, settings and code are kept, so that a bench that was stopped goes on."""
    digest = hashlib.sha256(f"{settings} {chosen.bf16} {chosen.recordings}".encode())
    room = ROOT / "interact_core"
    code = [
        Path(__file__),
        *(room / name for name in ("guidance/dubbing.py", "host/encode/dubbing.py", "theatre/pipeline.py")),
    ]
    for file in (*sorted(chosen.models.rglob("*.safetensors")), *code):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return ROOT / ".cache" / "bench_dubbing" / f"{digest.hexdigest()[:16]}.json"


def dub_and_measure(
    number: int, ways: Sequence[str], settings: RunSettings, chosen: argparse.Namespace, models: TheatreModels
) -> Iterator[tuple[str, DubMetrics]]:
    """One scene in these ways, as they are done."""
    source = draw_source(number, settings, load_recordings(chosen.recordings), models.vae)
    for way in ways:
        made, seconds = dub(models, settings, source, way)
        if chosen.pictures is not None:
            shown = np.concatenate((source.drawn.frames, made.frames), axis=1)
            write_strip(chosen.pictures / f"{number}_{way}.png", shown)
        yield way, measure_dub(settings, source, made, float(np.median(seconds)))


def main() -> None:
    chosen = arguments()
    began = time.perf_counter()
    settings = shipped_run_settings(chosen.frames)
    settings = replace(settings, steps=chosen.steps or round(DENOISE * settings.steps))
    file = records_file(settings, chosen)
    kept = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    path = chosen.out or (result.FOLDER / "dubbing.json" if chosen.scenes >= FULL else None)
    more = {"grow": GROW, "feather": FEATHER, "denoise": DENOISE, "look_first": list(PASS)}
    comfy.utils.set_progress_bar_enabled(False)
    threads = max(1, (os.cpu_count() or 1) // chosen.workers)
    models = models_of_this_process(chosen.models, threads, chosen.bf16)
    scenes: list[dict[str, DubMetrics]] = []
    for number in range(chosen.scenes):
        ways = [way for way in chosen.ways if f"{number} {way}" not in kept]
        if ways and time.perf_counter() - began > 60 * chosen.minutes:
            break  # what is kept is there for another call
        for way, found in dub_and_measure(number, ways, settings, chosen, models) if ways else ():
            print(f"scene {number}, {way}: {found}", flush=True)
            kept[f"{number} {way}"] = asdict(found)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(kept), encoding="utf-8")
        scenes.append({way: DubMetrics(**kept[f"{number} {way}"]) for way in chosen.ways})
        write_results("dubbing", path, figures_of(scenes), settings, began, **more)


if __name__ == "__main__":
    main()
