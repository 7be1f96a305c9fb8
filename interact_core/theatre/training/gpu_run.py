"""`dev.py train gpu --minutes N`: uses a borrowed GPU for N minutes, and leaves finished weights behind.

The VAE goes on from the one in --models, the clips are drawn and encoded with it, then the DiT goes on. Each
gets a share of the time; how many steps fit into it is measured on the machine, so that the schedules of both
end in time. Every part saves once a minute and resumes: a run that was cut off goes on with what is left.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..scenes import FAST, World
from .clips import SHARD, latent_statistics, read_bank, read_clips, write_clips
from .models import export_vae
from .train_dit import DiTRecipe, train_dit
from .train_vae import VAE_FILE, VAERecipe, train_vae
from .wan_vae import fold_latent_format

log = logging.getLogger(__name__)

SHARES = {"vae": 0.3, "clips": 0.15, "dit": 0.5}  # of the minutes; the rest is for loading and writing
SAVE_SECONDS = 60.0
PROBE_STEPS = (6, 26)  # of two short runs, whose difference is a step's time: the first steps are slower
PLAN_FILE = "gpu_plan.json"


@dataclass(frozen=True)
class Plan:
    """Numbers of steps and clips that fit, and steps between saves; None where not planned yet."""

    vae_steps: int | None = None
    vae_save_every: int | None = None
    clips: int | None = None
    dit_steps: int | None = None
    dit_save_every: int | None = None


def steps_in(seconds: float, seconds_a_step: float) -> int:
    """How many steps fit, at least one. Raises ValueError for a step that takes no time."""
    if seconds_a_step <= 0:
        raise ValueError("A step takes more than 0 seconds; measure it again.")
    return max(1, math.floor(seconds / seconds_a_step))


def save_interval(seconds_a_step: float, steps: int) -> int:
    """Steps between saves that are a minute apart, at most the whole run."""
    return max(1, min(steps, round(SAVE_SECONDS / seconds_a_step)))


def clips_in(seconds: float, seconds_a_clip: float, shard: int) -> int:
    """How many clips fit, in whole shards, at least one of them."""
    return max(1, math.floor(seconds / seconds_a_clip / shard)) * shard


def seconds_of(stage: str, minutes: float) -> float:
    """The time of a stage."""
    return 60.0 * minutes * SHARES[stage]


def cooldown_of(steps: int) -> tuple[int, int]:
    """Steps of warm-up and of cool-down of the DiT: the rate falls over the last half."""
    return max(1, min(100, steps // 20)), max(1, steps // 2)


def read_plan(folder: Path) -> Plan:
    """The plan of a run that was cut off, or an empty one: schedules must not change when a run goes on."""
    path = folder / PLAN_FILE
    return Plan(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else Plan()


def write_plan(folder: Path, plan: Plan) -> Plan:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PLAN_FILE).write_text(json.dumps(asdict(plan)), encoding="utf-8")
    return plan


def planned_steps(
    folder: Path, plan: Plan, stage: str, minutes: float, probe: Callable[[], float]
) -> tuple[Plan, int, int]:
    """The plan with the steps of a stage, "vae" or "dit", their number and the steps between saves.

    probe: measures the seconds of one step; called only where the stage has not been planned yet.
    """
    if getattr(plan, f"{stage}_steps") is None:
        began = time.monotonic()
        seconds = probe()
        steps = steps_in(seconds_of(stage, minutes) - (time.monotonic() - began), seconds)
        every = save_interval(seconds, steps)
        log.info("%s: %.3f s a step, %d steps, a save every %d", stage, seconds, steps, every)
        plan = write_plan(folder, replace(plan, **{f"{stage}_steps": steps, f"{stage}_save_every": every}))
    return plan, getattr(plan, f"{stage}_steps"), getattr(plan, f"{stage}_save_every")


def seconds_a_step(run: Callable[[int, Path], object]) -> float:
    """Seconds of one step, without what a run costs before its first.

    run(n, folder) makes n steps in an empty folder.
    """
    times = []
    for steps in PROBE_STEPS:
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            run(steps, Path(folder))
            times.append(time.monotonic() - began)
    return max(1e-4, (times[1] - times[0]) / (PROBE_STEPS[1] - PROBE_STEPS[0]))


@dataclass(frozen=True)
class GPURun:
    """One run: minutes in all; runs: folder for checkpoints, clips and the plan; models: a models folder that
    the finished weights replace; bank: the file of recordings; workers: processes that draw clips.
    """

    minutes: float
    runs: Path
    models: Path
    bank: Path
    workers: int
    vae: VAERecipe
    dit: DiTRecipe
    world: World = FAST

    def train(self) -> Plan:
        """All three stages; returns the plan."""
        plan = self._train_vae(read_plan(self.runs))
        plan = self._draw_clips(plan)
        return self._train_dit(plan)

    def _train_vae(self, plan: Plan) -> Plan:
        def probe(steps: int, folder: Path) -> object:
            recipe = replace(self.vae, steps=steps, save_every=steps, held_out=0, pool=8)
            return train_vae(recipe, folder, self.models, self.world)

        plan, steps, every = planned_steps(
            self.runs, plan, "vae", self.minutes, lambda: seconds_a_step(probe)
        )
        if plan.clips is not None:  # finished before: clips were planned with its latents
            return plan
        recipe = replace(self.vae, steps=steps, save_every=every)
        vae = train_vae(recipe, self.runs, self.models, self.world).eval()
        statistics = latent_statistics(vae, world=self.world)
        fold_latent_format(vae.cpu(), *statistics)
        export_vae(vae, self.models / VAE_FILE)
        return plan

    def _draw_clips(self, plan: Plan) -> Plan:
        """The first shard of every process tells how many clips fit."""
        first, vae_file = self.workers * SHARD, self.models / VAE_FILE
        if plan.clips is None:
            began = time.monotonic()
            write_clips(self._clips, first, self.bank, vae_file, self.workers, self.world)
            # No stale time of a run that was cut off: shards that exist already took none.
            seconds = max(time.monotonic() - began, 1e-3)
            left = seconds_of("clips", self.minutes) - seconds
            more = clips_in(left, seconds / first, SHARD) if left > seconds else 0
            plan = write_plan(self.runs, replace(plan, clips=first + more))
        write_clips(self._clips, plan.clips, self.bank, vae_file, self.workers, self.world)
        return plan

    @property
    def _clips(self) -> Path:
        return self.runs / "clips"

    def _train_dit(self, plan: Plan) -> Plan:
        clips, bank = read_clips(self._clips), read_bank(self.bank)

        def probe(steps: int, folder: Path) -> object:
            models = shutil.copytree(self.models, folder / "models")
            recipe = replace(self.dit, steps=steps, save_every=steps)
            return train_dit(recipe, folder, clips, bank, models, warm=True)

        plan, steps, every = planned_steps(
            self.runs, plan, "dit", self.minutes, lambda: seconds_a_step(probe)
        )
        warmup, cooldown = cooldown_of(steps)
        recipe = replace(self.dit, steps=steps, save_every=every, warmup=warmup, cooldown=cooldown)
        train_dit(recipe, self.runs, clips, bank, self.models, warm=True)
        return plan
