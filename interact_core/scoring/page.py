"""The page: the summary beside the paper's figures, then every film with its plot, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from .records import FIGURES, LOWER_IS_BETTER, Record, badness, failure, film_mean

TITLES = {
    "lips": "lips",
    "crosstalk": "crosstalk",
    "margin": "margin",
    "silent_open": "open while silent",
    "sync_c": "Sync-C",
    "sync_d": "Sync-D",
    "sync_margin": "Sync-C margin",
    "hkc": "HKC",
    "hkv": "HKV",
    "clip_i": "CLIP-I",
    "dino_i": "DINO-I",
    "steadiness": "steadiness",
    "mask_iou": "mask IoU",
    "seen": "face seen",
    "flicker": "flicker",
    "fvd": "FVD",
}

# InterActHuman (arXiv 2506.09984): multi-person table, single-person HKC and HKV, likeness to the reference.
PAPER = (
    ("global audio", {"sync_d": 9.482, "fvd": 33.90}),
    ("ID embedding", {"sync_d": 8.627, "fvd": 35.67}),
    ("MultiTalk", {"sync_d": 7.671, "fvd": 35.47}),
    ("fixed mask", {"sync_d": 7.068, "fvd": 40.24}),
    (
        "InterActHuman",
        {"sync_d": 6.670, "fvd": 22.88, "hkc": 0.885, "hkv": 59.64, "clip_i": 0.744, "dino_i": 0.533},
    ),
    ("CyberHost", {"hkc": 0.884, "hkv": 24.73}),
    ("OmniHuman", {"hkc": 0.898, "hkv": 47.56}),
)
WARNING = (
    "Rows of the paper are printed beside for their order only. Its implementations differ from ours: another face "
    "detector and crop move Sync-C and Sync-D by more than one point, HKC and HKV have no published formula, and its "
    "test set is another. Compare films that were scored by one version of this tool."
)
STYLE = """
body { background: #1c1c1e; color: #ebebeb; font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 960px; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #444; }
td:first-child, th:first-child { text-align: left; } .faint { color: #96969b; } .bad { color: #d55e00; }
img { max-width: 100%; } article { margin: 2.5rem 0; } h3 { margin-bottom: .2rem; overflow-wrap: anywhere; }
"""


def page(
    records: Mapping[str, Record], summary: Mapping[str, Any], title: str, notes: Sequence[str] = ()
) -> str:
    """The page as HTML. records: by their keys, by which plots/KEY.png are called."""
    ordered = sorted(records.items(), key=lambda item: -badness(item[1]))
    common = _common_notes(list(records.values()))
    films = "\n".join(_film(key, record, common) for key, record in ordered)
    failed = "".join(
        f"<li class=bad>{escape(failure(film, why))}</li>" for film, why in summary["failed"].items()
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(title)}</title><style>{STYLE}</style></head><body>
<h1>{escape(title)}</h1>
<p>{_count(summary["films"], "film")} scored, {len(summary["failed"])} failed.</p>
{"".join(f"<p>{escape(note)}</p>" for note in notes)}
{_summary(summary["figures"])}
<p class="faint">{escape(WARNING)}</p>
{"".join(f'<p class="faint">{escape(note)}</p>' for note in common)}
{f"<h2>Failed</h2><ul>{failed}</ul>" if failed else ""}
<h2>Films, the worst first</h2>
{films}
</body></html>
"""


def _common_notes(records: Sequence[Record]) -> list[str]:
    """What is said of every film, where there are several: it is said once."""
    if len(records) < 2:
        return []
    first, *others = records
    return [note for note in first["notes"] if all(note in other["notes"] for other in others)]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _summary(figures: Mapping[str, Mapping[str, float | None]]) -> str:
    """Figures as columns: our row with intervals, then the paper's rows that share one of them."""
    names = [name for name in (*FIGURES, "fvd") if name in figures]
    if not names:
        return "<p>No figure could be measured: see the notes of the films.</p>"
    heads = "".join(
        f"<th>{TITLES[name]} {'↓' if name in (*LOWER_IS_BETTER, 'fvd') else '↑'}</th>" for name in names
    )
    ours = "".join(f"<td>{_with_interval(figures[name])}</td>" for name in names)
    theirs = "".join(
        f"<tr class=faint><td>{label} (paper)</td>"
        + "".join(f"<td>{values[name]:g}</td>" if name in values else "<td></td>" for name in names)
        + "</tr>"
        for label, values in PAPER
        if any(name in values for name in names)
    )
    return f"<table><tr><th></th>{heads}</tr><tr><td>these films</td>{ours}</tr>{theirs}</table>"


def _with_interval(figure: Mapping[str, float | None]) -> str:
    """FVD, and any figure of a single film, has no interval."""
    interval = "" if figure["low"] is None else f"{figure['low']:.3g} to {figure['high']:.3g}, "
    return f"{figure['mean']:.3g}<br><span class=faint>{interval}n={figure['films']}</span>"


def _film(key: str, record: Record, common: Sequence[str]) -> str:
    figures = [(name, film_mean(record, name)) for name in FIGURES]
    said = "   ".join(f"{TITLES[name]} {value:.3g}" for name, value in figures if value is not None)
    wrong = "".join(
        f"<li class=bad>frames {w['span'][0]} to {w['span'][1] - 1}: the mouth of {escape(w['mouth'])} follows the "
        f"voice of {escape(w['voice'])} ({w['fit']:.2f}) better than its own ({w['own']:.2f})</li>"
        for person in record["people"]
        for w in person["wrong"]
    )
    missing = [sentence for person in record["people"] for sentence in person["missing"]]
    own = [note for note in record["notes"] if note not in common]
    notes = "".join(f"<li class=faint>{escape(note)}</li>" for note in dict.fromkeys([*missing, *own]))
    return (
        f"<article><h3>{escape(record['film'])}</h3><p>{escape(said) or 'nothing measured'}</p>"
        f'<img loading="lazy" src="plots/{key}.png" alt="mouths over voices"><ul>{wrong}{notes}</ul></article>'
    )
