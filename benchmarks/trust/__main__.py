"""`dev.py bench trust`: campaigns that try to break the pack. Each counts its trials and says which did not hold.

Trials are drawn from a seed: `--only 17` runs the one with that number again. A full run of a campaign replaces its
earlier one in results/trust.json; a smaller one is written only where --out says so.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

from ...interact_core.host.standalone import prepare_comfy

prepare_comfy()

from ...interact_core.theatre.measuring import report  # noqa: E402  (comfy has to be configured first)
from ..scenes import result  # noqa: E402
from .campaign import KEPT_FAULTS, Campaign, Order, Tally  # noqa: E402

CAMPAIGNS: dict[str, str] = {
    "cancels": "a run after a cancel at a random moment equals an undisturbed one bit for bit; memory, temp files and "
    "open files do not grow",
    "graphs": "a random graph is refused by ComfyUI, ends in a sentence or well; the good graph runs as before",
    "inputs": "hostile recordings, pictures, masks and names end in a sentence or in a finite result, and no file is "
    "named by what was typed",
    "flags": "with a launch option that changes memory, caching, attention or precision the result is the same "
    "within its tolerance",
    "upgrades": "the lowest packages and other ComfyUIs install, sample as core does and run a graph",
    "adapters": "a broken adapter file is refused in one sentence before sampling, within 2 s and 200 MB, or gives "
    "finite output or the finite check's sentence",
    "encoders": "the same of a broken wav2vec2, file or folder, and its features",
    "training": "a training run that was killed, had no room or lost a process ends as one that was not; a rotten "
    "shard is told and left out",
}
"""Name on the command line -> what must hold in every trial. The module has the same name."""

SEED = 2506


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py bench trust", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "campaigns", nargs="*", metavar="NAME", help=f"of {', '.join(CAMPAIGNS)}; none: all, in turn"
    )
    parser.add_argument("--trials", type=int, help="(default: the campaign's own full number)")
    parser.add_argument("--only", type=int, nargs="+", metavar="N", help="the trials with these numbers")
    parser.add_argument("--seed", type=int, default=SEED, help="(default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, help="JSON (default for full runs: benchmarks/results/trust.json)"
    )
    chosen = parser.parse_args(argv)
    unknown = set(chosen.campaigns) - set(CAMPAIGNS)
    if unknown:
        parser.error(f"there is no campaign {', '.join(sorted(unknown))}")
    chosen.campaigns = chosen.campaigns or list(CAMPAIGNS)
    return chosen


def campaign(name: str) -> Campaign:
    return cast(Campaign, importlib.import_module(f".{name}", __package__))


def run(name: str, seed: int, numbers: Sequence[int]) -> Tally:
    """One campaign's trials, in a folder that goes away afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"trust_{name}_") as folder:
        return campaign(name).run(Order(seed, numbers, Path(folder)))


def table(name: str, tally: Tally) -> str:
    """What a person reads: figures, how trials ended, and every fault."""
    ended = ", ".join(f"{count} {outcome}" for outcome, count in tally.outcomes.most_common())
    faults = [f"- trial {fault.trial}: {fault.tried}: {fault.found}" for fault in tally.faults]
    title = f"{name}: {CAMPAIGNS[name]}"
    return "\n".join([title, "", result.table(tally.all_figures(), "trials"), "", ended, *faults])


def main(argv: Sequence[str] | None = None) -> int:
    from comfyui_version import __version__ as comfyui

    chosen, faults = arguments(argv), 0
    for name in chosen.campaigns:
        full, began = campaign(name).TRIALS, time.monotonic()
        numbers = chosen.only or range(full if chosen.trials is None else chosen.trials)
        tally = run(name, chosen.seed, numbers)
        faults += len(tally.faults)
        print(f"\n{table(name, tally)}", flush=True)
        path = chosen.out or (result.FOLDER / "trust.json" if len(numbers) >= full else None)
        if path is None:
            continue
        result.merge(
            path,
            name,
            tally.all_figures(),
            report.machine(),
            report.versions(comfyui),
            result.command("trust"),
            counted="trials",
            when=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
            seconds=round(time.monotonic() - began),
            seed=chosen.seed,
            must_hold=CAMPAIGNS[name],
            full=full,
            outcomes=dict(tally.outcomes.most_common()),
            faults=[asdict(fault) for fault in tally.faults[:KEPT_FAULTS]],
        )
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
