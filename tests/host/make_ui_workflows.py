"""The UI forms of the shipped graphs, made from their API forms in a real browser.

    python -m interacthuman.tests.host.make_ui_workflows [NAME ...]

needs Debian's chromium and the Python package playwright, which nothing else here does: run it after a change
of make_workflows.py and commit what it writes. test_workflows.py compares both forms without a browser.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from interacthuman.interact_core.theatre.server import ComfyServer
from interacthuman.tests.host.make_workflows import GRAPHS, WORKFLOWS

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.InstalledVersion": "1.47.12"}

NOTE = """# Two characters talk

**Picture, recording, character**: give each character a picture and a recording of its own. Add more
characters by copying a group and connecting it to *InterAct Encode Characters*; leave *speech* open for
somebody who is silent.

**Length** 0 is as long as the speech. **InterAct Preview Masks** shows where the model found everybody.

The theatre's models know puppets only. Their example files come into the input folder by
`python dev.py demo` or `python dev.py serve`; otherwise choose files of your own."""

# id: (x, y, width, height) in the graph's units; the page makes nodes higher where their widgets need it.
PLACES = {
    "1": (0, 0, 330, 130),
    "2": (0, 190, 330, 60),
    "5": (0, 310, 330, 240),
    "3": (0, 620, 330, 60),
    "4": (0, 740, 330, 60),
    "10": (420, 0, 300, 330),
    "11": (420, 390, 300, 140),
    "12": (760, 390, 300, 110),
    "13": (1100, 150, 300, 130),
    "20": (420, 640, 300, 330),
    "21": (420, 1030, 300, 140),
    "22": (760, 1030, 300, 110),
    "23": (1100, 790, 300, 130),
    "30": (1490, 0, 330, 260),
    "31": (1490, 320, 330, 480),
    "32": (1910, 0, 220, 50),
    "40": (1910, 120, 260, 120),
    "41": (2210, 0, 380, 400),
    "50": (1910, 520, 420, 560),
    "51": (2370, 520, 260, 120),
    "52": (2670, 520, 380, 400),
    "53": (2370, 720, 260, 360),
}
BOXES = {
    "Models": ("1", "2", "5", "3", "4"),
    "Mira": ("10", "11", "12", "13"),
    "Tobi": ("20", "21", "22", "23"),
    "Both in one video": ("30", "31"),
    "The video": ("32", "40", "41"),
    "Who was found where": ("50", "51", "52", "53"),
}
NOTE_PLACE = (0, 900, 330, 400)

SETTLE = """
async ([api, name, places, boxes, note, notePlace]) => {
  const app = window.app, pause = ms => new Promise(done => setTimeout(done, ms));
  await app.loadApiJson(api, name);
  await pause(1500);
  const graph = app.rootGraph ?? app.graph;
  const byId = id => graph.nodes.find(node => String(node.id) === id);
  for (const [id, [x, y, width, height]] of Object.entries(places)) {
    const node = byId(id), least = node.computeSize();
    node.pos = [x, y];
    node.setSize([Math.max(width, least[0]), Math.max(height, least[1])]);
    node.title = api[id]._meta.title;
    for (const widget of node.widgets ?? [])
      if (widget.name === "control_after_generate") widget.value = "fixed";
  }
  const paper = window.LiteGraph.createNode("MarkdownNote");
  graph.add(paper);
  paper.pos = notePlace.slice(0, 2);
  paper.setSize(notePlace.slice(2));
  paper.title = "Read me";
  paper.widgets[0].value = note;
  for (const [title, ids] of Object.entries(boxes)) {
    const group = new window.LiteGraph.LGraphGroup(title), nodes = ids.map(byId);
    const left = Math.min(...nodes.map(n => n.pos[0])), top = Math.min(...nodes.map(n => n.pos[1]));
    const right = Math.max(...nodes.map(n => n.pos[0] + n.size[0]));
    const bottom = Math.max(...nodes.map(n => n.pos[1] + n.size[1]));
    group.pos = [left - 20, top - 80];
    group.size = [right - left + 40, bottom - top + 100];
    graph.add(group);
  }
  await pause(500);
  const made = await app.graphToPrompt();
  await app.loadGraphData(JSON.parse(JSON.stringify(made.workflow)), true, true, name);
  await pause(1500);
  const again = await app.graphToPrompt();
  return {workflow: made.workflow, output: made.output, again: again.output};
}
"""


def plain(output: dict[str, Any]) -> dict[str, Any]:
    """A graph in API form without the titles, which depend on the language."""
    return {name: {key: node[key] for key in ("class_type", "inputs")} for name, node in output.items()}


def convert(page: Any, name: str) -> dict[str, Any]:
    """One graph's UI form. Raises ValueError where it does not say what the API form says."""
    api = GRAPHS[name]()
    found = page.evaluate(SETTLE, [api, name, PLACES, BOXES, NOTE, NOTE_PLACE])
    for form in ("output", "again"):
        if plain(found[form]) != plain(api):
            different = [node for node in api if plain(api)[node] != plain(found[form]).get(node)]
            raise ValueError(f"{name} ({form}) came back changed at {different}: {json.dumps(found[form])}")
    workflow = found["workflow"]
    workflow["extra"] = {}  # the view and the versions of this browser
    return workflow


def main(names: list[str]) -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = ComfyServer(Path(folder) / "server", start_timeout=3600)
        (server.user / "default").mkdir(parents=True)
        (server.user / "default" / "comfy.settings.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
        with server:
            browser = playwright.chromium.launch_persistent_context(
                str(Path(folder) / "browser"),
                executable_path=CHROMIUM,
                args=FLAGS,
                viewport={"width": 1800, "height": 1000},
            )
            page = browser.pages[0]
            page.set_default_timeout(600_000)
            inside = (server.address, "data:", "blob:")
            page.route(
                "**/*",
                lambda route: route.continue_() if route.request.url.startswith(inside) else route.abort(),
            )
            page.goto(server.address)
            ready = "window.app?.isGraphReady && window.app?.vueAppReady"
            page.wait_for_function(f"!!({ready} && window.LiteGraph?.registered_node_types?.InterActSampler)")
            for name in names:
                text = json.dumps(convert(page, name), indent=2) + "\n"
                (WORKFLOWS / f"{name}.json").write_text(text, encoding="utf-8")
                page.screenshot(path=str(WORKFLOWS.parent / "output" / f"{name}.png"))
            browser.close()


if __name__ == "__main__":
    main(sys.argv[1:] or list(GRAPHS))
