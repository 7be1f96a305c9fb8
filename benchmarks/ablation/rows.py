"""What the ablation compares: the rows of its tables, in groups, each with the setting that it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..scenes.settings import EVERY_FRAME, FIRST_FRAME, IN_TURNS, TWO_PASSES, WITHIN_STEP, Setting

ARGUMENT, SWEEP, TUNING = "argument", "sweep", "tuning"  # which scenes a row is run on


@dataclass(frozen=True)
class Row:
    """One line of a table; `against` is the line of its group that it is compared with."""

    group: str
    label: str
    setting: Setting
    scenes: str = SWEEP
    against: Setting | None = field(default_factory=Setting)


TITLES = {
    "injection": "Audio injection",
    "sharpness": "Mask sharpness",
    "audio_scale": "Audio scale",
    "best": "Each strategy at its best",
    "warmup": "Warm-up and its audio",
    "cache": "Mask cache",
    "references": "One to eight references",
    "speech": "Both at once, and in turns",
    "trained": "ID embedding",
}
"""Groups of rows, in the order in which they are run and shown."""

STRATEGIES = (("predicted", "predicted"), ("fixed", FIRST_FRAME))


def groups(trained: tuple[str, ...] = ()) -> dict[str, list[Row]]:
    """All rows but those of "best", which follow from the others' figures (tables.best_rows).

    trained: names of other weights that exist, see interact_core/theatre/training/id_embedding.py.
    """
    made = [*_injection(), *_sharpness(), *_audio_scale(), *_warmup(), *_cache(), *_references(), *_speech()]
    made += _trained(trained)
    return {group: [row for row in made if row.group == group] for group in TITLES}


def _injection() -> list[Row]:
    rows = {
        "every voice everywhere": Setting("none"),
        "fixed mask of the first frame": Setting(FIRST_FRAME),
        "likeness of features, no trained head": Setting("affinity"),
        "predicted mask": Setting(),
        "true mask of every frame": Setting(EVERY_FRAME),
    }
    return [Row("injection", label, setting, ARGUMENT) for label, setting in rows.items()]


def _sharpness() -> list[Row]:
    ways = {
        "gain 1, raw": {"gain": 1.0},
        "gain 2": {"gain": 2.0},
        "gain 3": {"gain": 3.0},
        "temperature 0.5": {"gain": 1.0, "temperature": 0.5},
        "temperature 0.25": {"gain": 1.0, "temperature": 0.25},
        "threshold 0.3": {"gain": 1.0, "threshold": 0.3},
        "threshold 0.5": {"gain": 1.0, "threshold": 0.5},
    }
    return _for_both("sharpness", ways)


def _audio_scale() -> list[Row]:
    return _for_both("audio_scale", {f"audio scale {s:g}": {"audio_cfg": s} for s in (1.5, 3.0, 4.5, 6.0)})


def _for_both(group: str, ways: dict[str, dict[str, float]]) -> list[Row]:
    rows = []
    for name, masks in STRATEGIES:
        rows.append(Row(group, f"{name}, as shipped", Setting(masks), TUNING, None))
        rows += [
            Row(group, f"{name}, {way}", Setting(masks, **changed), TUNING, Setting(masks))
            for way, changed in ways.items()
        ]
    return rows


def _warmup() -> list[Row]:
    """Stage one of 0, 5, 10 and 20 of 50 steps, as fractions of the schedule (docs/method.md)."""
    rows = [Row("warmup", "0 of 50", Setting(boundary=0.0))]
    for steps in (5, 10, 20):
        for audio in ("none", "mute", "all"):
            setting = Setting(boundary=steps / 50, stage_one_audio=audio)
            rows.append(Row("warmup", f"{steps} of 50, {audio}", setting))
    return rows


def _cache() -> list[Row]:
    return [
        Row("cache", "mask of the previous step", Setting()),
        Row("cache", "mask of this step, in two passes", Setting(cache=TWO_PASSES)),
        Row("cache", "none: of earlier blocks in this pass", Setting(cache=WITHIN_STEP)),
    ]


def _references() -> list[Row]:
    return [Row("references", str(n), Setting(references=n)) for n in (1, 2, 3, 4, 6, 8)]


def _speech() -> list[Row]:
    rows = []
    for label, speech in (("both at once", "together"), ("in turns", IN_TURNS)):
        for name, masks in (("predicted", "predicted"), ("fixed", FIRST_FRAME), ("everywhere", "none")):
            own = Setting(speech=speech)
            rows.append(Row("speech", f"{label}, {name}", Setting(masks, speech=speech), SWEEP, own))
    return rows


def _trained(names: tuple[str, ...]) -> list[Row]:
    labels = {"id": "ID embedding", "masks": "predicted mask, as many steps more"}
    control = Setting(trained="masks") if "masks" in names else Setting()
    settings = {"id": Setting("none", trained="id"), "masks": Setting(trained="masks")}
    return [Row("trained", labels[name], settings[name], ARGUMENT, control) for name in names]
