"""The ablation bench without the theatre's models: settings, records, tables and pages from known figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from interacthuman.benchmarks.ablation import __main__ as ablation
from interacthuman.benchmarks.ablation import page, plots, tables, texts
from interacthuman.benchmarks.ablation.rows import ARGUMENT, SWEEP, TITLES, TUNING, groups
from interacthuman.benchmarks.scenes import runs, store
from interacthuman.benchmarks.scenes.runs import PAPER_STEPS, RENDERED, Task
from interacthuman.benchmarks.scenes.settings import EVERY_FRAME, FIRST_FRAME, IN_TURNS, ONE_SILENT, Setting
from interacthuman.benchmarks.scenes.store import ScenePlan, Store, fingerprint, missing, worker_pool
from interacthuman.interact_core.theatre import voices
from interacthuman.interact_core.theatre.pipeline import AudioExcerpt, shipped_run_settings
from interacthuman.tests.support.theatre.cases import case_of

SHIPPED = shipped_run_settings(25)


# ------------------------------------------------------------------------------------- settings and what is kept


def test_equal_runs_have_one_key_and_other_runs_another() -> None:
    theirs = Setting(gain=SHIPPED.guidance.mask_gain, boundary=SHIPPED.guidance.stage_boundary, threshold=0.0)
    assert theirs.normalised(SHIPPED) == Setting() and Setting().key == "shipped"
    assert Setting(FIRST_FRAME, speech=IN_TURNS, gain=3.0).source == Setting(speech=IN_TURNS)
    rows = [row for group in groups(("id", "masks")).values() for row in group]
    settings = {row.setting.normalised(SHIPPED) for row in rows}
    assert len({setting.key for setting in settings}) == len(settings)
    assert {row.group for row in rows} == set(TITLES) - {"best"}


def test_a_setting_changes_the_shipped_run_settings() -> None:
    changed = Setting(FIRST_FRAME, gain=3.0, threshold=0.5, audio_cfg=4.0, stage_one_audio="all").applied_to(
        SHIPPED
    )
    assert changed.guidance.mask_source == "fixed" and changed.guidance.mask_gain == 3.0
    assert (changed.guidance.mask_threshold, changed.guidance.stage_one_audio) == (0.5, "all")
    assert changed.audio_cfg == 4.0 and changed.guidance.stage_boundary == SHIPPED.guidance.stage_boundary
    assert Setting().applied_to(SHIPPED) == SHIPPED


def test_in_turns_each_speaks_in_its_half_only() -> None:
    case = case_of()
    turns = runs.adapted_case(case, Setting(speech=IN_TURNS), SHIPPED)
    first, second = (excerpt.mouth_openings(25.0, 25) for excerpt in turns.excerpts)
    assert first[:11].max() > 0.2 and first[14:].max() == 0
    assert second[14:].max() > 0.2 and second[:11].max() == 0
    assert runs.adapted_case(case, Setting(), SHIPPED).excerpts == case.excerpts


def test_more_references_are_silent_and_fewer_leave_one_speaker() -> None:
    case = case_of()
    eight, one = (runs.adapted_case(case, Setting(references=n), SHIPPED) for n in (8, 1))
    assert eight.looks[:2] == case.looks and len(set(eight.looks)) == 8
    assert (
        eight.excerpts[2:] == (None,) * 6
        and one.excerpts == case.excerpts[:1]
        and one.looks == case.looks[:1]
    )


def test_one_of_the_speakers_is_silent_and_every_time_the_same() -> None:
    cases = [case_of(seed) for seed in range(3, 11)]
    drawn = [runs.adapted_case(case, Setting(speech=ONE_SILENT), SHIPPED).excerpts for case in cases]
    assert all(excerpts.count(None) == 1 for excerpts in drawn)
    assert {excerpts.index(None) for excerpts in drawn} == {0, 1}
    again = [runs.adapted_case(case, Setting(speech=ONE_SILENT), SHIPPED).excerpts for case in cases]
    assert [excerpts.index(None) for excerpts in again] == [excerpts.index(None) for excerpts in drawn]


def test_truth_is_kept_as_it_is(tmp_path) -> None:
    masks = np.random.default_rng(0).random((2, 3, 5, 7)) > 0.5
    runs.write_truth(tmp_path, Setting(speech=IN_TURNS), 4, masks)
    assert np.array_equal(runs.read_truth(tmp_path, Setting(speech=IN_TURNS), 4), masks)


def test_a_killed_run_goes_on(tmp_path) -> None:
    store = Store(tmp_path)
    store.add(record("shipped", 1, 0.5))
    store.add(record("shipped", 2, 0.7))
    with (tmp_path / "records.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"setting": "shipped", "case": 3, "mar')
    again = Store(tmp_path)
    tasks = [Task(number, None, Setting()) for number in (1, 2, 3, 3)]
    assert [task.number for task in missing(again, tasks)] == [3]
    again.add(record("shipped", 3, 0.9))
    assert [r["margin"] for r in Store(tmp_path).of("shipped", (3, 1, 2))] == [0.9, 0.5, 0.7]


def test_records_of_other_weights_lie_beside_the_shipped_ones(tmp_path) -> None:
    store = Store(tmp_path / "own", tmp_path / "older")
    store.add(record("shipped", 1, 0.5))
    store.add(record(Setting(trained="masks").key, 1, 0.4))
    newer = Store(tmp_path / "own", tmp_path / "newer")
    assert newer.has("shipped", [1]) and not newer.has("trained=masks", [1])
    assert Store(tmp_path / "own", tmp_path / "older").of("trained=masks", [1])[0]["margin"] == 0.4


def test_other_weights_or_recordings_are_other_records(tmp_path) -> None:
    (tmp_path / "vae").mkdir()
    weights = tmp_path / "vae" / "weights.safetensors"
    weights.write_bytes(b"one")
    recordings = [AudioExcerpt(np.zeros(4, np.float32), 16000)]
    marks = {fingerprint([tmp_path], SHIPPED, recordings, False)}
    (tmp_path / "README.md").write_text("documents do not count", encoding="utf-8")
    assert fingerprint([tmp_path], SHIPPED, recordings, False) in marks
    weights.write_bytes(b"two")
    marks.add(fingerprint([tmp_path], SHIPPED, recordings, False))
    marks.add(fingerprint([tmp_path], SHIPPED, [AudioExcerpt(np.ones(4, np.float32), 16000)], False))
    marks.add(fingerprint([tmp_path], shipped_run_settings(29), recordings, False))
    assert len(marks) == 4


def test_records_of_other_code_are_not_used(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"model.py", "blend.py", "hooks.py", "measure.py", "held_out.py"} <= {
        file.name for file in store.CODE
    }
    file = tmp_path / "blend.py"
    monkeypatch.setattr(store, "CODE", [file])
    marks = []
    for text in ("gain = 2", "gain = 2  # why", "gain = 3"):
        file.write_text(text, encoding="utf-8")
        marks.append(fingerprint([], SHIPPED, [], False))
    assert marks[0] == marks[1] != marks[2]


# -------------------------------------------------------------------------------------- tables from known records


def record(key: str, number: int, margin: float, **more: object) -> dict:
    by_step = {str(step): min(1.0, 0.5 + 0.01 * step) for step in PAPER_STEPS}
    moments = [4.0, [4.0, 0.0], [[8.0, 0.0], [0.0, 4.0]]]  # mean (1, 0), covariance the identity
    found = {
        "setting": key,
        "case": number,
        **dict.fromkeys(tables.METRICS, 0.5),
        "margin": margin,
        "silent_open": None,
        "iou_by_step": by_step,
        "iou_by_layer": {"1": by_step, "2": by_step},
        "travel": 10.0 + number,
        "closeness": 1.0 if number % 2 else 1.8,
        "seconds": 2.0,
        "moments": moments,
    }
    return {**found, **more}


MARGINS = {"none": 0.0, FIRST_FRAME: 0.4, "affinity": 0.5, "predicted": 0.8, EVERY_FRAME: 0.85}


class FakeRuns:
    """Stands for the models: a setting's margin is known, with a little of the scene in it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.order: list[tuple[str, int]] = []

    def __call__(self, tasks: Sequence[Task]) -> None:
        for task in missing(self.store, tasks):
            self.order.append((task.key, task.number))
            if task.key == RENDERED:
                self.store.add(
                    {"setting": RENDERED, "case": task.number, "moments": record("", 0, 0)["moments"]}
                )
                continue
            setting = task.setting
            margin = MARGINS[setting.masks] + 0.001 * (task.number % 10)
            margin += 0.05 if setting.gain == 3.0 and setting.masks == FIRST_FRAME else 0.0
            margin -= 0.1 if setting.gain == 1.0 else 0.0
            seconds = 4.0 if setting.references == 8 else 2.0
            travel = 3.0 if task.number % 4 == 3 else 10.0 + task.number % 50
            self.store.add(record(task.key, task.number, margin, seconds=seconds, travel=travel))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[tables.Findings, FakeRuns, ablation.Scenes]:
    run = FakeRuns(Store(tmp_path_factory.mktemp("records")))
    rng = np.random.default_rng(0)
    recordings = [AudioExcerpt(voices.babble(rng, 1.2), voices.RATE, source="given") for _ in range(3)]
    scenes = ablation.Scenes(ScenePlan(SHIPPED, recordings), run.store, run, argument=9, sweep=4)
    chosen = ablation.arguments(["--scenes", "9", "--sweep-scenes", "4"])
    finished = ablation.run_groups(chosen, scenes)
    return tables.findings(finished, run.store, scenes.of, scenes.searched, chosen.only), run, scenes


