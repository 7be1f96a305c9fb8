"""The ablation as JSON, Markdown, one HTML page that needs nothing else, a section of docs/results.md and the
one sentence and one figure of it in README.md."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from ..scenes import result
from ..scenes.result import Figure
from ..scenes.runs import PAPER_STEPS
from . import plots, texts
from .plots import Curve, Dot
from .tables import Findings, Line, Spread

README_BEGIN, README_END = "<!-- bench ablation: begin -->", "<!-- bench ablation: end -->"
README_BEFORE = "## Limits"  # where the section goes that is not there yet
README_FIGURE = "docs/ablation.svg"
RESULTS = "docs/results.md"

STYLE = """
:root { color-scheme: light dark; --paper: #fbfbf9; --card: #ffffff; --ink: #24303a; --faint: #6b7882;
  --grid: #e3e7e9; --predicted: #1f7a72; --fixed: #c0822b; --global: #b25268; --true: #5a6b8c; --other: #8a969e; }
@media (prefers-color-scheme: dark) { :root { --paper: #14191d; --card: #1b2227; --ink: #dfe5e8; --faint: #93a0a8;
  --grid: #2d373d; --predicted: #58b8ad; --fixed: #dda95a; --global: #d9839a; --true: #93a6cb; --other: #7f8c94; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.6 system-ui, -apple-system, "Segoe UI", sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 4rem 1.5rem 6rem }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 1rem; font-weight: 650 }
h2 { font-size: 1.25rem; margin: 4rem 0 .5rem; font-weight: 620 }
p { margin: .5rem 0 1rem; max-width: 46rem } .faint { color: var(--faint); font-size: .9rem }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1rem; margin: 2rem 0 }
.card { background: var(--card); border: 1px solid var(--grid); border-radius: 12px; padding: 1rem 1.1rem }
.card b { display: block; font-size: 1.8rem; font-weight: 620; line-height: 1.2 }
.card span { display: block; color: var(--faint); font-size: .85rem }
.holds { color: var(--predicted) } .fails { color: var(--global) }
figure { background: var(--card); border: 1px solid var(--grid); border-radius: 12px; margin: 1.5rem 0;
  padding: 1.2rem 1rem .6rem } svg { display: block; width: 100%; height: auto }
figcaption { color: var(--faint); font-size: .85rem; padding: .4rem .5rem .5rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-size: .84rem; width: 100%;
  font-variant-numeric: tabular-nums } th { text-align: right; font-weight: 560; color: var(--faint) }
td { text-align: right; border-top: 1px solid var(--grid) } th, td { padding: .35rem .45rem; vertical-align: top }
td { white-space: nowrap } td small { display: block; color: var(--faint); font-size: .78rem }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 9rem; padding-left: 0 }
code { font-size: .85em; overflow-wrap: anywhere }
"""


def write(folder: Path, found: Findings, about: dict[str, Any]) -> list[Path]:
    """ablation.json, ablation.md and ablation.html; returns where they are. about: command, machine and so
    on.
    """
    path = folder / "ablation.json"
    more = {
        "groups": {group: [line.record() for line in lines] for group, lines in found.groups.items()},
        "steps": found.steps,
        "trained": found.trained,
        "occlusion": {
            name: [line.record() for line in lines] for name, lines in (found.occlusion or {}).items()
        },
    }
    rest = {name: value for name, value in about.items() if name not in ("machine", "versions", "command")}
    result.write(path, found.figures, about["machine"], about["versions"], about["command"], **more, **rest)
    return [path, *write_texts(folder, found, about)]


def write_texts(folder: Path, found: Findings, about: dict[str, Any]) -> list[Path]:
    """ablation.md and ablation.html; returns where they are."""
    paths = [folder / f"ablation.{ending}" for ending in ("md", "html")]
    paths[0].write_text(texts.markdown(found, about["command"]), encoding="utf-8")
    paths[1].write_text(html(found, about), encoding="utf-8")
    return paths


def read(path: Path) -> tuple[Findings, dict[str, Any]]:
    """What `write` put into ablation.json, to say it again without a run: the findings, and the whole record."""
    record = json.loads(path.read_text(encoding="utf-8"))
    groups = {name: [_line(line) for line in lines] for name, lines in record["groups"].items()}
    occlusion = {name: [_line(line) for line in lines] for name, lines in record["occlusion"].items()}
    figures = [
        Figure(name, f["value"], tuple(f["interval"]), f["scenes"], f["bound"], f["holds"], f.get("note", ""))
        for name, f in record["figures"].items()
    ]
    return Findings(figures, groups, record["steps"], occlusion or None, record.get("trained", "")), record


def _line(record: dict[str, Any]) -> Line:
    spreads: dict[str, Spread] = {name: tuple(value) for name, value in record["metrics"].items()}
    more = {name: tuple(record[name]) for name in ("over", "frechet") if name in record}
    return Line(**{**record, "metrics": spreads, **more})


def html(found: Findings, about: dict[str, Any]) -> str:
    parts = [
        "<h1>Does each voice find its own mouth?</h1>",
        f"<p>{escape(summary(found))}</p>",
        _cards(found.figures),
    ]
    for group, title, text, rows in texts.sections(found):
        parts.append(f"<h2>{escape(title)}</h2><p>{escape(text)}</p>")
        lines = found.groups.get(group) or (found.occlusion or {}).get(title.rpartition(" ")[2], [])
        parts += [
            f"<figure>{svg}<figcaption>{escape(text)}</figcaption></figure>"
            for svg, text in _figures(group, lines, found)
        ]
        parts.append(_html_table(rows))
    parts += [] if "trained" in found.groups else [f'<p class="faint">{escape(texts.NO_ID)}</p>']
    machine = about["machine"]
    parts.append(
        f'<h2>How it was measured</h2><p class="faint">{escape(texts.INTERVALS)} '
        f'{escape(texts.FRECHET_TEXT)}</p><p class="faint">Written by <code>'
        f"{escape(about['command'])}</code> on {escape(str(machine['system']))}, {machine['cores']} cores.</p>"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width, initial-scale=1"><title>InterActHuman: the argument, rerun</title>'
        f"<style>{STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def summary(found: Findings) -> str:
    """The argument in two sentences, from the figures."""
    by_name = {figure.name: figure for figure in found.figures}
    if not by_name:
        return "Only some of the groups were run; each section has its own results."
    margins = {name: by_name[f"margin_{name}"].value for name in ("predicted", "fixed", "global", "true")}
    return (
        f"On {by_name['margin_predicted'].count} moving scenes that training never saw, masks that the network "
        f"predicts while the video forms reach a margin of {margins['predicted']:.2f}; a mask fixed on the first frame "
        f"reaches {margins['fixed']:.2f}, every voice everywhere {margins['global']:.2f}, and the true mask of "
        f"every frame {margins['true']:.2f}. The margin is how well mouths follow their own voice, minus how well "
        "they follow the other's."
    )


CARDS = {
    "predicted_over_fixed": "predicted over fixed",
    "predicted_over_global": "predicted over everywhere",
    "of_ceiling": "of the true mask's",
}


def _cards(figures: Sequence[Figure]) -> str:
    cards = []
    for figure in (figure for figure in figures if figure.name in CARDS):
        kind, holds = ("holds", "holds") if figure.holds else ("fails", "does not hold")
        low, high = figure.interval
        cards.append(
            f'<div class="card"><span>{CARDS[figure.name]}</span><b>{figure.value:.2f}</b><span>{low:.2f} to '
            f'{high:.2f}</span><span class="{kind}">wanted {escape(figure.bound)}: {holds}</span></div>'
        )
    return f'<div class="cards">{"".join(cards)}</div>' if cards else ""


def _html_table(rows: texts.Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows.header)
    body = "".join(f"<tr>{''.join(map(_cell, cells))}</tr>" for cells in rows.rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(text: str) -> str:
    """An interval stands below its value."""
    value, bracket, interval = text.partition(" (")
    if not bracket or not value[-1:].isdigit():
        return f"<td>{escape(text)}</td>"
    return f"<td>{escape(value)}<small>{escape(interval[:-1])}</small></td>"


def _figures(group: str, lines: Sequence[Line], found: Findings) -> list[tuple[str, str]]:
    """(SVG, caption) of a group."""
    if group == "steps":
        return _step_figures(found)
    if group == "warmup":
        return [(_warmup(lines), "Margin by the length of stage one, and by its audio.")]
    if group == "references":
        return [
            (_references(lines), "Margin of the speakers by the number of references, with its interval.")
        ]
    return [(margins(group, lines), "Margin with its 95 % interval.")]


def margins(title: str, lines: Sequence[Line], alone: bool = False) -> str:
    """Dots of every line's margin; alone: as a file of its own."""
    rows = [Dot(line.label, line.metrics["margin"], colour_of(line.label)) for line in lines]
    return plots.dots(f"Margin by {title}", rows, "margin: sync minus crosstalk", alone)


def colour_of(label: str) -> str:
    """Each strategy keeps its colour over the whole page."""
    for word, colour in (
        ("true", "true"),
        ("everywhere", "global"),
        ("fixed", "fixed"),
        ("predicted", "predicted"),
    ):
        if word in label:
            return colour
    return "other"


def _warmup(lines: Sequence[Line]) -> str:
    at: dict[str, dict[int, float]] = {"mute": {}, "all": {}, "none": {}}
    for line in lines:
        steps, audio = re.fullmatch(r"(\d+) of 50(?:, (\w+))?", line.label).groups()
        for name in [audio] if audio else at:
            at[name][int(steps)] = line.metrics["margin"][0]
    colours = {"mute": "predicted", "all": "global", "none": "fixed"}
    names = {"mute": "silence", "all": "everybody", "none": "nothing"}
    rows = [Curve(names[name], list(p), list(p.values()), colours[name]) for name, p in at.items() if p]
    return plots.curves("Margin by warm-up", rows, "steps of 50 without masks", "margin", (0, 5, 10, 20))


def _references(lines: Sequence[Line]) -> str:
    x, y = [int(line.label) for line in lines], [line.metrics["margin"] for line in lines]
    curve = Curve("margin", x, [m[0] for m in y], "predicted", strong=True, bands=[m[1:] for m in y])
    return plots.curves("Margin by references", [curve], "references", "margin", x)


def _step_figures(found: Findings) -> list[tuple[str, str]]:
    ours = found.steps

    def curve(label: str, values: dict[str, Any], colour: str, strong: bool = False) -> Curve:
        return Curve(
            label, PAPER_STEPS, [values[str(step)][0] for step in PAPER_STEPS], colour, strong=strong
        )

    paper = {
        name: Curve(f"paper, {name}", PAPER_STEPS, y, "other", dashed=True)
        for name, y in texts.PAPER_IOU.items()
    }
    overall = [
        curve(f"{m} motion", ours[m]["averaged"], c, True)
        for m, c in (("low", "true"), ("high", "predicted"))
    ]
    colours = itertools.cycle(("true", "predicted", "fixed", "global"))
    heads = ours["high"]["blocks"].items()
    blocks = [curve(f"block {block}", values, next(colours), True) for block, values in heads]
    axes = ("step of 50", "mask IoU", PAPER_STEPS, 1.0)
    made = [
        (
            plots.curves("Mask IoU by step", [*overall, paper["averaged"]], *axes),
            "The averaged masks: ours at low and high motion, the paper's at high motion.",
        )
    ]
    if blocks:
        each = [*blocks, *(one for name, one in paper.items() if name != "averaged")]
        made.append((plots.curves("Mask IoU by block", each, *axes), "Each head by itself at high motion."))
    return made


def write_readme(root: Path, found: Findings, command: str) -> None:
    """The tables into docs/results.md, figure and sentence into README.md, each in place of what is there."""
    figure, results, readme = root / README_FIGURE, root / RESULTS, root / "README.md"
    figure.write_text(margins("audio injection", found.groups["injection"], alone=True), encoding="utf-8")
    text = results.read_text(encoding="utf-8") if results.is_file() else "# Results\n"
    results.write_text(with_section(text, section(found, command), before=None), encoding="utf-8")
    readme.write_text(
        with_section(readme.read_text(encoding="utf-8"), readme_section(found)), encoding="utf-8"
    )


RESULTS_MORE = (
    "Every comparison is in [benchmarks/results/ablation.md](../benchmarks/results/ablation.md), and with figures in "
    "`benchmarks/results/ablation.html`. The command below repeats it. `--recordings` is any folder with recordings of "
    "people who talk; without it only synthetic voices (espeak-ng) are used:"
)


def readme_section(found: Findings) -> str:
    """What README.md says of the ablation: one figure, what it comes to, and where the rest is."""
    return "\n\n".join(
        (
            "## Does it work?",
            summary(found),
            f"![Margin by audio injection, with intervals]({README_FIGURE})",
            f"All figures, with intervals, and what the method costs: [{RESULTS}]({RESULTS}).",
        )
    )


def section(found: Findings, command: str) -> str:
    """The ablation in docs/results.md: what it comes to, figure, tables, and the command that repeats it."""
    parts = [
        "## Ablation: where the masks come from",
        summary(found),
        f"![Margin by audio injection, with intervals]({Path(README_FIGURE).name})",
        texts.explained("injection", found),
        texts.table("injection", found.groups["injection"]).markdown(),
    ]
    as_shipped = {line.setting for line in found.groups["injection"]}
    if any(line.setting not in as_shipped for line in found.groups.get("best", ())):
        parts += [texts.explained("best", found), texts.table("best", found.groups["best"]).markdown()]
    if "trained" in found.groups:
        parts += [
            texts.explained("trained", found),
            texts.table("trained", found.groups["trained"]).markdown(),
        ]
    notes = f"{texts.INTERVALS} {texts.FRECHET_TEXT}"
    return "\n\n".join([*parts, notes, texts.bounds_table(found), RESULTS_MORE, f"    {command}"])


def with_section(
    page: str,
    text: str,
    before: str | None = README_BEFORE,
    marks: tuple[str, str] = (README_BEGIN, README_END),
) -> str:
    """The page with `text` between the marks; without marks it goes in front of the line `before`, or to the
    end.
    """
    block = f"{marks[0]}\n{text}\n{marks[1]}"
    begin, end = (page.find(mark) for mark in marks)
    if 0 <= begin < end:
        return page[:begin] + block + page[end + len(marks[1]) :]
    place = page.find(f"\n{before}\n") + 1 if before else 0
    if not place:
        return page.rstrip("\n") + f"\n\n{block}\n"
    return page[:place] + f"{block}\n\n" + page[place:]
