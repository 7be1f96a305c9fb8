"""Which run a viewer shows when a workflow is opened: that of this very graph, and a run leaves the graph alone."""

from __future__ import annotations

from typing import Any

import pytest
from interacthuman.tests.browser.comfy_page import (
    complaints,
    in_page,
    look_at_viewer,
    open_graph,
    picture,
    run,
    status,
    wait_for_picture,
    wait_for_status,
)
from interacthuman.tests.browser.window import Window

DONE = "Step 2 of 2"
# What an artist's file holds: the graph as it was queued, also inside of pictures and videos.
QUEUED = "return (await app.graphToPrompt()).workflow;"
TRACKER = "const flow = app.extensionManager.workflow.activeWorkflow, tracker = flow.changeTracker;"


def open_file(window: Window, graph: dict[str, Any]) -> None:
    window.js("await app.loadGraphData(arg, true, true, 'file');", graph)
    look_at_viewer(window)


@pytest.mark.parametrize("comfy", ["canvas"], indirect=True)
def test_a_file_shows_its_own_run(comfy: Window, graph: dict[str, Any]) -> None:
    files, pictures = [], []
    for seed in (201, 202):
        open_graph(comfy, files[0] if files else graph, "runs", steps=2, seed=seed)
        files.append(in_page(comfy, QUEUED))
        assert run(comfy) == "execution_success"
        wait_for_status(comfy, DONE)
        pictures.append(picture(comfy))
    assert pictures[0] != pictures[1]
    assert files[0]["id"] == files[1]["id"]
    assert "interact_prompt" not in str(files)
    for number in (0, 1):
        open_file(comfy, files[number])
        wait_for_status(comfy, DONE)
        wait_for_picture(comfy, pictures[number])
        assert status(comfy).startswith("Step 2")
    in_page(comfy, "set('InterActSampler', { seed: 203 })")
    open_file(comfy, in_page(comfy, QUEUED))
    wait_for_status(comfy, "An earlier run, changed since: InterAct Sampler. Step 2 of 2")
    wait_for_picture(comfy, pictures[1])
    assert complaints(comfy) == []


def test_a_run_leaves_the_workflow_as_it_was(comfy: Window, graph: dict[str, Any]) -> None:
    """From the second run on: in the first, nodes may become larger for what they show.

    Without core's savers, which do so whenever their file is there.
    """
    savers = ("SaveVideo", "SaveImage")
    kept = [node for node in graph["nodes"] if node["type"] not in savers]
    gone = {node["id"] for node in graph["nodes"] if node["type"] in savers}
    links = [link for link in graph["links"] if link[3] not in gone]
    open_graph(comfy, {**graph, "nodes": kept, "links": links}, "unchanged", steps=2, seed=211)
    saved = (
        TRACKER
        + "tracker.captureCanvasState(); tracker.reset(); flow.isModified = false; return tracker.undoQueue.length;"
    )
    for _ in range(2):
        before = in_page(comfy, saved)
        assert run(comfy) == "execution_success"
        wait_for_status(comfy, DONE)
        comfy.page.wait_for_timeout(500)
    changed = (
        "tracker.captureCanvasState();"
        "const before = Object.fromEntries(tracker.initialState.nodes.map((node) => [node.id, node]));"
        "return [flow.isModified, tracker.undoQueue.length, tracker.activeState.nodes.filter((node) =>"
        " JSON.stringify(node) !== JSON.stringify(before[node.id])).map(({ type }) => type)];"
    )
    assert in_page(comfy, TRACKER + changed) == [False, before, []]
