"""The UI forms of the shipped graphs, made from their API forms in a real browser.

    python -m interacthuman.tools.make_ui_workflows [NAME ...]

needs Debian's chromium and the Python package playwright: run it after a change of make_workflows.py or
graphs/pages.py and commit what it writes. Pictures of the canvas go to output/workflows/. test_workflows.py
compares both forms without a browser.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tools.graphs.converted_graphs import is_muted
from interacthuman.tools.graphs.layout import plan, size_of
from interacthuman.tools.graphs.public_files import models_of
from interacthuman.tools.make_public_workflows import ALL, ALL_PAGES, WHOLE
from interacthuman.tools.make_workflows import WORKFLOWS, ui_file

logger = logging.getLogger(__name__)

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.InstalledVersion": "1.47.12",
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
}
VIEW = {"width": 2400, "height": 1200}
FOR_THE_PAGE = ("upload", "audioUI")  # widgets of Load Image and Load Audio
NO_ID = "00000000-0000-0000-0000-000000000000"  # the frontend then makes up one whenever it opens the graph

OPEN = """
async ([api, name]) => {
  await window.app.loadApiJson(api, name);
  await new Promise(done => setTimeout(done, 1500));
  const nodes = window.app.rootGraph.nodes;
  return Object.fromEntries(nodes.map(node => [String(node.id), [node.title, [...node.computeSize()]]]));
}
"""
SETTLE = """
async ([api, name, nodes, models, muted, folded, boxes, notes]) => {
  const app = window.app, pause = ms => new Promise(done => setTimeout(done, ms));
  const graph = app.rootGraph;
  for (const [id, [x, y, width, height]] of Object.entries(nodes)) {
    const node = graph.nodes.find(node => String(node.id) === id);
    node.pos = [x, y];
    node.setSize([width, height]);
    node.title = api[id]._meta.title;
    for (const widget of node.widgets ?? [])
      if (widget.name === "control_after_generate") widget.value = "fixed";
    if (models[id].length) node.properties.models = models[id];
    if (muted.includes(id)) node.mode = window.LiteGraph.NEVER;
    if (folded.includes(id)) node.flags.collapsed = true;
  }
  for (const [title, text, [x, y, width, height]] of notes) {
    const paper = window.LiteGraph.createNode("MarkdownNote");
    graph.add(paper);
    paper.pos = [x, y];
    paper.setSize([width, height]);
    paper.title = title;
    paper.widgets[0].value = text;
  }
  for (const [title, [x, y, width, height]] of Object.entries(boxes)) {
    const group = new window.LiteGraph.LGraphGroup(title);
    group.pos = [x, y];
    group.size = [width, height];
    graph.add(group);
  }
  const {colourCasts} = await import("/extensions/interacthuman/characters/colours.js");
  colourCasts(graph);
  await pause(500);
  const made = await app.graphToPrompt();
  await app.loadGraphData(JSON.parse(JSON.stringify(made.workflow)), true, true, name);
  await pause(1500);
  const again = await app.graphToPrompt();
  return {workflow: made.workflow, output: made.output, again: again.output};
}
"""
LOOK = """
async ([left, top, right, bottom]) => {
  const {ds, canvas} = window.app.canvas, margin = 60;
  const width = canvas.clientWidth - 2 * margin, height = canvas.clientHeight - 2 * margin;
  ds.scale = Math.min(width / (right - left), height / (bottom - top));
  ds.offset = [margin / ds.scale - left, margin / ds.scale - top];
  window.app.canvas.setDirty(true, true);
  await new Promise(done => setTimeout(done, 1000));
}
"""


def plain(output: dict[str, Any]) -> dict[str, Any]:
    """A graph in API form without the titles, which depend on the language, and what the page adds for itself."""
    return {
        name: {
            "class_type": node["class_type"],
            "inputs": {key: value for key, value in node["inputs"].items() if key not in FOR_THE_PAGE},
        }
        for name, node in output.items()
    }


def convert(page: Any, name: str) -> dict[str, Any]:
    """One graph's UI form, which the page then shows. Raises ValueError where it says something else."""
    api, whole = ALL[name](), WHOLE[name]()
    needed = page.evaluate(OPEN, [whole, name])
    sizes = {
        key: size_of(whole[key]["class_type"], max(title, whole[key]["_meta"]["title"], key=len), tuple(size))
        for key, (title, size) in needed.items()
    }
    made = plan(ALL_PAGES[name], sizes)
    models = {key: models_of(node) for key, node in whole.items()}
    muted = [key for key, node in whole.items() if is_muted(node)]
    notes = [[note.title, note.text, made.notes[note.title]] for note in ALL_PAGES[name].notes]
    folded = sorted(ALL_PAGES[name].folded)
    found = page.evaluate(SETTLE, [whole, name, made.nodes, models, muted, folded, made.boxes, notes])
    for form in ("output", "again"):
        if plain(found[form]) != plain(api):
            different = [node for node in api if plain(api)[node] != plain(found[form]).get(node)]
            raise ValueError(f"{name} ({form}) came back changed at {different}: {json.dumps(found[form])}")
    boxes = [*made.boxes.values(), *made.notes.values()]
    edges = [min(box[0] for box in boxes), min(box[1] for box in boxes)]
    page.evaluate(
        LOOK, [*edges, max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)]
    )
    # without the view and the versions of this browser
    return {**found["workflow"], "id": NO_ID, "extra": {}}


def main(names: list[str]) -> None:
    from playwright.sync_api import sync_playwright

    pictures = WORKFLOWS.parent / "output" / "workflows"
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = ComfyServer(Path(folder) / "server", start_timeout=3600)
        (server.user / "default").mkdir(parents=True)
        (server.user / "default" / "comfy.settings.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
        with server:
            browser = playwright.chromium.launch_persistent_context(
                str(Path(folder) / "browser"), executable_path=CHROMIUM, args=FLAGS, viewport=VIEW
            )
            page = browser.pages[0]
            page.set_default_timeout(600_000)
            inside = (server.address, "data:", "blob:")
            page.route(
                "**/*",
                lambda route: route.continue_() if route.request.url.startswith(inside) else route.abort(),
            )
            page.goto(server.address)
            # ComfyUI's own first graph comes last, and would replace one that is opened before it.
            ready = (
                "window.app?.isGraphReady && window.app?.vueAppReady && window.app.rootGraph?.nodes.length"
            )
            page.wait_for_function(f"!!({ready} && window.LiteGraph?.registered_node_types?.InterActSampler)")
            for name in names:
                text = json.dumps(convert(page, name), indent=2, ensure_ascii=False) + "\n"
                ui_file(name).write_text(text, encoding="utf-8")
                page.screenshot(path=str(pictures / f"{name}.png"))
                logger.info("wrote %s", ui_file(name).name)
            browser.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(sys.argv[1:] or list(ALL))
