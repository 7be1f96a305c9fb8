"""`dev.py bench report`: docs/results.md and README.md's figure and sentence, from benchmarks/results/*.json.

Runs no model: it says again what the other benches measured, so that no figure in a page is typed by hand. The page
of the ablation is written from ablation.json in the same way.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .ablation import page
from .scenes import result

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- bench report: begin -->", "<!-- bench report: end -->"

QUESTIONS = {
    "theatre": "Two puppets: does each voice move its own mouth, and does everybody look like their picture?",
    "theatre_untold": "The same where no motion prompt tells anybody to move",
    "theatre_4": "The same with four puppets, all of whom speak",
    "theatre_start_image": "The same where videos begin with a given picture and people are followed by likeness",
    "theatre_affinity": "Masks without a trained head: by likeness to one block, and by one attention head (a recipe)",
    "theatre_heads": "The same with mask heads that were trained alone, on a frozen base",
    "few_steps": "What do eight or four steps lose?",
    "length": "Do twenty seconds keep voice and person to the end, and are the joints visible?",
    "dubbing": "One of two in a finished film says something else: does the mouth follow, and does all else stay?",
    "live": "What does the live view of the masks cost a run?",
    "speed": "What does the method cost beside the bare model, and beside ComfyUI's InfiniteTalk?",
    "score": "Is InterAct Score right on films that the model drew, and what does it take?",
    "annotation": "Is `dev.py annotate` right on raw films of which all is known, and what is learned from it?",
}
"""The result files that are shown, in order, each with what it answers."""


@dataclass(frozen=True)
class Cost:
    """A row of the table of costs: a figure of one comparison of speed.json, in percent.

    over: the figure is a ratio to what it is compared with, and what exceeds 1 is the cost.
    """

    what: str
    comparison: str
    figure: str
    over: bool = True


FORWARD_SMALL = "forward, Wan 1.3B, 9360 tokens, cpu, 2 characters"
FORWARD_LARGE = "forward, Wan 14B, 9360 tokens, cpu, 2 characters"
FORWARD_LONG = "forward, Wan 14B, 32760 tokens, cuda, 2 characters"
CORE, CORE_LONG = "core, Wan 14B, 9360 tokens, cpu", "core, Wan 14B, 32760 tokens, cpu"
REFERENCE = "reference, Wan 14B, 32760 tokens, cpu"
"""Comparisons of speed.json."""

BESIDE = "two voices and the mask heads, beside a step with the same two reference pictures"
HEADS = "of that, the mask heads"
INFINITETALK = "InfiniteTalk's two voices here, beside its bare base"
IN_CORE = "the same in ComfyUI's own nodes"
COSTS = (
    Cost(f"{BESIDE}: 1.3B, 21 frames, CPU", FORWARD_SMALL, "two_speakers_over_bare"),
    Cost(f"{BESIDE}: 14B, 21 frames, CPU", FORWARD_LARGE, "two_speakers_over_bare"),
    Cost(f"{BESIDE}: 14B, 81 frames, H100", FORWARD_LONG, "two_speakers_over_bare"),
    Cost(f"{HEADS}: 1.3B, 21 frames, CPU", FORWARD_SMALL, "mask_heads", over=False),
    Cost(f"{HEADS}: 14B, 21 frames, CPU", FORWARD_LARGE, "mask_heads", over=False),
    Cost(f"{HEADS}: 14B, 81 frames, H100", FORWARD_LONG, "mask_heads", over=False),
    Cost(f"{INFINITETALK}: 14B, 21 frames, CPU", CORE, "ours_two_speakers_over_bare"),
    Cost(IN_CORE, CORE, "core_two_speakers_over_bare"),
    Cost(f"{INFINITETALK}: 14B, 81 frames, CPU", CORE_LONG, "ours_two_speakers_over_bare"),
    Cost(IN_CORE, CORE_LONG, "core_two_speakers_over_bare"),
    Cost(
        "one more reference picture, in FLOPs: 14B, 81 frames",
        REFERENCE,
        "one_more_reference_whole_flops",
        over=False,
    ),
    Cost(
        "the same with reference_tokens person and reference_interval 4",
        REFERENCE,
        "one_more_reference_flops",
        over=False,
    ),
)


def main() -> None:
    argparse.ArgumentParser(prog="dev.py bench report", description=__doc__.split("\n\n")[0]).parse_args()
    for path in write(ROOT, result.FOLDER):
        print(path)


def write(root: Path, results: Path) -> list[Path]:
    """Every page that shows figures; returns where they are."""
    found, record = page.read(results / "ablation.json")
    pages = page.write_texts(results, found, record)
    page.write_readme(root, found, record["command"])
    path = root / page.RESULTS
    said = page.with_section(path.read_text(encoding="utf-8"), section(results), None, (BEGIN, END))
    path.write_text(said, encoding="utf-8")
    return [*pages, path, root / "README.md"]


def section(results: Path) -> str:
    """Costs, and every figure of the result files, as Markdown."""
    records = {name: json.loads((results / f"{name}.json").read_text(encoding="utf-8")) for name in QUESTIONS}
    parts = ["## What it costs", costs(records["speed"]), MORE_ON_SPEED]
    for name, question in QUESTIONS.items():
        parts.append(f"## {name}\n\n{question}.".replace("?.", "?"))
        for title, record in comparisons(records[name]):
            parts += [f"### {title}"] if title else []
            parts += [figures(record["figures"]), measured(record)]
    trust = results / "trust.json"
    if trust.exists():
        parts += [TRUST, campaigns(json.loads(trust.read_text(encoding="utf-8")))]
    return "\n\n".join(parts)


TRUST = (
    "## trust\n\nWhat breaks it? Campaigns of trials drawn from a seed, each of which has to hold. Where fewer were "
    "run than a full campaign has, the table says so; `python dev.py bench trust NAME` goes on with the rest."
)


def campaigns(records: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of trust.json: trials, faults, and how the others ended."""
    lines = [
        "| campaign | must hold | trials | faults | how they ended | last run |",
        "|---|---|---|---|---|---|",
    ]
    for name, record in records.items():
        outcomes = dict(record["outcomes"])
        trials, faults = sum(outcomes.values()), outcomes.pop("FAULT", 0)
        ended = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        count = trials if trials >= record["full"] else f"{trials} of {record['full']}"
        when = record["when"][:10]
        lines.append(f"| {name} | {record['must_hold']} | {count} | {faults} | {ended} | {when} |")
    return "\n".join(lines)


