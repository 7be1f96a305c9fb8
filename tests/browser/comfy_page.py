"""ComfyUI's page in a browser: opened, filled with a workflow, run, and looked at."""

from __future__ import annotations

import json
import time
from typing import Any

from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tests.browser.window import PATIENCE, Window
from interacthuman.tests.support.models.model_files import ADAPTER, SPEECH, VAE, WAN

SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.InstalledVersion": "1.47.12",
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
}
SMALL = "/extensions/interacthuman/version.js"
READY = (
    "!!(window.app?.isGraphReady && window.app?.vueAppReady"
    " && window.LiteGraph?.registered_node_types?.InterActPreviewMasks"
    # Before the server has told the page its name, a run's events go nowhere.
    " && window.comfyAPI?.api?.api?.clientId && window.comfyAPI.api.api.socket?.readyState === 1"
    # The graph that ComfyUI begins with comes late on a busy machine, and would replace the one that a test opened.
    " && window.app.extensionManager?.workflow?.activeWorkflow && window.app.rootGraph?.nodes.length)"
)
# Two characters on the tiny models: seconds instead of minutes.
TINY = {
    "InterActLoadDiT": {"model_name": WAN, "adapter_name": ADAPTER},
    "UNETLoader": {"unet_name": WAN},
    "InterActApplyAdapter": {"adapter_name": ADAPTER},
    "VAELoader": {"vae_name": VAE},
    "InterActLoadWav2Vec2": {"audio_encoder_name": SPEECH},
    "InterActEncodeCharacters": {"width": 64, "height": 48, "length": 9},
}
TINY_PARTS = {"InterActEncodeCharacters": {"length": 17}, "InterActNextPart": {"length": 13}}
"""Two parts of a tiny film that share nine frames."""
HELPERS = """
const { api } = window.comfyAPI.api;
const all = [];
const walkAll = (graph) => graph.nodes.forEach((node) => (all.push(node), node.subgraph && walkAll(node.subgraph)));
walkAll(app.rootGraph);
const of = (type) => all.filter((node) => node.type === type);
const set = (type, values) => of(type).forEach((node) => Object.entries(values).forEach(([name, value]) => {
  node.widgets.find((widget) => widget.name === name).value = value;
}));
// Some of the page's own: then it has laid out and drawn what was changed, however busy the machine is.
const frames = async (count = 8) => { while (count--) await new Promise(requestAnimationFrame); };
const run = () => new Promise((done) => {
  const ends = ["execution_success", "execution_error", "execution_interrupted"];
  const end = (event) => (ends.forEach((name) => api.removeEventListener(name, end)), done(event.type));
  ends.forEach((name) => api.addEventListener(name, end));
  setTimeout(() => end({ type: "no end in a minute" }), 60_000);
  app.queuePrompt(0, 1);
});
"""


def open_page(tab: Any, server: ComfyServer, renderer: str) -> Window:
    """ComfyUI's page with a renderer, "canvas" or "nodes2", as if nothing had been done in it yet."""
    place = server.user / "default" / "comfy.settings.json"  # which a page reads whenever it loads
    place.parent.mkdir(parents=True, exist_ok=True)
    settings = {**SETTINGS, "Comfy.VueNodes.Enabled": renderer == "nodes2"}
    place.write_text(json.dumps(settings), encoding="utf-8")
    window = Window(tab, server.address, SMALL, renderer=renderer)
    tab.goto(server.address + SMALL)
    window.js("localStorage.clear(); sessionStorage.clear();")  # the tabs that a page before left open
    load(window)
    return window


def load(window: Window) -> None:
    window.page.goto(window.address)
    window.page.wait_for_function(READY)
    window.js(
        "window.steps = []; window.ends = [];"
        "const { api } = window.comfyAPI.api;"
        "api.addEventListener('interact.step', ({detail}) => steps.push({...detail, seen: performance.now()}));"
        "api.addEventListener('interact.end', ({detail}) => ends.push(detail));"
    )


