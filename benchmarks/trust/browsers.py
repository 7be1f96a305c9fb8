"""Browsers on one server: several at once, a killed server, full and read-only disks, a tab that slept, a viewer that
is fed by another version of the pack. Each sees its own masks and nobody else's, and the next run is as before.

Needs Chromium. Full and read-only disks are mounts of their own, which only root may make: elsewhere those trials stay
open.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...interact_core.comfy_server import ComfyServer
from ...tests.browser import comfy_page
from ...tests.browser.window import BROWSERS, FLAGS, Window, new_context
from ...tools.make_workflows import ui_file
from ..scenes.result import Figure
from .campaign import Order, Tally
from .served import digest, people, serve

TRIALS = 60
CASTS = (("Mira", "Tobi"), ("Anna", "Bela"), ("\u5c0f\u660e", "O\u2019Hara"), ("<b>Eve</b>", "\u202eAda"))
PROMPTS = 5
HOUR = 3600_000  # milliseconds
PATIENCE = 300  # seconds
OURS = "InterActCharacter"
NO_PREVIEW = "There is no preview, because ComfyUI's temp folder cannot be written"


@dataclass
class Stage:
    """The server and the browser of a session, and what a good run makes there."""

    server: ComfyServer
    browser: Any
    expected: str
    seed: int = 0

    @contextmanager
    def page(self, cast: tuple[str, str] = CASTS[0], **options: Any) -> Iterator[Window]:
        """A browser of its own with the shipped workflow of two speakers, by these names."""
        place = self.server.user / "default" / "comfy.settings.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(comfy_page.SETTINGS), encoding="utf-8")
        context = new_context(self.browser, viewport={"width": 1500, "height": 1000})
        context.set_default_timeout(1000 * PATIENCE)
        window = Window(context.new_page(), self.server.address)
        try:
            if options.get("clock"):
                window.page.clock.install()
            comfy_page.load(window)
            graph = json.loads(ui_file("two_speakers").read_text(encoding="utf-8"))
            comfy_page.open_graph(
                window, graph, f"of {cast[0]}", steps=options.get("steps", 4), seed=self.fresh()
            )
            comfy_page.in_page(
                window,
                f"of('{OURS}').forEach((node, i) => node.widgets.find((w) => w.name === 'name').value = arg[i]);",
                list(cast),
            )
            yield window
        finally:
            context.close()

    def fresh(self) -> int:
        """A seed that nothing has run with, so that nothing comes from ComfyUI's cache."""
        self.seed += 1
        return 10_000 + self.seed

    def again(self) -> str | None:
        """What is wrong with the good run now."""
        found = digest(self.server, self.server.run(people()))
        return None if found == self.expected else f"the good run makes {found}, at first {self.expected}"

    def restart(self) -> None:
        """Kill the server where it stands, and start it at the same address."""
        os.kill(self.server.pid, signal.SIGKILL)
        self.server.stop()
        self.server.start()


def run(order: Order) -> None:
    tally = order.tally
    with serve(order.folder / "server") as server, _chromium() as browser:
        stage = Stage(server, browser, digest(server, server.run(people())))
        for number in order.left():
            kind = KINDS[number % len(KINDS)]
            if kind in MOUNTING and not _may_mount():
                continue
            tried = (kind.__doc__ or "").split("\n", maxsplit=1)[0]
            try:
                fault = kind(stage, order.draw(number)) or stage.again()
            except Exception as error:  # a browser that waits in vain, a server that has gone
                fault = f"{type(error).__name__}: {str(error)[:300]}"
            if fault is None:
                tally.count(number, kind.__name__.replace("_", " "))
            else:
                tally.fault(number, tried, fault)


def figures(tally: Tally) -> list[Figure]:
    """None but the share of faults."""
    return []


@contextmanager
def _chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


# --------------------------------------------------------------------------------------------------- the kinds


