"""Texts and tables of the ablation: what each group asks, its columns, and the paper's numbers beside ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..scenes import result
from ..scenes.runs import PAPER_STEPS
from .rows import TITLES
from .tables import OVERLAP, Findings, Line, Spread

# InterActHuman (arXiv 2506.09984): two people, one of whom speaks; Sync-D and FVD, less is better.
PAPER_INJECTION = {
    "every voice everywhere": ("9.48", "33.9"),
    "ID embedding": ("8.63", "35.7"),
    "fixed mask of the first frame": ("7.07", "40.2"),
    "predicted mask": ("6.67", "22.9"),
}
PAPER_CACHE = {"mask of the previous step": "6.92", "none: of earlier blocks in this pass": "11.05"}
PAPER_IOU = {
    "layer 4": (0.113, 0.426, 0.529, 0.730, 0.779),
    "layer 20": (0.527, 0.816, 0.911, 0.934, 0.945),
    "layer 36": (0.694, 0.902, 0.923, 0.931, 0.915),
    "averaged": (0.741, 0.916, 0.932, 0.936, 0.937),
}
"""High motion, at PAPER_STEPS of 50; the paper's layers are 40, averaged are the last several."""

EXPLAINED = {
    "injection": "Two puppets speak at once. The margin is the correlation of a mouth with its own voice (sync) minus "
    "that with the other one (crosstalk): a mouth that moves to the wrong voice, or to both, has none. Each row runs "
    "the same scenes from the same noise. The true masks are the segmentation of the finished predicted run in every "
    "frame: what a perfect predictor would have predicted for that video. Travel is how many pixels the farthest head "
    "of a scene moves, on average; a token is 16.",
    "best": "Sharpness and audio scale were chosen for predicted and for fixed masks apart, on other scenes, and "
    "only where the gain there is clear of zero. The bounds below are of these rows.",
    "sharpness": "Raw masks are under-confident while the video forms. Gain multiplies and clamps them, a temperature "
    "divides their logits, a threshold cuts.",
    "audio_scale": "How strongly the voices act: a guidance scale of their own, beside that of the picture.",
    "warmup": "How long no mask steers, as a fraction of a schedule of 50 steps, and which audio is injected "
    "meanwhile: none, the mute track everywhere, or every voice everywhere.",
    "cache": "Which masks steer a step: those of the step before, those of a first pass of the same step at twice "
    "the cost, or no cached masks: then blocks are steered by the heads of earlier blocks, the first by none.",
    "references": "The first two speak, the others are silent; one reference is one speaker. More than four were never "
    "seen in training. The cost is the processor time of a whole run, "
    "relative to two references.",
    "speech": "The first half of the clip is one puppet's and the second the other's, or both speak all the time. A "
    "perfect mouth's margin is the most that can be reached.",
    "trained": "An ID embedding ties each voice to its reference in place of a mask: one vector a slot, added to the "
    "voice's tokens and to the reference's latent, and every token hears all voices at once. It was trained from the "
    "shipped weights; beside it the shipped model, trained on for as many steps.",
}
NO_ID = (
    "There is no row for the paper's ID embedding here: it has to be trained, and was not. `python dev.py train "
    "identity` trains it, `--trained` adds the row."
)


@dataclass(frozen=True)
class Table:
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        lines = [self.header, ("---",) * len(self.header), *self.rows]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def with_interval(value: Spread | None, digits: int = 2) -> str:
    """0.71 (0.66 to 0.76)"""
    if value is None:
        return ""
    middle, low, high = (rounded(number, digits) for number in value)
    return f"{middle} ({low} to {high})"


def short(value: Spread | None) -> str:
    return "" if value is None else rounded(value[0])


def rounded(number: float, digits: int = 2) -> str:
    """Never -0.00."""
    return f"{round(number, digits) + 0.0:.{digits}f}"


Cell = Callable[[Line], str]
COLUMNS: dict[str, Cell] = {
    "margin": lambda line: with_interval(line.metrics.get("margin")),
    "gain": lambda line: with_interval(line.over),
    "sync": lambda line: short(line.metrics.get("sync")),
    "crosstalk": lambda line: short(line.metrics.get("crosstalk")),
    "mask IoU": lambda line: short(line.metrics.get("mask_iou")),
    "identity": lambda line: short(line.metrics.get("identity")),
}
FRECHET: dict[str, Cell] = {"Frechet distance": lambda line: with_interval(line.frechet, 3)}
COST: dict[str, Cell] = {"cost": lambda line: "1" if line.cost is None else f"{line.cost:.2f}"}
PAPER: dict[str, Cell] = {
    "paper: Sync-D": lambda line: PAPER_INJECTION.get(line.label, ("", ""))[0],
    "paper: FVD": lambda line: PAPER_INJECTION.get(line.label, ("", ""))[1],
}
MORE: dict[str, dict[str, Cell]] = {
    "injection": {"travel": lambda line: short(line.metrics.get("travel")), **FRECHET, **PAPER},
    "best": FRECHET,
    "trained": {**FRECHET, **PAPER},
    "cache": {**COST, "paper: Sync-D": lambda line: PAPER_CACHE.get(line.label, "")},
    "references": {
        "all on screen": lambda line: short(line.metrics.get("on_screen")),
        "silent mouths open": lambda line: short(line.metrics.get("silent_open")),
        **COST,
    },
    "speech": {"perfect margin": lambda line: short(line.metrics.get("perfect_margin"))},
}


