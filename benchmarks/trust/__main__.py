"""`dev.py bench trust`: campaigns that try to break the pack. Each counts its trials and says which did not hold.

Trials are drawn from a seed: `--only 17` runs the one with that number again. Each is kept in .cache/trust when it
ends, so that a campaign that was killed, or stopped by --minutes, goes on: trials that ended well are not run again,
those that were a fault are. results/trust.json gets what all kept trials of the seed add up to, beside the figures of
the other campaigns.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import math
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from ...interact_core.host.standalone import prepare_comfy

prepare_comfy()

from ...interact_core.theatre.measuring import report  # noqa: E402  (comfy has to be configured first)
from ..scenes import result  # noqa: E402
from .campaign import KEPT_FAULTS, Campaign, Order, Tally, faulty_share  # noqa: E402

CAMPAIGNS: dict[str, str] = {
    "cancels": "a run after a cancel at a random moment equals an undisturbed one bit for bit; memory, temp files and "
    "open files do not grow",
    "graphs": "a random graph is refused by ComfyUI, ends in a sentence or well; the good graph runs as before",
    "inputs": "hostile recordings, pictures, masks and names end in a sentence or in the right result, and no file is "
    "named by what was typed",
    "browsers": "several browsers, a killed server, full and read-only disks, a tab that slept, a viewer fed by "
    "another version: each page shows its own run alone, without an error, and the next run is as before",
    "flags": "with a launch option that changes memory, caching, attention or precision the result is the same "
    "within its tolerance",
    "upgrades": "graphs and adapter of version 0.1.0 run the same, bit for bit; the lowest packages install together, "
    "sample as core does and run a graph",
    "adapters": "a broken adapter file is refused in one sentence before sampling, within 2 s and 200 MB, or gives "
    "finite output or the finite check's sentence",
    "encoders": "the same of a broken wav2vec2, file or folder, and its features",
    "training": "a training run that was killed, had no room or lost a process ends as one that was not; a rotten "
    "shard is told and left out",
}
"""Name on the command line -> what must hold in every trial. The module has the same name."""

SEED = 2506
ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".cache" / "trust"


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py bench trust", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "campaigns", nargs="*", metavar="NAME", help=f"of {', '.join(CAMPAIGNS)}; none: all, in turn"
    )
    parser.add_argument(
        "--trials", type=int, help="the first so many (default: the campaign's own full number)"
    )
    parser.add_argument("--only", type=int, nargs="+", metavar="N", help="the trials with these numbers")
    parser.add_argument("--seed", type=int, default=SEED, help="(default: %(default)s)")
    parser.add_argument("--anew", action="store_true", help="forget the trials that are kept")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no trial of a campaign later")
    parser.add_argument("--out", type=Path, help="JSON (default: benchmarks/results/trust.json)")
    parser.add_argument(
        "--kept", type=Path, default=KEPT, help="folder of kept trials (default: .cache/trust)"
    )
    chosen = parser.parse_args(argv)
    unknown = set(chosen.campaigns) - set(CAMPAIGNS)
    if unknown:
        parser.error(f"there is no campaign {', '.join(sorted(unknown))}")
    chosen.campaigns = chosen.campaigns or list(CAMPAIGNS)
    return chosen


def campaign(name: str) -> Campaign:
    return cast(Campaign, importlib.import_module(f".{name}", __package__))


def run(name: str, chosen: argparse.Namespace) -> Tally:
    """One campaign's trials, in a folder that goes away afterwards; returns them with those that are kept."""
    module = campaign(name)
    tally = Tally.of(journal(name, chosen), commit())
    numbers = chosen.only or range(module.TRIALS if chosen.trials is None else chosen.trials)
    with tempfile.TemporaryDirectory(prefix=f"trust_{name}_") as folder:
        until = time.monotonic() + 60 * chosen.minutes
        order = Order(chosen.seed, numbers, Path(folder), tally, anew=bool(chosen.only), until=until)
        if order.open():
            module.run(order)
    return tally


def journal(name: str, chosen: argparse.Namespace) -> Path:
    """Where the trials of a campaign are kept, emptied if they are to be forgotten."""
    path = chosen.kept / f"{name}-{chosen.seed}.jsonl"
    if chosen.anew:
        path.unlink(missing_ok=True)
    return path


def commit() -> str:
    """The code that trials are run with, "" outside of a checkout."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def all_figures(name: str, tally: Tally) -> list[result.Figure]:
    return [faulty_share(tally), *campaign(name).figures(tally)]


def table(name: str, tally: Tally) -> str:
    """What a person reads: figures, how trials ended, and every fault."""
    ended = ", ".join(f"{count} {outcome}" for outcome, count in tally.outcomes.most_common())
    faults = [f"- trial {fault.number}: {fault.tried}: {fault.found}" for fault in tally.faults]
    title = f"{name}: {CAMPAIGNS[name]}"
    return "\n".join([title, "", result.table(all_figures(name, tally), "trials"), "", ended, *faults])


def write(path: Path, name: str, tally: Tally, seed: int) -> None:
    """Put a campaign into the JSON."""
    from comfyui_version import __version__ as comfyui

    times = [trial.at for trial in tally.trials]
    began, ended = (
        datetime.datetime.fromtimestamp(at, datetime.timezone.utc).isoformat(timespec="minutes")
        for at in (min(times), max(times))
    )
    result.merge(
        path,
        name,
        all_figures(name, tally),
        report.machine(),
        report.versions(comfyui),
        f"python dev.py bench trust {name}",
        counted="trials",
        began=began,
        when=ended,
        commits=dict(Counter(trial.code for trial in tally.trials)),
        seed=seed,
        must_hold=CAMPAIGNS[name],
        full=campaign(name).TRIALS,
        outcomes=dict(tally.outcomes.most_common()),
        faults=[
            {"trial": fault.number, "tried": fault.tried, "found": fault.found}
            for fault in tally.faults[:KEPT_FAULTS]
        ],
    )


def main(argv: Sequence[str] | None = None) -> int:
    chosen, faults = arguments(argv), 0
    for name in chosen.campaigns:
        tally = run(name, chosen)
        faults += len(tally.faults)
        print(f"\n{table(name, tally)}", flush=True)
        if tally.kept:
            write(chosen.out or result.FOLDER / "trust.json", name, tally, chosen.seed)
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
