"""A page of a real browser, and what it said on its console."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from interacthuman.tools import make_ui_workflows

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    *make_ui_workflows.FLAGS,
    # The browser reaches this machine only. (Not by playwright's `route`, which puts the browser's cache out of use, so
    # that each page loads and compiles ComfyUI's scripts anew.)
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
PATIENCE = 60_000  # milliseconds; two slow cores may share this with other work


@dataclass
class Window:
    """A page in a tab, and what it said on its console. small: the path of a small file of the page's server."""

    page: Any
    address: str
    small: str = "/web/version.js"
    said: list[str] = field(default_factory=list)
    renderer: str = ""
    listeners: list[tuple[str, Callable[[Any], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.on("pageerror", lambda error: self.said.append(f"exception: {error}"))

    def on(self, kind: str, take: Callable[[Any], None]) -> None:
        """Hears the page's events of a kind until the window is left."""
        self.listeners.append((kind, take))
        self.page.on(kind, take)

    def leave(self) -> None:
        """Makes the tab as good as new for the next window: with a small file of the same server in place of the page,
        so that the browser's process and what that has compiled stay, the pointer in the corner, and nobody listening.
        """
        for kind, take in self.listeners:
            self.page.remove_listener(kind, take)
        self.listeners.clear()
        self.page.unroute_all()
        self.page.mouse.move(0, 0)
        self.page.goto(self.address + self.small)

    def complaints(self) -> list[str]:
        """Warnings and errors."""
        return [line for line in self.said if line.startswith(("warning", "error", "exception"))]

    def js(self, body: str, argument: Any = None) -> Any:
        """What the body of an async function in the page returns; `arg` in it is the argument."""
        return self.page.evaluate(f"async (arg) => {{ {body} }}", argument)


def new_context(browser: Any, **options: Any) -> Any:
    """A part of the browser that shares nothing with others."""
    context = browser.new_context(**{"viewport": {"width": 1000, "height": 760}, **options})
    context.set_default_timeout(PATIENCE)
    return context