def test_scenes_are_those_that_move_and_sharpness_has_its_own(found) -> None:
    _, run, scenes = found
    assert scenes.of(ARGUMENT) == [0, 1, 2, 4, 5, 6, 8, 9, 10] and scenes.of(SWEEP) == [0, 1, 2, 4]
    tuning = scenes.of(TUNING)
    assert len(tuning) == 4 and min(tuning) >= ablation.TUNING_FIRST
    tried = {number for key, number in run.order if key == Setting(gain=3.0).key}
    assert tried == set(tuning)


def test_runs_that_give_true_masks_come_first(found) -> None:
    _, run, _ = found
    place = {one: k for k, one in enumerate(run.order)}
    assert len(place) == len(run.order)  # nothing twice
    for row in (row for rows in groups().values() for row in rows):
        setting = row.setting.normalised(SHIPPED)
        assert setting.key in {key for key, _ in run.order}
        for key, number in run.order:
            if setting.needs_truth and key == setting.key:
                assert place[setting.source.key, number] < place[key, number]


def test_the_headline_compares_each_strategy_at_its_best(found) -> None:
    findings, _, _ = found
    figures = {figure.name: figure for figure in findings.figures}
    assert (
        figures["predicted_over_fixed"].value == pytest.approx(0.8 - 0.45)
        and figures["predicted_over_fixed"].holds
    )
    assert (
        figures["predicted_over_global"].value == pytest.approx(0.8)
        and figures["predicted_over_global"].holds
    )
    assert figures["of_ceiling"].value == pytest.approx(0.8 / 0.85, abs=0.01) and figures["of_ceiling"].holds
    assert figures["intervals_apart"].holds and figures["margin_true"].count == 9
    assert [line.label for line in findings.groups["best"]] == [
        "every voice everywhere",
        "fixed mask, gain 3",
        "predicted mask, as shipped",
        "true mask, as shipped",
    ]


