"""What one trial of a hostile file may take: time, memory, and one sentence."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..scenes.result import Figure
from .campaign import Tally, most

SECONDS, MEGABYTES = 2.0, 200.0  # until a file is refused or accepted; memory above the file's own size
HANGS = 30  # seconds on the clock after which a trial is stopped
MOST_MEMORY = 6 * 2**30  # bytes of address space that a trial may add before its allocations fail
SECONDS_NAME, MEGABYTES_NAME = "longest_cpu_s", "most_MB_above_the_file"
LONGEST = 900  # characters of a sentence, beside the file's own path


class Hangs(BaseException):
    """The trial was still going after HANGS seconds. Nothing that is tried catches it."""


class Watch:
    """Filled in when the trial has ended.

    seconds: of the process's CPU time, so that what else a machine does is not counted; megabytes: the highest
    resident memory above that at the beginning.
    """

    seconds = 0.0
    megabytes = 0.0


def end(
    tally: Tally, outcomes: Collection[str], number: int, tried: str, ended: str, watch: Watch, size: int
) -> None:
    """A trial with a file of `size` bytes has ended so; it is a fault if not one of `outcomes`, or out of bounds."""
    above = watch.megabytes - size / 2**20
    values = {SECONDS_NAME: watch.seconds, MEGABYTES_NAME: above}
    if watch.seconds > SECONDS or above > MEGABYTES:
        tally.fault(number, tried, f"took {watch.seconds:.1f} s and {above:.0f} MB: {ended}", **values)
    elif ended in outcomes:
        tally.count(number, ended, **values)
    else:
        tally.fault(number, tried, ended, **values)


def figures(tally: Tally) -> list[Figure]:
    """The largest time and memory."""
    return [
        most(SECONDS_NAME, tally.values(SECONDS_NAME), SECONDS),
        most(MEGABYTES_NAME, tally.values(MEGABYTES_NAME), MEGABYTES),
    ]


@contextmanager
def watching() -> Iterator[Watch]:
    """Time and memory of what is run inside. Raises Hangs there if it takes too long. Linux, main thread."""
    watch = Watch()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_kilobytes("VmSize") * 1024 + MOST_MEMORY, hard))
    earlier = signal.signal(signal.SIGALRM, _hang)
    signal.alarm(HANGS)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    before, began = _kilobytes("VmRSS"), time.process_time()
    try:
        yield watch
    finally:
        watch.seconds = time.process_time() - began
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        watch.megabytes = max(0, _kilobytes("VmHWM") - before) / 1024


def _hang(*_: object) -> None:
    raise Hangs


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def fault_of_sentence(said: str, path: Path) -> str | None:
    """What is wrong with an error's text as one sentence that names the file, None if nothing is."""
    named, said = str(path) in said, said.replace(str(path), "FILE")
    if "\n" in said or not said.isprintable():
        return f"is not one line of text: {said[:200]!r}"
    if not named:
        return f"does not name the file: {said[:200]}"
    if len(said) > LONGEST:
        return f"has {len(said)} characters: {said[:200]}"
    return None if said.endswith(".") else f"ends in the middle: {said[-200:]}"
