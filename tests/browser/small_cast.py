"""A small graph that is edited in the page: three characters, each with a picture of its own."""

from __future__ import annotations

from typing import Any

from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tests.browser.window import Window
from interacthuman.tests.support.models.model_files import VAE

REDS = {"Ann": 200, "Bob": 100, "Cid": 50}
"""Of each picture, 0..255: told from them, who is meant by a name."""

TOOLS = """
const graph = () => app.rootGraph;
const all = (type) => graph().nodes.filter((node) => node.type === type);
const characters = () => all("InterActCharacter");
const encoder = () => all("InterActEncodeCharacters")[0];
const add = (type) => { const node = LiteGraph.createNode(type); graph().add(node); return node; };
const slot = (node, name) => node.inputs.findIndex((input) => input.name === name);
const wire = (from, to, name) => from.connect(0, to, slot(to, name));
const socket = (from, number) => wire(from, encoder(), `characters.character_${number}`);
const pack = (...nodes) => graph().convertToSubgraph(new Set(nodes)).node;
const copy = (...nodes) => {
  app.canvas.selectItems(nodes); app.canvas.copyToClipboard(); app.canvas.pasteFromClipboard();
};
const widget = (node, name) => node.widgets.find((one) => one.name === name);
const settled = async () => { for (let i = 0; i < 4; i++) await new Promise(requestAnimationFrame); };
const tracker = () => app.extensionManager.workflow.activeWorkflow.changeTracker;
const capture = async () => { await settled(); tracker().captureCanvasState(); };
const everyone = (inside = graph()) => inside.nodes.flatMap((node) =>
  node.subgraph ? everyone(node.subgraph) : /^InterAct(Character|Region)$/.test(node.type) ? [node] : []);
const names = () => everyone().map((node) => widget(node, "name").value);
const said = () => everyone().map((node) => node.badges.map((one) => typeof one === "function" ? one() : one)
  .map(({ text }) => text).find((text) => /renam|改/.test(text)) ?? "");
"""

ALL, MUTED, BYPASSED = "Ann Bob Cid", 2, 4
REROUTE = "const way = add('Reroute'); wire(characters()[0], way, ''); way.connect(0, encoder(), 0);"
SWITCH = (
    "const [one, other] = characters(), way = add('ComfySwitchNode'); wire(one, way, 'on_false');"
    "wire(other, way, 'on_true'); await settled(); encoder().disconnectInput(1); await settled(); socket(way, 0);"
)
ANY = (
    "const way = add('TestAnySwitch'); wire(characters()[0], way, 'any_1'); await settled(); socket(way, 0);"
)
EDITS = {
    "nothing": ("", ALL),
    **{
        f"muted {place}": (f"characters()[{place}].mode = {MUTED}", left)
        for place, left in enumerate(("Bob Cid", "Ann Cid", "Ann Bob"))
    },
    "bypassed": (f"characters()[1].mode = {BYPASSED}", "Ann Cid"),
    "first removed": ("graph().remove(characters()[0])", "Bob Cid"),
    "middle removed": ("graph().remove(characters()[1])", "Ann Cid"),
    "last removed": ("graph().remove(characters()[2])", "Ann Bob"),
    "two removed at once": ("characters().slice(0, 2).forEach((one) => graph().remove(one))", "Cid"),
    "first to the end": ("encoder().disconnectInput(0); socket(characters()[0], 3)", "Bob Cid Ann"),
    "swapped": ("const [a, b] = characters(); socket(a, 1); socket(b, 0)", "Bob Ann Cid"),
    "wired again": ("encoder().disconnectInput(0); socket(characters()[0], 0)", ALL),
    "reroute": (REROUTE, ALL),
    "muted before a reroute": (f"{REROUTE} characters()[0].mode = {MUTED}", "Bob Cid"),
    "in a subgraph": ("pack(characters()[1])", ALL),
    "two in a subgraph": ("pack(characters()[0], characters()[2])", ALL),
    "muted in a subgraph": (
        f"pack(characters()[1]).subgraph.nodes[0].mode = {MUTED}",
        "Ann Cid",
    ),
    "subgraph muted": (f"pack(characters()[1]).mode = {MUTED}", "Ann Cid"),
    "subgraph bypassed": (f"pack(characters()[1]).mode = {BYPASSED}", "Ann Cid"),
    "out of a subgraph": (
        "const around = pack(characters()[0]); await settled(); graph().unpackSubgraph(around)",
        ALL,
    ),
    "encoder in a subgraph": ("pack(encoder())", ALL),
    "encoder and one in a subgraph": ("pack(encoder(), characters()[2])", ALL),
    "encoder out of a subgraph": (
        "const around = pack(encoder()); await settled(); graph().unpackSubgraph(around)",
        ALL,
    ),
    "all copied": (
        "const old = [...graph().nodes]; copy(...old); await settled(); old.forEach((one) => graph().remove(one))",
        ALL,
    ),
    "removal undone": (
        "graph().remove(characters()[1]); await capture(); await tracker().undo()",
        ALL,
    ),
    "switch": (SWITCH, "Ann Cid"),
    "other side of the switch": (f"{SWITCH} widget(way, 'switch').value = true", "Bob Cid"),
    "switch of another pack": (ANY, ALL),
    "nothing behind a switch": (f"{ANY} characters()[0].mode = {MUTED}", "Bob Cid"),
}
"""What is done to the graph, in JS, and who is in the cast then."""