def test_lines_say_gain_cost_and_distance(found) -> None:
    findings, _, _ = found
    lines = {line.label: line for line in findings.groups["injection"]}
    fixed = lines["fixed mask of the first frame"]
    assert fixed.over[0] == pytest.approx(-0.4) and lines["predicted mask"].over is None
    assert fixed.frechet == pytest.approx((0, 0, 0), abs=1e-6)
    assert {line.label: line.cost for line in findings.groups["references"]}["8"] == 2.0
    assert len(findings.groups["sharpness"]) == 2 * 7  # gain 2 is the shipped one, and stands once


def test_a_setting_has_to_be_clearly_better_to_be_taken(tmp_path) -> None:
    store = Store(tmp_path)
    for number, lucky in enumerate((0.5, -0.3, 0.2, -0.2, 0.1)):
        store.add(record(Setting().key, number, 0.5))
        store.add(record(Setting(gain=3.0).key, number, 0.5 + lucky))
    tried = [Setting(gain=3.0)]
    assert tables._clearly_best(Setting(), tried, store, range(5)) == Setting()
    for number in range(5):
        store.add(record(Setting(gain=3.0).key, number, 0.501))  # better by rounding alone
    assert tables._clearly_best(Setting(), tried, store, range(5)) == Setting()
    for number in range(5):
        store.add(record(Setting(gain=3.0).key, number, 0.6))
    assert tables._clearly_best(Setting(), tried, store, range(5)) == Setting(gain=3.0)


