"""The newest frontend that PyPI has, for users who update it apart from ComfyUI; and a server that is restarted.

Its server has other launch options, too: a small part of the campaign of those.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from interacthuman.benchmarks.trust import flags, served
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tests.browser.comfy_page import (
    complaints,
    load,
    look_at_viewer,
    open_graph,
    run,
    viewer,
    wait_for_status,
)
from interacthuman.tests.browser.small_cast import EDITS, edited_cast, prepare
from interacthuman.tests.browser.watched_runs import (
    stop_and_keep_the_masks,
    watch_scrub_and_find_again,
)
from interacthuman.tests.browser.window import Window
from interacthuman.tests.support.server import tiny_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, comfy_folder: Path) -> Iterator[ComfyServer]:
    """In place of the session's own, which serves the frontend that ComfyUI pins."""
    folder = os.environ.get("INTERACT_NEWEST_FRONTEND", "")
    if not folder:
        pytest.skip("No newest frontend: run by `python dev.py test`, which fetches it.")
    place = Path(folder) / "comfyui_frontend_package" / "static"
    options = ("--front-end-root", str(place), *flags.SAME_BITS)
    with tiny_server(tmp_path_factory.mktemp("newest"), comfy_folder, *options) as running:
        yield running


def test_it_is_the_newest_frontend(comfy: Window) -> None:
    (newest,) = importlib.metadata.distributions(
        name="comfyui-frontend-package", path=[os.environ["INTERACT_NEWEST_FRONTEND"]]
    )
    assert comfy.js("return window.__COMFYUI_FRONTEND_VERSION__") == newest.version


def test_launch_options_of_memory_and_precision_change_no_bit(
    server: ComfyServer, session_server: ComfyServer
) -> None:
    made = [served.digest(one, one.run(served.people())) for one in (session_server, server)]
    assert made[0] == made[1]


def test_a_run_is_watched_scrubbed_and_found_again(comfy: Window, graph: dict[str, Any], shots: Path) -> None:
    watch_scrub_and_find_again(comfy, graph, shots)


def test_a_stopped_run_keeps_its_masks(comfy: Window, graph: dict[str, Any]) -> None:
    stop_and_keep_the_masks(comfy, graph)


def test_a_cast_is_edited(comfy: Window, server: ComfyServer) -> None:
    """Where the growing sockets have lost characters; all edits, test_edits.py tries on the other frontend."""
    prepare(comfy)
    for name in ("two removed at once", "encoder in a subgraph", "encoder out of a subgraph", "all copied"):
        assert " ".join(who for who, _ in edited_cast(comfy, server, name)) == EDITS[name][1], name


@pytest.mark.parametrize("comfy", ["nodes2"], indirect=True)  # once is enough: it takes a server's start
def test_the_server_is_restarted(comfy: Window, server: ComfyServer, graph: dict[str, Any]) -> None:
    """Its pictures are gone: a page that has them keeps them, a reloaded one says so, the next run shows its own."""
    open_graph(comfy, graph, "restart", seed=101)
    assert run(comfy) == "execution_success"
    wait_for_status(comfy, "Step 4 of 4")
    comfy.page.wait_for_timeout(1500)  # ComfyUI stores the workflow half a second after a change
    server.stop()
    server.start()
    viewer(comfy).press("Home")
    wait_for_status(comfy, "Step 4 of 4")
    viewer(comfy).locator(".interact-words").wait_for(state="hidden")
    comfy.said.clear()  # the browser said that the server was away
    load(comfy)
    viewer(comfy).get_by_text("The masks of the last run are gone: run again").first.wait_for()
    look_at_viewer(comfy)
    assert run(comfy) == "execution_success"
    wait_for_status(comfy, "Step 4 of 4")
    viewer(comfy).locator(".interact-words").wait_for(state="hidden")
    assert complaints(comfy) == []