DRAWN = (
    *("nothing", "muted 0", "two removed at once", "swapped", "reroute", "two in a subgraph"),
    *("encoder out of a subgraph", "all copied", "removal undone", "switch of another pack"),
)
"""Of EDITS, one of each kind: sockets grow, nodes are made anew, or go elsewhere."""


def api() -> dict[str, dict[str, Any]]:
    """In API form."""
    made: dict[str, dict[str, Any]] = {}

    def add(number: int, kind: str, **inputs: Any) -> None:
        made[str(number)] = {"class_type": kind, "inputs": inputs}

    for number, (name, red) in enumerate(REDS.items()):
        picture = {"width": 64, "height": 48, "batch_size": 1, "color": red << 16}
        add(10 + number, "EmptyImage", **picture)
        add(20 + number, "InterActCharacter", image=[f"{10 + number}", 0], name=name, audio_strength=1.0)
    sockets = {f"characters.character_{number}": [f"{20 + number}", 0] for number in range(len(REDS))}
    add(1, "VAELoader", vae_name=VAE)
    video = {"width": 64, "height": 48, "length": 5, "fps": 25.0}
    more = {"negative_references": "shown", "scene_gain": 1.0, "feed_scene": False}
    add(2, "InterActEncodeCharacters", **sockets, vae=["1", 0], **video, **more)
    add(3, "TestCast", cast=["2", 3])
    return made


def prepare(window: Window) -> None:
    """Makes the graph's UI form in the page, where `open_cast` finds it."""
    window.js(
        "await app.loadApiJson(arg, 'cast'); await new Promise((done) => setTimeout(done, 500));"
        "sessionStorage.cast = JSON.stringify(app.rootGraph.serialize());",
        api(),
    )


def edit(window: Window, body: str, argument: Any = None) -> Any:
    return window.js(TOOLS + body, argument)


def open_cast(window: Window) -> None:
    """Opens the graph as it was saved, in the tab that is open."""
    edit(
        window,
        "const { activeWorkflow } = app.extensionManager.workflow;"
        "await app.loadGraphData(JSON.parse(sessionStorage.cast), true, true, activeWorkflow); await capture();",
    )


def cast_of(window: Window, server: ComfyServer) -> dict[str, int]:
    """Who is in the cast of the graph as it would be queued now, in order, with the red of each picture."""
    output = edit(window, "await settled(); return (await app.graphToPrompt()).output;")
    (told,) = [found for found in server.run(output).values() if "reds" in found]
    return dict(zip(told["names"], told["reds"], strict=True))


def edited_cast(window: Window, server: ComfyServer, name: str) -> list[tuple[str, int]]:
    """Who is in the cast after one of EDITS, with the red of each picture."""
    open_cast(window)
    edit(window, EDITS[name][0])
    return list(cast_of(window, server).items())