def test_low_and_high_motion_are_thirds_of_all_scenes_that_were_run(found) -> None:
    findings, _, scenes = found
    low, high = findings.steps["low"], findings.steps["high"]
    assert low["scenes"] == high["scenes"] == len(scenes.searched) // 3
    assert low["travel"][0] == 3.0 and low["travel"][1] < high["travel"][0]
    assert low["averaged"]["50"][0] == 1.0 and set(high["blocks"]) == {"1", "2"}
    overlapping, apart = findings.occlusion["overlapping"], findings.occlusion["apart"]
    assert overlapping[0].scenes == 3 and apart[0].scenes == 6  # odd numbers come close


def test_the_frechet_distance_of_shifted_scenes() -> None:
    here = [runs.moments_of(record("", k, 0.0)) for k in range(4)]
    there = [replace(one, total=np.zeros(2), products=np.diag([4.0, 4.0])) for one in here]
    assert tables.frechet(here, there) == pytest.approx((1.0, 1.0, 1.0))


# ------------------------------------------------------------------------------------------------ what is written


ABOUT = {
    "command": "python dev.py bench ablation",
    "machine": {"system": "a computer", "cores": 2},
    "versions": {},
    "seconds": 1,
}


def test_json_markdown_and_page(found, tmp_path) -> None:
    findings, _, _ = found
    paths = page.write(tmp_path, findings, ABOUT)
    kept = json.loads(paths[0].read_text(encoding="utf-8"))
    assert kept["figures"]["predicted_over_fixed"]["bound"] == ">= 0.1"
    assert set(kept["groups"]) == set(TITLES) - {"trained"} and kept["steps"]["low"]["scenes"]
    text = paths[1].read_text(encoding="utf-8")
    assert "| predicted mask | 0.80 (0.80 to 0.81) |  | 0.50 |" in text and texts.NO_ID in text
    assert "| paper, high motion, averaged | 0.74 | 0.92 | 0.93 | 0.94 | 0.94 |" in text
    html = paths[2].read_text(encoding="utf-8")
    drawings = html.split("<svg ")[1:]
    assert len(drawings) >= len(findings.groups) and "http" not in html.replace(
        "http://www.w3.org/2000/svg", ""
    )
    for drawing in drawings:
        ElementTree.fromstring("<svg " + drawing.partition("</svg>")[0] + "</svg>")


def test_a_dot_stands_where_its_value_is() -> None:
    drawing = ElementTree.fromstring(
        plots.dots("t", [plots.Dot("a", (0.5, 0.0, 1.0)), plots.Dot("<b>", (1, 1, 1))], "x")
    )
    kind = "{http://www.w3.org/2000/svg}"
    half, one = (float(circle.get("cx")) for circle in drawing.iter(f"{kind}circle"))
    bar = next(line for line in drawing.iter(f"{kind}line") if line.get("stroke-width") == "7")
    begin, end = float(bar.get("x1")), float(bar.get("x2"))
    assert half == pytest.approx((begin + end) / 2, abs=0.2) and one == pytest.approx(end, abs=0.2)


