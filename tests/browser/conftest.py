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
from interacthuman.tests.browser.window import BROWSERS, FLAGS, Window, new_context
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

    def end_headers(self) -> None:
        if self.path.startswith("/web/"):  # the browser keeps scripts, and what it compiled of them
            self.send_header("Cache-Control", "max-age=86400, immutable")
        super().end_headers()

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


@pytest.fixture(scope="session")
def static_tabs(browser: Any) -> Iterator[tuple[Any, Any]]:
    """Of `window` and of `page`: loading a page anew in a tab costs a third of what another tab does.

    Of a window each, as the browser draws once a second in a tab that lies behind another.
    """
    contexts = [new_context(browser) for _ in range(2)]
    one, other = (context.new_page() for context in contexts)
    yield one, other
    for context in contexts:
        context.close()


@pytest.fixture
def window(static_tabs: tuple[Any, Any], static: str) -> Iterator[Window]:
    """The static page with a viewer in it that knows no run yet."""
    with static_page(static_tabs[0], static) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(static_tabs: tuple[Any, Any], static: str) -> Iterator[Window]:
    """The static page for all tests of a module, of functions that keep nothing between calls."""
    with static_page(static_tabs[1], static) as opened:
        yield opened


@contextmanager
def static_page(tab: Any, static: str) -> Iterator[Window]:
    opened = Window(tab, static)
    tab.goto(f"{static}/page.html")
    tab.wait_for_function("window.viewer")
    yield opened
    opened.leave()


@pytest.fixture(scope="session")
def comfy_tab(browser: Any) -> Iterator[Any]:
    """The tab of all of ComfyUI's pages: one that is loaded later finds its scripts there, compiled."""
    context = new_context(browser, viewport={"width": 1500, "height": 1000})
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module", params=["canvas", "nodes2"])
def comfy(request: pytest.FixtureRequest, comfy_tab: Any, server: ComfyServer) -> Iterator[Window]:
    """ComfyUI's page with one of its two renderers, loaded anew for each module: what one leaves behind (tabs, what can
    be undone, late events) reaches no other.
    """
    window = comfy_page.open_page(comfy_tab, server, request.param)
    yield window
    window.leave()
    server.interrupt()  # a test that failed may have left a long run


@pytest.fixture
def graph() -> dict[str, Any]:
    """The shipped workflow of two speakers, in UI form."""
    return json.loads(ui_file("two_speakers").read_text(encoding="utf-8"))
