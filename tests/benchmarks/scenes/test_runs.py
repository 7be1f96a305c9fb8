"""A scene with every source of masks that `bench theatre` has, by the models that ship: nothing refuses any of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from interacthuman.benchmarks.scenes import runs
from interacthuman.benchmarks.scenes.runs import Record, Task, WorkerSettings
from interacthuman.benchmarks.scenes.settings import Setting
from interacthuman.benchmarks.theatre import MASKS, settings_of
from interacthuman.interact_core.theatre.pipeline import MODELS, shipped_run_settings
from interacthuman.tests.support.theatre.cases import case_of

SHIPPED = replace(shipped_run_settings(9), steps=4)
SETTINGS = settings_of(2, tuple(MASKS))


@pytest.mark.parametrize("source", SETTINGS)
def test_masks_of_every_source_steer_a_scene(source: str, tmp_path: Path) -> None:
    def run(setting: Setting) -> Record:
        worker = WorkerSettings(MODELS, threads=2, bf16=False, truth=tmp_path)
        return runs.run_task(Task(0, case_of(), setting), worker, SHIPPED)

    if SETTINGS[source].needs_truth:
        run(SETTINGS[source].source)
    record = run(SETTINGS[source])
    assert record["setting"] == SETTINGS[source].key and record["on_screen"] == 1.0
    if source == "none":
        assert record["mask_iou"] is None
    else:
        assert record["mask_iou"] > 0.4
