"""A viewer that comes after its run finds it and sounds, and an error says why in the notice: one page visit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tests.browser.comfy_page import (
    complaints,
    in_page,
    look_at_viewer,
    open_graph,
    run,
    viewer,
    wait_for_status,
)
from interacthuman.tests.browser.window import PATIENCE, Window
from interacthuman.tools.make_workflows import ui_file

DONE = "Step 2 of 2"
CHANGED = """
app.extensionManager.workflow.activeWorkflow.changeTracker.captureCanvasState();
await frames();
"""


SPEAKING = ["InterActLoadDiT", "InterActEncodeSpeech", "InterActEncodeCharacters", "InterActSampler"]
BY_HAND = """
window.heights = {};
for (const node of all.filter(({ type }) => arg.includes(type))) {
  const made = LiteGraph.createNode(node.type);
  node.setSize([made.size[0], node.computeSize()[1] + made.size[1] - made.computeSize()[1]]);
  heights[node.id] = node.size[1];
}
"""
"""Nodes of these types get the sizes that somebody who adds them gets."""
GROWN = """
const text = (node) => node.widgets.find(({ name }) => name === "interact_text")?.element;
const speaking = all.filter(({ id }) => id in heights);
for (let wait = 0; wait < 20 && !speaking.every((node) => text(node)?.textContent); wait++)
  await new Promise((done) => setTimeout(done, 200));
await new Promise((done) => setTimeout(done, 500));
const drawn = ({ id }) => document.querySelector(`.lg-node[data-node-id="${id}"]`)?.offsetHeight ?? 0;
return speaking.map((node) => [
  node.type, Boolean(text(node)?.textContent), Math.max(node.size[1], drawn(node) - 40) - heights[node.id],
]);
"""


@pytest.fixture(scope="module")
def watched(comfy: Window, server: ComfyServer) -> Window:
    """A graph whose viewer was removed before anybody looked."""
    server.free()  # of nodes behind a node that is cached ComfyUI sends nothing to another page
    graph = json.loads(ui_file("two_speakers").read_text(encoding="utf-8"))
    open_graph(comfy, graph, "found", steps=2, seed=301 if comfy.renderer == "canvas" else 302)
    in_page(comfy, "of('InterActPreviewMasks').forEach((node) => node.graph.remove(node));" + CHANGED)
    in_page(comfy, BY_HAND, SPEAKING)
    return comfy


def test_an_example_shows_its_portrait_and_has_its_sound_before_any_run(watched: Window, shots: Path) -> None:
    shown = in_page(
        watched,
        """
        const [example] = of("InterActExample"), value = example.widgets.find(({ name }) => name === "name").value;
        const { element } = example.widgets.find(({ name }) => name === "example");
        app.canvas.ds.scale = 1;
        app.canvas.ds.offset = [200 - example.pos[0], 200 - example.pos[1]];
        app.canvas.setDirty(true, true);
        await new Promise((done) => setTimeout(done, 500));
        const [picture, sound] = element.children;
        await picture.decode();
        const { height } = picture.getBoundingClientRect();
        return [picture.alt === value, picture.naturalWidth, height > 50,
          (await fetch(sound.src)).headers.get("content-type")];
        """,
    )
    watched.page.screenshot(path=str(shots / f"example_{watched.renderer}.png"))
    assert shown[:3] == [True, 384, True] and shown[3].startswith("audio/")


def test_it_is_found_when_added_and_when_moved_and_it_sounds(watched: Window, shots: Path) -> None:
    assert run(watched) == "execution_success"
    grown = in_page(watched, GROWN)
    said = {kind for kind, says, _ in grown if says}
    assert {"InterActLoadDiT", "InterActEncodeSpeech", "InterActEncodeCharacters"} <= said, grown
    assert [(kind, pixels) for kind, _, pixels in grown if pixels > 0] == [], "over its neighbours"
    in_page(
        watched,
        """
        const [sampler] = of("InterActSampler"), viewer = LiteGraph.createNode("InterActPreviewMasks");
        app.rootGraph.add(viewer);
        const lowest = Math.max(...app.rootGraph.nodes.map(({ pos, size }) => pos[1] + size[1]));
        viewer.pos = [sampler.pos[0], lowest + 400];  // beside nothing, which could lie over it
        sampler.connect(1, viewer, 0);
        """
        + CHANGED,
    )
    look_at_viewer(watched)
    wait_for_status(watched, DONE)
    viewer(watched).get_by_role("button", name="Hear Mira alone").click()
    viewer(watched).get_by_role("button", name="Play", exact=True).click()
    watched.page.wait_for_function("document.querySelector('.interact-waves .interact-second:not([hidden])')")
    watched.page.wait_for_timeout(300)
    watched.page.screenshot(path=str(shots / f"sound_{watched.renderer}.png"))
    viewer(watched).get_by_role("button", name="Pause", exact=True).click()
    for together in ("[viewer]", "[viewer, sampler]"):
        in_page(
            watched,
            f"""
            const [sampler] = of("InterActSampler"), [viewer] = of("InterActPreviewMasks");
            const {{ node }} = app.rootGraph.convertToSubgraph(new Set({together}));
            await frames();
            app.canvas.setGraph(node.subgraph);
            """
            + CHANGED,
        )
        look_at_viewer(watched)
        wait_for_status(watched, DONE)
        if together == "[viewer]":  # out again; a sampler would get another id by it, and be another
            in_page(
                watched,
                """
                app.canvas.setGraph(app.rootGraph);
                app.rootGraph.unpackSubgraph(app.rootGraph.nodes.find((node) => node.subgraph));
                """
                + CHANGED,
            )
            look_at_viewer(watched)
            wait_for_status(watched, DONE)
    assert complaints(watched) == []


def test_an_error_says_why_in_comfyuis_own_notice(watched: Window, shots: Path) -> None:
    assert in_page(watched, "set('InterActEncodeCharacters', { feed_scene: true }); return await run();") == (
        "execution_error"
    )
    notice = watched.page.locator('[data-testid="error-overlay-messages"]')
    notice.get_by_text("feed_scene is on, but scene_audio is not connected").wait_for(timeout=PATIENCE)
    watched.page.screenshot(path=str(shots / f"error_notice_{watched.renderer}.png"))
    in_page(
        watched,
        "api.dispatchEvent(new CustomEvent('execution_error', { detail: { prompt_id: 'x', node_id: '1',"
        " exception_type: 'ValueError', exception_message: 'theirs', traceback: [] } }));",
    )
    notice.get_by_text("feed_scene is on").wait_for(state="hidden", timeout=PATIENCE)
