"""Cancels at random moments of a run on a real server: the next run is as if there had been none, nothing grows."""

from __future__ import annotations

import time

from ...interact_core.comfy_server import ComfyServer
from ..scenes.result import Figure
from .campaign import Order, Tally, most
from .served import Graph, Held, digest, ended, people, serve

TRIALS = 200
SETTLED = 10  # trials after which memory may not grow by more than GROWTH
GROWTH = 50 * 2**20  # bytes
RELOADED = (
    0.2  # share of the trials in which the models are loaded again, so that loading is cancelled as well
)
BEYOND = 1.1  # cancels come until this share of a whole run's time, so that a few come just after its end
SOONEST = 0.02  # seconds: an interrupt that comes before its run begins is none to ComfyUI
ENDED = "had ended"
MIB = 2**20

# Two that take turns: ComfyUI keeps only the latest prompt's outputs, so that each is computed again.
VARIANTS = (
    {"seed": 1},
    {"seed": 2, "audio_cfg": 2.0, "reference_tokens": "person", "reference_interval": 2},
)


def run(order: Order) -> None:
    with serve(order.folder / "server", "--cache-classic") as server:
        run_on(server, order)


def run_on(server: ComfyServer, order: Order) -> None:
    """The trials, on a server that is there."""
    tally = order.tally
    graphs = [people(**settings) for settings in VARIANTS]
    undisturbed, seconds = [], []
    for _ in range(2):  # the second time everything is loaded
        undisturbed, seconds = map(list, zip(*(_timed(server, graph) for graph in graphs), strict=True))
    before = Held.by(server)
    for number in order.left():
        chance, which = order.draw(number), number % len(graphs)
        reload = chance.random() < RELOADED
        if reload:
            server.free()
        delay = chance.uniform(0.0, BEYOND * (seconds[which] + (reload and 0.5)))
        how, delay = _cancel(server, graphs[which], graphs[1 - which], delay)
        found, took = _timed(server, graphs[which])
        if not reload and delay < seconds[which] / 2:  # a whole run; a machine is not always as busy
            seconds[which] = took
        after = Held.by(server)
        values = {
            MEMORY: after.memory / MIB,
            TEMP: after.temp_files - before.temp_files,
            HANDLES: after.handles - before.handles,
        }
        if found == undisturbed[which] and not how.startswith("error"):
            tally.count(number, how, **values)
        else:
            tally.fault(
                number,
                f"cancelled after {delay:.2f} s ({how}), then run again",
                f"{found}, undisturbed {undisturbed[which]}",
                **values,
            )


MEMORY, TEMP, HANDLES = "memory_mib", "temp_files", "open_files"


def figures(tally: Tally) -> list[Figure]:
    """Growth within each server's life: a campaign that was killed went on with another."""
    sessions: dict[int, list[dict[str, float]]] = {}
    for trial in sorted(tally.trials, key=lambda trial: trial.at):
        sessions.setdefault(trial.session, []).append(trial.values)
    memory, files, handles = [0.0], [0.0], [0.0]
    for held in sessions.values():
        settled = held[min(SETTLED, len(held)) - 1]
        memory += [after[MEMORY] - settled[MEMORY] for after in held[SETTLED:]]
        files.append(held[-1][TEMP])
        handles.append(held[-1][HANDLES] - settled[HANDLES])
    return [
        most("memory_growth_mib", memory, GROWTH / MIB),
        most("temp_files_growth", files, 0),
        most("open_files_growth", handles, 5),
    ]


def _timed(server: ComfyServer, graph: Graph) -> tuple[str, float]:
    began = time.monotonic()
    return digest(server, server.run(graph)), time.monotonic() - began


def _cancel(server: ComfyServer, graph: Graph, other: Graph, delay: float) -> tuple[str, float]:
    """Cancel a run after so many seconds: where it was, and the delay.

    One that had ended by then is run anew and cancelled after half as many, as a machine is not always as busy as when
    the seconds were counted; `other` comes between, or the cache would answer.
    """
    how = _cancelled(server, graph, delay)
    while how == ENDED and delay > SOONEST:
        server.run(other)
        delay /= 2
        how = _cancelled(server, graph, delay)
    return how, delay


def _cancelled(server: ComfyServer, graph: Graph, delay: float) -> str:
    """Queue a graph, interrupt it after so many seconds, and say where it was: the node, or that it had ended."""
    prompt = server.post_prompt(graph)
    time.sleep(delay)
    server.interrupt()
    how, details = ended(server.wait(prompt))
    if how == "success":
        return ENDED
    if how == "execution_error":
        return f"error in {details['node_type']}: {details['exception_message'].strip()}"
    return f"cancelled in {details['node_type']}"
