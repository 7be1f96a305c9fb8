"""What nodes say is seen under them, in both renderers, in English and in Chinese: one run with all there is to say."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tests.browser.comfy_page import complaints, in_page, open_graph, overlapping
from interacthuman.tests.browser.window import PATIENCE, Window
from PIL import Image

SPOILED = """
const add = (type, x, y) => {
  const node = LiteGraph.createNode(type);
  app.rootGraph.add(node);
  node.pos = [x, y];
  return node;
};
const into = (from, output, to, name) => from.connect(output, to, to.inputs.findIndex((i) => i.name === name));
const [encode] = of("InterActEncodeCharacters"), [mira, tobi] = of("InterActCharacter");
const [speech, late] = of("InterActEncodeSpeech"), [example] = of("InterActExample");
const value = (node, name, given) => (node.widgets.find((widget) => widget.name === name).value = given);
for (const [name, given] of [["width", 71], ["height", 41], ["length", 6], ["fps", 30]]) value(encode, name, given);
set("InterActSampler", { stage_boundary: 1 });
value(late, "start_time", 100);
const picture = add("LoadImage", -900, 0), core = add("TestWithoutSound", -900, 900);
value(picture, "image", "cut_out.png");
into(picture, 0, mira, "image");
into(picture, 1, mira, "mask");
into(picture, 0, tobi, "image");
const cat = add("InterActCharacter", -500, 900), pick = add("InterActPickPerson", -500, 0);
value(cat, "name", "Cat");
into(speech, 0, core, "speech");
into(example, 0, cat, "image");
into(core, 0, cat, "speech");
into(picture, 1, pick, "masks");
into(pick, 0, cat, "layout");
into(cat, 0, encode, "characters.character_2");
const [loader] = of("InterActLoadDiT"); // which is folded to its title
loader.collapse();
loader.pos = [-900, 1400];
"""
SEEN = """
const found = {};
for (const node of all.filter(({ type }) => type.startsWith("InterAct"))) {
  const { ds } = app.canvas;
  ds.scale = 1;
  ds.offset = [300 - node.pos[0], 800 - node.pos[1] - node.size[1]];
  app.canvas.setDirty(true, true);
  const widget = node.widgets?.find(({ name }) => name === "interact_text");
  if (!widget || widget.element.hidden) continue;
  await frames();
  const lines = [...widget.element.querySelectorAll("p")].map((line) => {
    line.scrollIntoView({ block: "nearest" });
    const { left, top, width, height } = line.getBoundingClientRect();
    const hit = document.elementFromPoint(left + width / 2, top + height / 2);
    return hit === line ? line.textContent : `hidden by ${hit?.outerHTML.slice(0, 200)}: ${line.textContent}`;
  });
  widget.element.scrollTop = 0;
  (found[node.type] ??= []).push(lines);
}
return found;
"""
CUT = r"\d+\.\d\d(?= s after the end| 秒被剪掉)"
EXPECTED = Path(__file__).with_name("node_texts.json")
"""By language and type of node what is said under each node of the type, a line each."""


@pytest.fixture(scope="module", autouse=True)
def cut_out(server: ComfyServer) -> None:
    """A red person who stands on nothing."""
    pixels = np.full((96, 64, 4), (0, 160, 0, 0), np.uint8)
    pixels[20:80, 20:44] = (200, 40, 40, 255)
    Image.fromarray(pixels).save(server.input / "cut_out.png")


def seen(window: Window) -> dict[str, list[list[str]]]:
    """The lines under each node by its type, with CUT for how much is cut off a recording."""
    found = in_page(window, SEEN)
    speeches = found.pop("InterActEncodeSpeech")
    assert [len(lines) >= 1 for lines in speeches] == [True, True] and re.search(r"100\.00", speeches[1][0])
    (lines,) = found["InterActEncodeCharacters"]
    lines[-2:] = [re.sub(CUT, "CUT", line) for line in lines[-2:]]
    return found


def soon(window: Window, expected: dict[str, list[list[str]]]) -> dict[str, list[list[str]]]:
    """What is seen once it is as expected, or after PATIENCE: ComfyUI exchanges texts when it comes to it."""
    until = time.monotonic() + PATIENCE / 1000
    while (found := seen(window)) != expected and time.monotonic() < until:
        window.page.wait_for_timeout(300)
    return found


def shoot(window: Window, path: Path) -> None:
    """Encode Characters and what is around it."""
    window.js("app.canvas.ds.scale = 1; app.canvas.ds.offset = [-700, 60]; app.canvas.setDirty(true, true);")
    window.page.wait_for_timeout(500)
    window.page.screenshot(path=str(path))


def test_everything_is_said_under_its_node_in_two_languages(
    comfy: Window, server: ComfyServer, graph: dict[str, Any], shots: Path
) -> None:
    server.free()  # of nodes behind a node that is cached ComfyUI sends nothing to another page
    open_graph(comfy, graph, "texts", steps=2, seed=7 if comfy.renderer == "canvas" else 8)
    assert in_page(comfy, f"{SPOILED} return await run();") == "execution_success"
    for language, expected in json.loads(EXPECTED.read_text(encoding="utf-8")).items():
        comfy.js("await app.extensionManager.setting.set('Comfy.Locale', arg)", language)
        comfy.page.wait_for_timeout(1000)  # ComfyUI makes the graph's nodes anew
        told = soon(comfy, expected)
        shoot(comfy, shots / f"texts_{comfy.renderer}_{language}.png")
        assert told == expected
        assert overlapping(comfy, "all.filter((node) => node.pos[0] > -100)") == []
    comfy.js("await app.extensionManager.setting.set('Comfy.Locale', 'en')")
    comfy.page.wait_for_timeout(1000)  # ComfyUI makes the graph's nodes anew
    assert complaints(comfy) == []


def test_a_node_that_comes_from_the_cache_says_it_again_and_null_is_said(comfy: Window) -> None:
    """Behind the run above: null can be sent only from outside, here as if this page had queued it."""
    said = in_page(
        comfy,
        """
        const { output, workflow } = await app.graphToPrompt();
        const [encode] = of("InterActEncodeCharacters");
        const inputs = output[String(encode.id)].inputs;
        inputs["characters.character_0"] = null;
        const done = new Promise((end) => api.addEventListener("execution_success", end, { once: true }));
        await api.fetchApi("/prompt", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({
            prompt: output, client_id: api.clientId, extra_data: { extra_pnginfo: { workflow } },
          }),
        });
        await done;
        const panel = (node) => node.widgets?.find(({ name }) => name === "interact_text")?.element;
        const said = ({ id }) =>  // of the node that is there now: another language makes all of them anew
          [...(panel(app.rootGraph.getNodeById(id))?.querySelectorAll("p") ?? [])].map((line) => line.textContent);
        for (let wait = 0; wait < 300 && !said(encode)[0]?.includes("left out"); wait++)
          await new Promise((end) => setTimeout(end, 200));
        return [said(encode)[0], said(of("InterActCharacter")[0])[0]];
        """,
    )
    assert said[0] == "character_0 was left out, as nothing comes from the node connected to it."
    assert said[1].startswith("The mask of 'Mira' kept the background")


def test_an_error_is_said_under_its_node_in_place_of_what_it_said_before(comfy: Window, shots: Path) -> None:
    ended = in_page(comfy, "set('InterActEncodeCharacters', { feed_scene: true }); return await run();")
    assert ended == "execution_error"
    comfy.page.wait_for_timeout(1500)
    shoot(comfy, shots / f"texts_{comfy.renderer}_error.png")
    assert in_page(comfy, SEEN)["InterActEncodeCharacters"] == [
        ["feed_scene is on, but scene_audio is not connected: connect it or turn feed_scene off."]
    ]