MORE_ON_SPEED = (
    "In brackets: 95 % intervals; with two or three passes just the span between them. On a CPU one block is measured "
    "and multiplied by their number. How it is measured: [benchmarks/README.md](../benchmarks/README.md)."
)


def costs(speed: dict[str, Any]) -> str:
    """The rows of COSTS that were measured."""
    lines = ["| what | percent of a step |", "|---|---|"]
    for row in COSTS:
        figure = speed.get(row.comparison, {}).get("figures", {}).get(row.figure)
        if figure is not None:
            value, low, high = (
                (number - 1) * 100 if row.over else number
                for number in (figure["value"], *figure["interval"])
            )
            lines.append(f"| {row.what} | {value:.1f} ({low:.1f} to {high:.1f}) |")
    return "\n".join(lines)


def comparisons(record: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(title, record) of a result file; speed.json holds several."""
    yield from [("", record)] if "machine" in record else record.items()


def figures(rows: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of figures as result.py writes them; what a figure counts is its own key."""
    known = {"value", "interval", "bound", "holds", "note"}
    counted = next(key for key in next(iter(rows.values())) if key not in known)
    lines = [
        f"| figure | value | 95 % interval | wanted | holds | {counted} | note |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        low, high = row["interval"]
        holds = {True: "yes", False: "NO", None: ""}[row["holds"]]
        cells = (name, f"{row['value']:.3f}", f"{low:.3f} to {high:.3f}", row["bound"] or "", holds)
        lines.append(f"| {' | '.join(cells)} | {row[counted]} | {row.get('note', '')} |")
    return "\n".join(lines)


def measured(record: dict[str, Any]) -> str:
    """How and on what: command, machine, when."""
    machine = record["machine"]
    what = machine["accelerator"] if machine.get("accelerator", "none") != "none" else machine["processor"]
    when = f", {record['when'][:10]}" if "when" in record else ""
    return f"`{record['command']}`, {what}, {machine['cores']} cores{when}"


if __name__ == "__main__":
    main()
