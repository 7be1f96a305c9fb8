"""A page of a real browser, and what it said on its console."""

from __future__ import annotations

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
    """A page and what it said on its console."""

    page: Any
    address: str
    said: list[str] = field(default_factory=list)
    renderer: str = ""

    def complaints(self) -> list[str]:
        """Warnings and errors."""
        return [line for line in self.said if line.startswith(("warning", "error", "exception"))]

    def js(self, body: str, argument: Any = None) -> Any:
        """What the body of an async function in the page returns; `arg` in it is the argument."""
        return self.page.evaluate(f"async (arg) => {{ {body} }}", argument)


def open_window(browser: Any, address: str, **options: Any) -> Window:
    """A fresh page that keeps nothing of others."""
    return window_in(new_context(browser, **options), address)


def new_context(browser: Any, **options: Any) -> Any:
    context = browser.new_context(**{"viewport": {"width": 1000, "height": 760}, **options})
    context.set_default_timeout(PATIENCE)
    return context


def window_in(context: Any, address: str) -> Window:
    """A new page of a context, whose cached files it shares."""
    window = Window(context.new_page(), address)
    window.page.on("console", lambda message: window.said.append(f"{message.type}: {message.text}"))
    window.page.on("pageerror", lambda error: window.said.append(f"exception: {error}"))
    return window