def in_page(window: Window, body: str, argument: Any = None) -> Any:
    return window.js(HELPERS + body, argument)


def open_graph(window: Window, graph: dict[str, Any], name: str, steps: int = 4, seed: int = 1) -> None:
    """Opens a workflow, on the tiny models, with the viewer in the middle of the page."""
    window.js("await app.loadGraphData(arg[0], true, true, arg[1]);", [graph, name])
    in_page(window, "await frames(); window.steps.length = window.ends.length = 0;")
    tiny = {**TINY, "InterActSampler": {"steps": steps, "seed": seed}}
    in_page(window, "for (const [type, values] of Object.entries(arg)) set(type, values)", tiny)
    look_at_viewer(window)


def slow_down(window: Window) -> None:
    """Ten steps a second at most: a run is still going on when the page comes to look, and leaves it the machine."""
    in_page(
        window,
        """
        const [sampler] = of("InterActSampler"), slow = LiteGraph.createNode("TestUnhurried");
        app.rootGraph.add(slow);
        slow.pos = [0, -2000];
        const model = sampler.inputs.findIndex(({ name }) => name === "model");
        sampler.getInputNode(model).connect(sampler.getInputLink(model).origin_slot, slow, 0);
        slow.connect(0, sampler, model);
        """,
    )


def look_at_viewer(window: Window, width: int = 500, zoom: float = 1.0) -> None:
    in_page(
        window,
        """
        const [node] = of("InterActPreviewMasks");
        node.setSize([arg[0], 700]);
        app.canvas.ds.scale = arg[1];
        app.canvas.ds.offset = [60 / arg[1] - node.pos[0], 120 / arg[1] - node.pos[1]];
        app.canvas.setDirty(true, true);
        await frames();
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
    """What is on the viewer's canvas, once it stays: a busy machine decodes and draws a while longer."""
    canvas, before, now = viewer(window).locator(".interact-stage canvas"), "", "not looked at"
    while now != before:
        before = now
        window.page.wait_for_timeout(250)
        now = canvas.evaluate("canvas => canvas.toDataURL()")
    return now


def wait_for_picture(window: Window, wanted: str) -> None:
    """Wait for what `picture` gave before: what stays on the canvas for a while may still be the one before it."""
    began = time.monotonic()
    while picture(window) != wanted:
        assert time.monotonic() - began < PATIENCE / 1000, "the viewer's canvas shows another picture"


def wait_for_status(window: Window, words: str) -> None:
    viewer(window).locator(".interact-status", has_text=words).wait_for(timeout=PATIENCE)


def complaints(window: Window) -> list[str]:
    """Warnings and errors that are ours: they name us, nobody caught them, or the server failed over us.

    Not core's own word about every bypassed node, which names the type that it looked for.
    """
    ours = ("interact", "exception", "internal server error", "jobs api")
    lines = [line for line in window.complaints() if "[ExecutableNodeDTO" not in line]
    return [line for line in lines if any(word in line.lower() for word in ours)]


def overlapping(window: Window, among: str = "all") -> list[list[Any]]:
    """Pairs of nodes, by their types, that share a place, and how high that is; of a folded node that is its title's.

    among: JavaScript for the nodes that are looked at.
    """
    return in_page(
        window,
        f"""
        const bar = LiteGraph.NODE_TITLE_HEIGHT;
        const size = (node) => (node.flags.collapsed ? [node._collapsed_width || node.size[0], 0] : node.size);
        const places = {among}.map((node) =>
          [node.type, node.pos[0], node.pos[1] - bar, size(node)[0], size(node)[1] + bar]);
        const apart = (one, length, other, wide) => one + length <= other + 1 || other + wide <= one + 1;
        return places.flatMap(([type, x, y, width, height], number) => places.slice(0, number)
          .filter(([, left, top, wide, high]) => !apart(x, width, left, wide) && !apart(y, height, top, high))
          .map(([other, , top, , high]) => [type, other, Math.min(y + height, top + high) - Math.max(y, top)]));
        """,
    )
