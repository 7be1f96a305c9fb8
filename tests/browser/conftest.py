"""A real browser for the tests of the viewer: Debian's chromium, driven by playwright."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000  # milliseconds; two slow cores may share this with other work


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A running browser, for all tests of a session. Skips where there is none."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="Browser tests need `pip install playwright`."
    )
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("Browser tests need a Chromium: apt-get install -y --no-install-recommends chromium.")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


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
    """A fresh page, which reaches this machine only."""
    context = browser.new_context(**{"viewport": {"width": 1000, "height": 760}, **options})
    context.set_default_timeout(PATIENCE)
    inside = (address, "data:", "blob:")
    context.route(lambda url: not url.startswith(inside), lambda route: route.abort("blockedbyclient"))
    window = Window(context.new_page(), address)
    window.page.on("console", lambda message: window.said.append(f"{message.type}: {message.text}"))
    window.page.on("pageerror", lambda error: window.said.append(f"exception: {error}"))
    return window


@pytest.fixture(scope="session")
def shots(root: Path) -> Path:
    """The folder that screenshots are kept in."""
    folder = root / "output" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class _Files(http.server.SimpleHTTPRequestHandler):
    """The viewer's files, the test page, and the pictures that tests write."""

    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript"}

    def __init__(self, *words: Any, places: dict[str, Path], **named: Any) -> None:
        self.places = places
        super().__init__(*words, **named)

    def translate_path(self, path: str) -> str:
        first, _, rest = path.split("?")[0].lstrip("/").partition("/")
        place = self.places.get(first)
        return str(place / rest if rest else place) if place else "/nowhere"

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the static page has for ComfyUI's temp folder."""
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="session")
def static(root: Path, pictures: Path) -> Iterator[str]:
    """The address of a server of plain files, without ComfyUI."""
    page = root / "tests" / "browser" / "page.html"
    places = {"web": root / "web", "pictures": pictures, "page.html": page}
    handler = functools.partial(_Files, places=places)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def window(browser: Any, static: str) -> Iterator[Window]:
    """The static page with a viewer in it that knows no run yet."""
    opened = open_window(browser, static)
    opened.page.goto(f"{static}/page.html")
    opened.page.wait_for_function("window.viewer")
    yield opened
    opened.page.context.close()