def test_figure_and_sentence_go_into_the_readme_and_tables_into_the_results(found, tmp_path) -> None:
    findings, _, _ = found
    (tmp_path / "docs").mkdir()
    readme, results = tmp_path / "README.md", tmp_path / page.RESULTS
    readme.write_text("# Title\n\ntext\n\n## Limits\n\n- some\n", encoding="utf-8")
    for command in ("python dev.py bench ablation --workers 2", "python dev.py bench ablation"):
        page.write_readme(tmp_path, findings, command)
        text, tables = (file.read_text(encoding="utf-8") for file in (readme, results))
        assert text.count("## Does it work?") == 1 and f"\n    {command}\n" in tables
        assert text.startswith("# Title\n\ntext\n\n" + page.README_BEGIN) and text.endswith(
            "## Limits\n\n- some\n"
        )
        assert page.summary(findings) in text and page.RESULTS in text and "|" not in text
    assert "--workers 2" not in tables and "predicted_over_fixed" in tables
    assert "| likeness of features, no trained head |" in tables and "paper: Sync-D" in tables
    ElementTree.fromstring((tmp_path / page.README_FIGURE).read_text(encoding="utf-8"))


def test_the_json_says_all_that_the_texts_are_made_of(found, tmp_path) -> None:
    findings, _, _ = found
    paths = page.write(tmp_path, findings, ABOUT)
    written = [path.read_text(encoding="utf-8") for path in paths[1:]]
    again, record = page.read(paths[0])
    page.write_texts(tmp_path, again, record)
    assert [path.read_text(encoding="utf-8") for path in paths[1:]] == written


def test_the_command_line() -> None:
    chosen = ablation.arguments(["--scenes", "2", "--only", "occlusion"])
    assert chosen.only == ["injection", "occlusion"] and chosen.sweep_scenes == 2
    assert chosen.out == ablation.CACHE / "ablation" and ablation.arguments([]).out == ablation.result.FOLDER
    assert set(ablation.arguments([]).only) == set(TITLES) | {"steps", "occlusion"}


def test_a_bench_that_is_out_of_time_says_what_is_whole(tmp_path) -> None:
    """Time for the scenes and for one row: the others are left out, and so is what would need them."""
    store = Store(tmp_path)
    fake_runs = FakeRuns(store)
    rng = np.random.default_rng(0)
    recordings = [AudioExcerpt(voices.babble(rng, 1.2), voices.RATE, source="given") for _ in range(3)]

    def run(tasks: Sequence[Task]) -> None:
        fake_runs([task for task in tasks if task.key in (Setting().key, Setting("none").key)])

    scenes = ablation.Scenes(ScenePlan(SHIPPED, recordings), store, run, argument=3, sweep=2)
    chosen = ablation.arguments(["--scenes", "3", "--sweep-scenes", "2"])
    finished = ablation.run_groups(chosen, scenes)
    findings = tables.findings(finished, store, scenes.of, scenes.searched, chosen.only)
    assert [line.label for line in findings.groups["injection"]] == [
        "every voice everywhere",
        "predicted mask",
    ]
    assert "best" not in findings.groups
    assert findings.figures == [] and findings.groups["injection"][0].frechet is None
    assert "predicted mask" in texts.markdown(findings, "") and page.html(findings, ABOUT)


def test_records_come_from_processes_one_by_one(tmp_path) -> None:
    """With one worker in this process: a task that fails leaves what was done before it."""
    store = Store(tmp_path)
    worker = runs.WorkerSettings(tmp_path / "no models", 1, False, tmp_path / "truth")
    store.add(record(Setting().key, 1, 0.5))
    with worker_pool(store, worker, SHIPPED, 1) as run:
        run([Task(1, case_of(), Setting())])  # is there already: nothing is opened
        with pytest.raises(Exception):  # noqa: B017, PT011  (whatever a missing folder of weights raises)
            run([Task(2, case_of(), Setting())])
    with worker_pool(store, worker, SHIPPED, 1, minutes=1e-9) as run:
        run([Task(3, case_of(), Setting())])  # no time: nothing is begun
    assert Task(1, None, Setting()) in Store(tmp_path) and Task(3, None, Setting()) not in store