def two_browsers(stage: Stage, chance: random.Random) -> str | None:
    """Five prompts at once from two browsers with different casts: each is told of its own alone."""
    casts = chance.sample(CASTS, 2)
    with ExitStack() as stack:
        windows = [stack.enter_context(stage.page(cast)) for cast in casts]
        turns = [0, 1, *(chance.randrange(2) for _ in range(PROMPTS - 2))]
        chance.shuffle(turns)
        for turn in turns:
            comfy_page.in_page(
                windows[turn],
                "set('InterActSampler', { seed: arg }); await app.queuePrompt(0, 1);",
                stage.fresh(),
            )
        _until(lambda: not any(stage.server.get("/queue").values()))
        for window, cast, other in zip(windows, casts, reversed(casts)):
            fault = _own_alone(stage, window, turns.count(windows.index(window)), cast, other)
            if fault:
                return fault
    return None


def _own_alone(stage: Stage, window: Window, queued: int, cast: Any, other: Any) -> str | None:
    window.page.wait_for_function("many => window.ends.length >= many", arg=queued)
    comfy_page.wait_for_status(window, "Step 4 of 4")
    client = window.js("return window.comfyAPI.api.api.clientId")
    history = stage.server.get("/history")
    own = {name for name, entry in history.items() if entry["prompt"][3].get("client_id") == client}
    told = set(window.js("return [...steps, ...ends].map((event) => event.prompt)"))
    ended = window.js("return ends.map((event) => event.how)")
    legend = comfy_page.viewer(window).locator(".interact-legend").text_content()
    if told != own or len(own) != queued:
        return f"told of {sorted(told)}, queued {sorted(own)}"
    if ended != ["done"] * queued:
        return f"ends: {ended}"
    if not all(name in legend for name in cast) or any(name in legend for name in other):
        return f"the viewer of {cast} shows {legend!r}"
    return _complaint(window)


def killed_and_started_again(stage: Stage, chance: random.Random) -> str | None:
    """The server is killed in the middle of a run and started again: the page that is open runs as before."""
    with stage.page(chance.choice(CASTS), steps=2000) as window:
        comfy_page.in_page(window, "void app.queuePrompt(0, 1);")
        window.page.wait_for_function("window.steps.length > 1", timeout=1000 * PATIENCE)
        time.sleep(chance.uniform(0, 1))
        stage.restart()
        window.page.wait_for_function(
            "window.comfyAPI.api.api.socket?.readyState === 1", timeout=1000 * PATIENCE
        )
        return _runs_to_its_end(stage, window)


def temp_is_full(stage: Stage, chance: random.Random) -> str | None:
    """No room in the temp folder: the run ends well and says why there are no pictures."""
    with stage.page(chance.choice(CASTS)) as window:
        with _mounted(stage.server.temp, f"size={4096 * chance.randint(1, 4)}"):
            ended = comfy_page.run(window)
            if ended != "execution_success":
                return f"ended with {ended}"
            _until(lambda: NO_PREVIEW in _said(window))
        return _complaint(window) or _runs_to_its_end(stage, window)


def output_is_read_only(stage: Stage, chance: random.Random) -> str | None:
    """Nothing can be saved: ComfyUI's saver fails, and the masks are there to be looked at."""
    with stage.page(chance.choice(CASTS)) as window:
        with _mounted(stage.server.output, "ro"):
            ended = comfy_page.run(window)
            if ended != "execution_error":
                return f"ended with {ended}"
            comfy_page.wait_for_status(window, "Step 4 of 4")
        return _runs_to_its_end(stage, window)


