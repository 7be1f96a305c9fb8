"""The viewer in a real ComfyUI, in both renderers: runs are watched live, scrubbed, stopped, found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from interacthuman.tests.browser.comfy_page import (
    complaints,
    in_page,
    look_at_viewer,
    open_graph,
    picture,
    run,
    slow_down,
    status,
    viewer,
    wait_for_picture,
    wait_for_status,
)
from interacthuman.tests.browser.watched_runs import (
    stop_and_keep_the_masks,
    watch_scrub_and_find_again,
)
from interacthuman.tests.browser.window import PATIENCE, Window

# For what does not depend on the renderer, or tries both.
once = pytest.mark.parametrize("comfy", ["canvas"], indirect=True)


def test_a_run_is_watched_scrubbed_and_found_again(comfy: Window, graph: dict[str, Any], shots: Path) -> None:
    watch_scrub_and_find_again(comfy, graph, shots)


@once
def test_a_cached_run_shows_its_masks(comfy: Window, graph: dict[str, Any]) -> None:
    open_graph(comfy, graph, "first", seed=21)
    assert run(comfy) == "execution_success"
    wait_for_status(comfy, "Step 4 of 4")
    open_graph(comfy, graph, "again", seed=21)
    assert run(comfy) == "execution_success"
    wait_for_status(comfy, "Step 4 of 4")
    assert comfy.js("return steps.length") == 0
    assert complaints(comfy) == []


def test_a_stopped_run_keeps_its_masks(comfy: Window, graph: dict[str, Any]) -> None:
    stop_and_keep_the_masks(comfy, graph)


@once
def test_two_viewers_and_a_reroute(comfy: Window, graph: dict[str, Any]) -> None:
    open_graph(comfy, graph, "two", seed=51)
    in_page(
        comfy,
        """
        const [first] = of("InterActPreviewMasks"), [sampler] = of("InterActSampler");
        const reroute = LiteGraph.createNode("Reroute"), second = LiteGraph.createNode("InterActPreviewMasks");
        app.rootGraph.add(reroute); app.rootGraph.add(second);
        second.pos = [first.pos[0] + 560, first.pos[1]];
        sampler.connect(1, reroute, 0); reroute.connect(0, second, 0);
        app.canvas.ds.scale = 0.8;
        """,
    )
    assert run(comfy) == "execution_success"
    for number in (0, 1):
        comfy.page.locator(".interact-status", has_text="Step 4 of 4").nth(number).wait_for(timeout=PATIENCE)
    assert complaints(comfy) == []


@once
def test_a_sampler_in_a_subgraph(comfy: Window, graph: dict[str, Any]) -> None:
    open_graph(comfy, graph, "subgraph", seed=61)
    in_page(
        comfy,
        """
        const [sampler] = of("InterActSampler");
        app.rootGraph.convertToSubgraph(new Set([sampler]));
        await frames();
        """,
    )
    assert run(comfy) == "execution_success"
    assert all(":" in source for source in comfy.js("return steps.map((event) => event.source)"))
    assert comfy.js("return steps.length") == 4
    wait_for_status(comfy, "Step 4 of 4")
    assert complaints(comfy) == []


@once
def test_the_stock_sampler(comfy: Window, graph: dict[str, Any]) -> None:
    open_graph(comfy, graph, "stock", seed=71)
    in_page(
        comfy,
        """
        const [sampler] = of("InterActSampler"), [preview] = of("InterActPreviewMasks");
        const [encoder] = of("InterActEncodeCharacters"), [vae] = of("VAEDecode");
        const add = (type) => { const node = LiteGraph.createNode(type); app.rootGraph.add(node); return node; };
        const [guidance, stock, masks] = ["InterActMaskGuidance", "KSampler", "InterActCollectMasks"].map(add);
        const into = (from, type, to, name) => from.connect(
          from.outputs.findIndex((output) => output.type === type), to, to.inputs.findIndex((i) => i.name === name));
        const model = sampler.getInputNode(sampler.inputs.findIndex((input) => input.name === "model"));
        into(model, "MODEL", guidance, "model");
        into(encoder, "INTERACT_CAST", guidance, "cast");
        into(guidance, "MODEL", stock, "model");
        encoder.connect(0, stock, stock.inputs.findIndex((input) => input.name === "positive"));
        encoder.connect(1, stock, stock.inputs.findIndex((input) => input.name === "negative"));
        into(encoder, "LATENT", stock, "latent_image");
        into(stock, "LATENT", masks, "latent");
        into(guidance, "INTERACT_MASK_HANDLE", masks, "mask_handle");
        into(masks, "LATENT", vae, "samples");
        into(masks, "INTERACT_MASKS", preview, "masks");
        stock.widgets.find((widget) => widget.name === "steps").value = 5;
        app.rootGraph.remove(sampler);
        """,
    )
    assert run(comfy) == "execution_success"
    assert comfy.js("return steps.length") == 5
    wait_for_status(comfy, "Step 5 of 5")
    assert complaints(comfy) == []


def test_another_workflow_shows_nothing_of_this_one(comfy: Window, graph: dict[str, Any]) -> None:
    """Two tabs with the same nodes: the run belongs to the first, and is there when one comes back to it."""
    open_graph(comfy, graph, "mine", seed=81, steps=12)
    slow_down(comfy)
    in_page(comfy, "window.running = run();")
    comfy.page.wait_for_function("window.steps.length > 1", timeout=PATIENCE)
    seen = comfy.js("return steps.length")
    open_graph(comfy, graph, "other", seed=82)
    assert comfy.js("return await window.running") == "execution_success"
    assert seen and "Waiting for masks" in status(comfy)
    comfy.js(
        """
        const store = app.extensionManager.workflow;
        const mine = store.openWorkflows.find((workflow) => workflow.filename.startsWith("mine"));
        await app.loadGraphData(mine.activeState, true, true, mine);
        await new Promise((done) => setTimeout(done, 500));
        """
    )
    wait_for_status(comfy, "Step 12 of 12")
    assert complaints(comfy) == []


@once
def test_the_other_renderer_takes_the_viewer_over(comfy: Window, graph: dict[str, Any]) -> None:
    open_graph(comfy, graph, "switch", seed=91)
    assert run(comfy) == "execution_success"
    wait_for_status(comfy, "Step 4 of 4")
    switch = "await app.extensionManager.setting.set('Comfy.VueNodes.Enabled', arg)"
    try:
        for nodes2 in (True, False):
            comfy.js(switch, nodes2)
            comfy.page.wait_for_timeout(1500)
            look_at_viewer(comfy)
            assert comfy.page.locator(".interact-viewer").filter(visible=True).count() == 1
            wait_for_status(comfy, "Step 4 of 4")
            last = picture(comfy)
            viewer(comfy).press("ArrowDown")
            wait_for_status(comfy, "Step 3 of 4")
            assert picture(comfy) != last
            viewer(comfy).press("ArrowUp")
            wait_for_picture(comfy, last)
    finally:
        comfy.js(switch, False)
    assert complaints(comfy) == []


@once
def test_about_and_commands(comfy: Window) -> None:
    known = comfy.js("return app.extensionManager.command.commands.map((command) => command.id)")
    assert {"InterAct.SavePicture", "InterAct.SaveVideo", "InterAct.SaveSheet"} <= set(known)
    bound = comfy.js("return app.extensionManager.keybinding?.keybindings?.map((k) => k.commandId) ?? []")
    assert not [name for name in bound if name.startswith("InterAct.")]
