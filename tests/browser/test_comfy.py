"""The viewer in a real ComfyUI, in both renderers: runs are watched live, scrubbed, stopped, found again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from interacthuman.interact_core.theatre.server import ComfyServer
from interacthuman.tests.browser.conftest import PATIENCE, Window, open_window
from interacthuman.tests.host.conftest import server  # noqa: F401  (the fixture)
from interacthuman.tests.nodes_support import ADAPTER, SPEECH, VAE, WAN

SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.InstalledVersion": "1.47.12",
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
}
READY = (
    "!!(window.app?.isGraphReady && window.app?.vueAppReady"
    " && window.LiteGraph?.registered_node_types?.InterActPreviewMasks)"
)
# Two characters on the tiny models: seconds instead of minutes.
TINY = {
    "InterActLoadDiT": {"model_name": WAN, "adapter_name": ADAPTER},
    "VAELoader": {"vae_name": VAE},
    "InterActLoadWav2Vec2": {"audio_encoder_name": SPEECH},
    "InterActEncodeCharacters": {"width": 64, "height": 48, "length": 9},
}
HELPERS = """
const { api } = window.comfyAPI.api;
const all = [];
const walkAll = (graph) => graph.nodes.forEach((node) => (all.push(node), node.subgraph && walkAll(node.subgraph)));
walkAll(app.rootGraph);
const of = (type) => all.filter((node) => node.type === type);
const set = (type, values) => of(type).forEach((node) => Object.entries(values).forEach(([name, value]) => {
  node.widgets.find((widget) => widget.name === name).value = value;
}));
const run = () => new Promise((done) => {
  const ends = ["execution_success", "execution_error", "execution_interrupted"];
  const end = (event) => (ends.forEach((name) => api.removeEventListener(name, end)), done(event.type));
  ends.forEach((name) => api.addEventListener(name, end));
  app.queuePrompt(0, 1);
});
"""


@pytest.fixture(scope="module", params=["canvas", "nodes2"])
def comfy(
    request: pytest.FixtureRequest,
    browser: Any,
    server: ComfyServer,  # noqa: F811
) -> Iterator[Window]:
    """ComfyUI's page with one of its two renderers, for all tests of it: loading it takes longer than they."""
    settings = {**SETTINGS, "Comfy.VueNodes.Enabled": request.param == "nodes2"}
    place = server.user / "default" / "comfy.settings.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(settings), encoding="utf-8")
    window = open_window(browser, server.address, viewport={"width": 1500, "height": 1000})
    load(window)
    window.renderer = request.param
    yield window
    window.page.context.close()


def load(window: Window) -> None:
    window.page.goto(window.address)
    window.page.wait_for_function(READY)
    window.js(
        "window.steps = []; window.ends = [];"
        "const { api } = window.comfyAPI.api;"
        "api.addEventListener('interact.step', ({detail}) => steps.push({...detail, seen: performance.now()}));"
        "api.addEventListener('interact.end', ({detail}) => ends.push(detail));"
    )


@pytest.fixture
def graph(root: Path) -> dict[str, Any]:
    return json.loads((root / "workflows" / "two_speakers.json").read_text(encoding="utf-8"))


def in_page(window: Window, body: str, argument: Any = None) -> Any:
    return window.js(HELPERS + body, argument)


def open_graph(window: Window, graph: dict[str, Any], name: str, steps: int = 4, seed: int = 1) -> None:
    """Opens a workflow, on the tiny models, with the viewer in the middle of the page."""
    window.js(
        "await app.loadGraphData(arg[0], true, true, arg[1]); await new Promise((done) => setTimeout(done, 500));"
        "window.steps.length = window.ends.length = 0;",
        [graph, name],
    )
    tiny = {**TINY, "InterActSampler": {"steps": steps, "seed": seed}}
    in_page(window, "for (const [type, values] of Object.entries(arg)) set(type, values)", tiny)
    look_at_viewer(window)


def look_at_viewer(window: Window, width: int = 500, zoom: float = 1.0) -> None:
    in_page(
        window,
        """
        const [node] = of("InterActPreviewMasks");
        node.setSize([arg[0], 700]);
        app.canvas.ds.scale = arg[1];
        app.canvas.ds.offset = [60 / arg[1] - node.pos[0], 120 / arg[1] - node.pos[1]];
        app.canvas.setDirty(true, true);
        await new Promise((done) => setTimeout(done, 400));
        """,
        [width, zoom],
    )


def run(window: Window) -> str:
    """Queues the workflow as its button does; how it ended."""
    return in_page(window, "return await run();")


def viewer(window: Window) -> Any:
    return window.page.locator(".interact-viewer").first


def status(window: Window) -> str:
    return viewer(window).locator(".interact-status").text_content()


def step_shown(window: Window) -> int:
    return int(viewer(window).get_by_role("slider", name="Denoising step").get_attribute("aria-valuenow"))


def picture(window: Window) -> str:
    """What is on the viewer's canvas."""
    window.page.wait_for_timeout(250)
    return viewer(window).locator(".interact-stage canvas").evaluate("canvas => canvas.toDataURL()")


def wait_for_status(window: Window, words: str) -> None:
    viewer(window).locator(".interact-status", has_text=words).wait_for(timeout=PATIENCE)