def table(group: str, lines: Sequence[Line]) -> Table:
    columns = {**COLUMNS, **MORE.get(group, {})}
    rows = tuple((line.label, *(cell(line) for cell in columns.values()), str(line.scenes)) for line in lines)
    return Table(("", *columns, "scenes"), rows)


def steps_table(found: Findings) -> Table:
    """Mask IoU by step, ours of low and high motion and the paper's."""
    rows = []
    for motion in ("low", "high"):
        part = found.steps[motion]
        name = f"{motion} motion, {part['travel'][0]:.0f} to {part['travel'][1]:.0f} px"
        for block, values in {**part["blocks"], "averaged": part["averaged"]}.items():
            what = block if block == "averaged" else f"block {block}"
            rows.append((f"ours, {name}, {what}", *(short(values[str(step)]) for step in PAPER_STEPS)))
    rows += [
        (f"paper, high motion, {name}", *(f"{value:.2f}" for value in values))
        for name, values in PAPER_IOU.items()
    ]
    return Table(("mask IoU at step of 50", *map(str, PAPER_STEPS)), tuple(rows))


def steps_text(found: Findings) -> str:
    low, high = found.steps["low"], found.steps["high"]
    return (
        f"Of {found.steps['all']['scenes']} scenes run as shipped, moving or not, the third that moves least "
        f"(heads move {low['travel'][0]:.0f} to {low['travel'][1]:.0f} pixels; {low['scenes']} scenes) and the third "
        f"that moves most ({high['travel'][0]:.0f} to {high['travel'][1]:.0f}). A token is 16 pixels wide. Steps are "
        "fractions of the schedule: our runs take fewer than 50. The model has a few blocks where the paper's has 40."
    )


OCCLUSION_TEXT = (
    "The same runs, split by whether the puppets' bodies overlap at some time in the predicted one "
    f"(heads nearer than {OVERLAP:g} times the sum of their radii)."
)


def explained(group: str, found: Findings) -> str:
    return f"{EXPLAINED[group]} {found.trained}".strip() if group == "trained" else EXPLAINED[group]


def sections(found: Findings) -> list[tuple[str, str, str, Table]]:
    """(group, title, explanation, table) of everything, in the order of the page."""
    made = []
    for group, lines in found.groups.items():
        made.append((group, TITLES[group], explained(group, found), table(group, lines)))
    if found.steps:
        made.append(("steps", "Masks by step and block", steps_text(found), steps_table(found)))
    for name, lines in (found.occlusion or {}).items():
        made.append(("occlusion", f"Occlusion: {name}", OCCLUSION_TEXT, table("", lines)))
    return made


def bounds_table(found: Findings) -> str:
    return result.table(found.figures)


INTERVALS = (
    "In brackets: 95 % bootstrap intervals over scenes. Gain: of the margin over the row that shares its scenes and "
    "has no gain of its own, paired by scene. Mask IoU: of the masks that steered the last step with the segmentation "
    "of the video that came of them. Identity: share of the speakers who look like their reference."
)
FRECHET_TEXT = (
    "Frechet distance: between tokens of the generated videos and tokens of rendered scenes with the same "
    "looks and voices, 32 numbers a token: its mean in the 16 channels of the shipped video autoencoder's latent, "
    "and how that changes to the next latent frame. Less is better; the scale has nothing to do with the paper's FVD."
)


def markdown(found: Findings, command: str) -> str:
    """The whole of it as one document."""
    parts = [
        "# The argument, rerun in the theatre",
        f"Written by `{command}`.",
        f"{INTERVALS} {FRECHET_TEXT}",
    ]
    if found.figures:
        parts += ["## What it comes to", bounds_table(found)]
    for _, title, explanation, rows in sections(found):
        parts += [f"## {title}", explanation, rows.markdown()]
    if "trained" not in found.groups:
        parts.append(NO_ID)
    return "\n\n".join(parts) + "\n"
