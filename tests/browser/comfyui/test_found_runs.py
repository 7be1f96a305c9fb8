"""A viewer that comes after its run finds it and sounds, and an error says why in the notice: one page visit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from interacthuman.tests.browser.comfy_page import (
    complaints,
    in_page,
    look_at_viewer,
    open_graph,
    run,
    viewer,
)
from interacthuman.tests.browser.window import PATIENCE, Window

DONE = ".interact-status:has-text('Step 2 of 2')"
CHANGED = "app.extensionManager.workflow.activeWorkflow.changeTracker.captureCanvasState();"


@pytest.fixture(scope="module")
def watched(comfy: Window, root: Path) -> Window:
    """A run whose viewer was removed before anybody looked."""
    graph = json.loads((root / "workflows" / "two_speakers.json").read_text(encoding="utf-8"))
    open_graph(comfy, graph, "found", steps=2, seed=301 if comfy.renderer == "canvas" else 302)
    in_page(comfy, "of('InterActPreviewMasks').forEach((node) => app.rootGraph.remove(node));")
    return comfy


def test_an_example_shows_its_portrait_and_has_its_sound_before_any_run(watched: Window) -> None:
    shown = in_page(
        watched,
        """
        const [example] = of("InterActExample"), value = example.widgets.find(({ name }) => name === "name").value;
        const { element } = example.widgets.find(({ name }) => name === "example");
        const [picture, sound] = element.children;
        await picture.decode();
        return [picture.alt === value, picture.naturalWidth, (await fetch(sound.src)).headers.get("content-type")];
        """,
    )
    assert shown[:2] == [True, 384] and shown[2].startswith("audio/")


def test_it_is_found_when_added_and_when_moved_and_it_sounds(watched: Window, shots: Path) -> None:
    assert run(watched) == "execution_success"
    in_page(
        watched,
        """
        const [sampler] = of("InterActSampler"), viewer = LiteGraph.createNode("InterActPreviewMasks");
        app.rootGraph.add(viewer);
        viewer.pos = [sampler.pos[0] + 600, sampler.pos[1]];
        sampler.connect(1, viewer, 0);
        """
        + CHANGED,
    )
    watched.page.locator(DONE).first.wait_for(timeout=PATIENCE)
    look_at_viewer(watched)
    viewer(watched).get_by_role("button", name="Hear Mira alone").click()
    viewer(watched).get_by_role("button", name="Play").click()
    watched.page.wait_for_function("document.querySelector('.interact-waves .interact-second:not([hidden])')")
    watched.page.wait_for_timeout(500)
    watched.page.screenshot(path=str(shots / f"sound_{watched.renderer}.png"))
    viewer(watched).get_by_role("button", name="Pause").click()
    for together in ("[viewer]", "[viewer, sampler]"):
        in_page(
            watched,
            f"""
            const [sampler] = of("InterActSampler"), [viewer] = of("InterActPreviewMasks");
            const {{ node }} = app.rootGraph.convertToSubgraph(new Set({together}));
            await new Promise((done) => setTimeout(done, 300));
            app.canvas.setGraph(node.subgraph);
            """
            + CHANGED,
        )
        watched.page.locator(DONE).first.wait_for(timeout=PATIENCE)
        in_page(
            watched,
            """
            app.canvas.setGraph(app.rootGraph);
            const around = app.rootGraph.nodes.find((node) => node.subgraph);
            app.rootGraph.unpackSubgraph(around);
            await new Promise((done) => setTimeout(done, 300));
            """
            + CHANGED,
        )
        watched.page.locator(DONE).first.wait_for(timeout=PATIENCE)
    assert complaints(watched) == []


def test_an_error_says_why_in_comfyuis_own_notice(watched: Window, shots: Path) -> None:
    assert in_page(watched, "set('InterActEncodeCharacters', { feed_scene: true }); return await run();") == (
        "execution_error"
    )
    notice = watched.page.locator('[data-testid="error-overlay-messages"]')
    notice.get_by_text("feed_scene is on, but scene_audio is not connected").wait_for(timeout=PATIENCE)
    watched.page.wait_for_timeout(500)
    watched.page.screenshot(path=str(shots / f"error_notice_{watched.renderer}.png"))
    in_page(
        watched,
        "api.dispatchEvent(new CustomEvent('execution_error', { detail: { prompt_id: 'x', node_id: '1',"
        " exception_type: 'ValueError', exception_message: 'theirs', traceback: [] } }));",
    )
    watched.page.wait_for_timeout(500)
    assert notice.get_by_text("feed_scene is on").count() == 0
