"""A real browser for the tests of the viewer: Debian's chromium, driven by playwright."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tests.browser import comfy_page
from interacthuman.tests.browser.window import BROWSERS, FLAGS, Window, new_context, open_window
from interacthuman.tools.make_workflows import ui_file

pytest.register_assert_rewrite("interacthuman.tests.browser.watched_runs")


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


@pytest.fixture(scope="session")
def shots(root: Path) -> Path:
    """The folder that screenshots are kept in."""
    folder = root / "output" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class _Files(http.server.SimpleHTTPRequestHandler):
    """The viewer's files, the test page, and the pictures that tests write."""

    extensions_map: ClassVar = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
    }

    def __init__(self, *words: Any, places: dict[str, Path], **named: Any) -> None:
        self.places = places
        super().__init__(*words, **named)

    def translate_path(self, path: str) -> str:
        first, _, rest = path.split("?", maxsplit=1)[0].lstrip("/").partition("/")
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
    with static_page(browser, static) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(browser: Any, static: str) -> Iterator[Window]:
    """The static page for all tests of a module, of functions that keep nothing between calls."""
    with static_page(browser, static) as opened:
        yield opened


@contextmanager
def static_page(browser: Any, static: str) -> Iterator[Window]:
    opened = open_window(browser, static)
    opened.page.goto(f"{static}/page.html")
    opened.page.wait_for_function("window.viewer")
    yield opened
    opened.page.context.close()


@pytest.fixture(scope="session")
def comfy_context(browser: Any) -> Iterator[Any]:
    """The browser's context of all of ComfyUI's pages: one that is opened later finds its scripts in the cache."""
    context = new_context(browser, viewport={"width": 1500, "height": 1000})
    yield context
    context.close()


@pytest.fixture(scope="module", params=["canvas", "nodes2"])
def comfy(request: pytest.FixtureRequest, comfy_context: Any, server: ComfyServer) -> Iterator[Window]:
    """ComfyUI's page with one of its two renderers, a new one for each module: what one leaves behind (tabs, what can
    be undone, late events) reaches no other.
    """
    window = comfy_page.open_page(comfy_context, server, request.param)
    yield window
    window.page.close()


@pytest.fixture
def graph() -> dict[str, Any]:
    """The shipped workflow of two speakers, in UI form."""
    return json.loads(ui_file("two_speakers").read_text(encoding="utf-8"))