def complaints(window: Window) -> list[str]:
    """Warnings and errors that are ours: they name us, nobody caught them, or the server failed over us."""
    ours = ("interact", "exception", "internal server error", "jobs api")
    return [line for line in window.complaints() if any(word in line.lower() for word in ours)]


def test_a_run_is_watched_scrubbed_and_found_again(comfy: Window, graph: dict[str, Any], shots: Path) -> None:
    open_graph(comfy, graph, "watch", seed=11)
    viewer(comfy).get_by_text("Waiting for masks").first.wait_for()
    assert run(comfy) == "execution_success"
    events = comfy.js("return steps")
    assert [event["step"]["index"] for event in events] == [0, 1, 2, 3]
    assert comfy.js("return ends.map((end) => end.how)") == ["done"]
    wait_for_status(comfy, "Step 4 of 4")
    assert step_shown(comfy) == 4
    last = picture(comfy)
    for key in ("ArrowDown", "ArrowDown"):
        viewer(comfy).press(key)
    assert picture(comfy) != last and step_shown(comfy) == 2
    wait_for_status(comfy, "Step 2 of 4")
    viewer(comfy).press("End")
    viewer(comfy).press("ArrowUp")
    assert viewer(comfy).get_by_role("slider", name="Frame").get_attribute("aria-valuenow") == "3"
    both = picture(comfy)
    viewer(comfy).get_by_role("button", name="Mira").click()
    assert picture(comfy) != both
    viewer(comfy).get_by_role("button", name="Mira").click()
    assert picture(comfy) == both
    for width in (300, 500, 900):
        look_at_viewer(comfy, width)
        assert viewer(comfy).evaluate("e => e.scrollWidth <= e.clientWidth")
        comfy.page.screenshot(path=str(shots / f"comfy_{comfy.renderer}_{width}.png"))
    with comfy.page.expect_download() as download:
        in_page(comfy, "await app.extensionManager.command.execute('InterAct.SavePicture')")
    assert download.value.suggested_filename.startswith("interact_masks_step_")
    assert complaints(comfy) == []

    comfy.page.wait_for_timeout(1500)  # ComfyUI stores the workflow half a second after a change
    load(comfy)
    wait_for_status(comfy, "Step 4 of 4")
    assert comfy.js("return steps.length") == 0
    look_at_viewer(comfy)
    assert complaints(comfy) == []


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
    open_graph(comfy, graph, "stop", steps=3000, seed=31)
    in_page(comfy, "window.running = run();")
    comfy.page.wait_for_function("window.steps.length > 2", timeout=PATIENCE)
    wait_for_status(comfy, "sampling")
    in_page(comfy, "await api.interrupt();")
    assert comfy.js("return await window.running") == "execution_interrupted"
    wait_for_status(comfy, "these are the masks so far")
    assert comfy.js("return ends.at(-1).how") == "stopped"
    assert viewer(comfy).locator(".interact-words").is_hidden()
    assert complaints(comfy) == []


def test_steps_arrive_within_half_a_second(comfy: Window, graph: dict[str, Any]) -> None:
    """From the event to the drawn picture; that the event is quick, the host's tests see to."""
    open_graph(comfy, graph, "quick", steps=12, seed=41)
    comfy.js(
        """
        window.drawn = [];
        const strip = document.querySelector(".interact-strip");
        new MutationObserver(() => drawn.push([Number(strip.ariaValueNow) - 1, performance.now()]))
          .observe(strip, { attributes: true, attributeFilter: ["aria-valuenow"] });
        """
    )
    assert run(comfy) == "execution_success"
    late = comfy.js(
        """
        return steps.map(({ step, seen }) => {
          const shown = drawn.find(([index, at]) => index >= step.index && at >= seen);
          return shown ? shown[1] - seen : null;
        }).filter((delay) => delay !== null);
        """
    )
    print(
        f"\n{comfy.renderer}: event to picture {sorted(late)[len(late) // 2]:.0f} ms, at most {max(late):.0f} ms"
    )
    assert len(late) > 6 and sorted(late)[len(late) // 2] < 500


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


def test_a_sampler_in_a_subgraph(comfy: Window, graph: dict[str, Any]) -> None:
    open_graph(comfy, graph, "subgraph", seed=61)
    in_page(
        comfy,
        """
        const [sampler] = of("InterActSampler");
        app.rootGraph.convertToSubgraph(new Set([sampler]));
        await new Promise((done) => setTimeout(done, 500));
        """,
    )
    assert run(comfy) == "execution_success"
    assert all(":" in source for source in comfy.js("return steps.map((event) => event.source)"))
    assert comfy.js("return steps.length") == 4
    wait_for_status(comfy, "Step 4 of 4")
    assert complaints(comfy) == []


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


def test_about_and_commands(comfy: Window) -> None:
    known = comfy.js("return app.extensionManager.command.commands.map((command) => command.id)")
    assert {"InterAct.SavePicture", "InterAct.SaveVideo", "InterAct.SaveSheet"} <= set(known)
    bound = comfy.js("return app.extensionManager.keybinding?.keybindings?.map((k) => k.commandId) ?? []")
    assert not [name for name in bound if name.startswith("InterAct.")]