def asleep_for_an_hour(stage: Stage, chance: random.Random) -> str | None:
    """A tab that is frozen while its run goes on, and whose clock then jumps by an hour, shows the run."""
    with stage.page(chance.choice(CASTS), clock=True) as window:
        session = window.page.context.new_cdp_session(window.page)
        comfy_page.in_page(window, "void app.queuePrompt(0, 1);")
        if chance.random() < 0.5:
            window.page.wait_for_function("window.steps.length > 0", timeout=1000 * PATIENCE)
        session.send("Page.setWebLifecycleState", {"state": "frozen"})
        _until(lambda: not any(stage.server.get("/queue").values()))
        session.send("Page.setWebLifecycleState", {"state": "active"})
        window.page.clock.fast_forward(HOUR)
        comfy_page.wait_for_status(window, "Step 4 of 4")
        window.page.clock.fast_forward(HOUR)
        return _runs_to_its_end(stage, window)


def fed_by_another_version(stage: Stage, chance: random.Random) -> str | None:
    """Events and manifests of another version, or without what this one expects: said or left alone, never an error."""
    with stage.page(chance.choice(CASTS)) as window:
        if comfy_page.run(window) != "execution_success":
            return "the first run did not end well"
        comfy_page.wait_for_status(window, "Step 4 of 4")
        event = window.js("return steps.at(-1)")
        for _ in range(40):
            strange = _altered(json.loads(json.dumps(event)), chance)
            name = chance.choice(("interact.step", "interact.end"))
            window.js(
                "window.comfyAPI.api.api.dispatchCustomEvent(arg[0], arg[1]);"
                "const node = app.rootGraph.nodes.find((node) => node.type === 'InterActPreviewMasks');"
                "node.onExecuted?.({ interact_masks: [arg[1]] });",
                [name, strange],
            )
        return _complaint(window) or _runs_to_its_end(stage, window)


def _altered(event: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """An event as another version might send it: fields gone, of another type, or new, at any depth."""
    place: Any = event
    for _ in range(chance.randint(1, 3)):
        inside = [value for value in place.values() if isinstance(value, dict)]
        if not inside or chance.random() < 0.5:
            break
        place = chance.choice(inside)
    key = chance.choice([*place, "version", "another"])
    place[key] = chance.choice((None, [], {}, "x", -1, 2, 1e9, [None], {"a": 1}))
    if chance.random() < 0.3:
        del place[key]
    return event


KINDS: tuple[Callable[[Stage, random.Random], str | None], ...] = (
    two_browsers,
    fed_by_another_version,
    temp_is_full,
    asleep_for_an_hour,
    output_is_read_only,
    killed_and_started_again,
)
MOUNTING = (temp_is_full, output_is_read_only)


# ------------------------------------------------------------------------------------------- what they share


def _runs_to_its_end(stage: Stage, window: Window) -> str | None:
    comfy_page.in_page(window, "set('InterActSampler', { seed: arg, steps: 4 });", stage.fresh())
    ended = comfy_page.run(window)
    if ended != "execution_success":
        return f"the next run ended with {ended}"
    comfy_page.wait_for_status(window, "Step 4 of 4")
    return _complaint(window)


def _complaint(window: Window) -> str | None:
    """What the page said of us. A server that is away, or a picture that has gone with it, is the browser's to tell."""
    away = ("Failed to load resource", "WebSocket", "Failed to fetch", "NetworkError")
    lines = [line for line in comfy_page.complaints(window) if not any(word in line for word in away)]
    return f"the page says {lines[0][:300]}" if lines else None


def _said(window: Window) -> str:
    """What stands on the page, the words under the nodes among it."""
    return comfy_page.in_page(
        window,
        "return all.flatMap((node) => (node.widgets ?? []).map((widget) => widget.element?.textContent ?? ''))"
        ".join(' ') + document.body.textContent;",
    )


def _until(holds: Callable[[], bool]) -> None:
    latest = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > latest:
            raise TimeoutError("what was waited for did not come")
        time.sleep(0.2)


def _may_mount() -> bool:
    return shutil.which("mount") is not None and hasattr(os, "geteuid") and os.geteuid() == 0


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[None]:
    """Another file system on a folder: as small as a disk that is full, or read-only. Linux, root."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
