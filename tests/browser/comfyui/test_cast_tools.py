"""What is done and said while one edits a cast, in ComfyUI's page, in both renderers: one visit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from interacthuman.tests.browser.comfy_page import complaints
from interacthuman.tests.browser.small_cast import edit
from interacthuman.tests.browser.window import Window
from interacthuman.tools.make_blueprint import FILE
from interacthuman.tools.make_workflows import ui_file

TOOLS = """
const command = (id) => app.extensionManager.command.execute(`InterAct.${id}`);
const prompt = async () => (await app.graphToPrompt()).output;
const panel = (text) => [...document.querySelectorAll(".interact-text")].find((one) => one.textContent.includes(text));
const told = async (text) => {
  for (let i = 0; i < 200 && !panel(text); i++) await new Promise((done) => setTimeout(done, 50));
  const all = [...document.querySelectorAll(".interact-text")];
  return panel(text)?.textContent ?? all.map((one) => one.textContent).join();
};
const open = async (graph, name) => {
  await app.loadGraphData(graph, true, true, name);
  await new Promise((done) => setTimeout(done, 500));
};
"""


def act(window: Window, body: str, argument: Any = None) -> Any:
    return edit(window, TOOLS + body, argument)


def test_a_cast_is_edited(comfy: Window, shots: Path) -> None:
    graph = json.loads(ui_file("one_character").read_text(encoding="utf-8"))
    act(comfy, "await open(arg, 'one');", graph)
    the_run_is_foretold(comfy)
    the_values_of_the_model_are_used(comfy)
    characters_are_added(comfy, shots)
    wires_have_their_colours(comfy)
    the_blueprint_is_a_character(comfy)
    every_lane_keeps_its_links(comfy)
    a_lane_is_added_with_a_character(comfy)
    assert complaints(comfy) == []


def the_run_is_foretold(window: Window) -> None:
    """Mira speaks for 3.296 s: 83 frames, 85 of the form 4n+1; 22 latent frames in windows of 19 that share 6."""
    text = act(window, "return told('frames');")
    assert text == "85 frames, 3.40 s at 25 fps, in 2 windows.Mira: 0.00-3.30 s."
    act(window, "const one = widget(encoder(), 'length'); one.value = 49; one.callback(49);")
    assert "Mira speaks until 3.30 s, but the video ends at 1.96 s" in act(window, "return told('until');")


def the_values_of_the_model_are_used(window: Window) -> None:
    """Of the 20 steps of the model 13 are left at the denoise of 0.65."""
    said = act(
        window,
        """
        all("InterActLoadDiT")[0].collapse();
        const put = (type, name, value) => {
          const one = widget(all(type)[0], name);
          one.value = value; one.callback(value);
        };
        put("InterActSampler", "steps", 7); put("InterActEncodeCharacters", "width", 320);
        return told("was made for");
        """,
    )
    assert "theatre_adapter.safetensors was made for" in said
    assert "steps 13 (here 7)" in said and "width 192 (here 320)" in said
    found = act(
        window,
        """
        await command("UseModelValues");
        for (let i = 0; i < 100 && panel("was made for"); i++) await new Promise((done) => setTimeout(done, 50));
        const values = [widget(all("InterActSampler")[0], "steps").value, widget(encoder(), "width").value];
        return [...values, !panel("was made for")];
        """,
    )
    assert found == [13, 192, True]
    said = act(
        window,
        """
        const toasts = app.extensionManager.toast, show = toasts.add, heard = [];
        toasts.add = (one) => heard.push(one.detail);
        const sampler = all("InterActSampler")[0], steps = widget(sampler, "steps");
        const driver = add("PrimitiveInt");
        driver.widgets[0].value = 7;
        wire(driver, sampler, "steps");
        await command("UseModelValues");
        widget(encoder(), "width").value = 320;
        await command("UseModelValues");
        graph().remove(driver);
        steps.value = 13;
        await command("UseModelValues");
        toasts.add = show;
        return heard;
        """,
    )
    left = "Not set, as a link gives the value, the node is missing or this ComfyUI does not offer it: "
    assert said[0] == f"{left}steps 13 (here 7)."
    assert said[1].endswith(f": 1. {left}steps 13 (here 7).") and said[2].startswith("Everything is already")


def characters_are_added(window: Window, shots: Path) -> None:
    """Wired to the encoder and to the audio encoder that the others use, each under a name of its own."""
    menu = act(window, "return app.canvas.getNodeMenuOptions(encoder()).map((one) => one?.content);")
    assert {"Add character", "Colour characters", "Use the model's values"} <= set(menu)
    made = act(
        window,
        """
        const before = graph().nodes.length;
        await command("AddCharacter"); await settled();
        app.canvas.getNodeMenuOptions(encoder()).find((one) => one?.content === "Add character").callback();
        await settled();
        const sent = await prompt(), cast = sent[encoder().id].inputs;
        const people = characters();
        return {
          count: graph().nodes.length - before, names: names(), titles: people.map(({ title }) => title),
          sockets: people.map(({ id }, at) => String(cast[`characters.character_${at}`]?.[0]) === String(id)),
          encoders: all("InterActEncodeSpeech").map(({ id }) => sent[id].inputs.audio_encoder),
          colours: new Set(people.map(({ color }) => color)).size,
          groups: graph()._groups.map(({ title }) => title).filter((title) => /^Character/.test(title)),
          apart: people.slice(1).every(({ pos }, at) => pos[1] > people[at].pos[1] + 100),
        };
        """,
    )
    assert made == {
        "count": 8,
        "names": ["Mira", "Character 1", "Character 2"],
        "titles": ["Mira", "Character 1", "Character 2"],
        "sockets": [True, True, True],
        "encoders": [["4", 0]] * 3,
        "colours": 3,
        "groups": ["Character 1", "Character 2"],
        "apart": True,
    }
    act(
        window,
        "app.canvas.ds.scale = 0.45; app.canvas.ds.offset = [60, 160]; app.canvas.setDirty(true, true);",
    )
    window.page.wait_for_timeout(400)
    window.page.screenshot(path=str(shots / f"cast_tools_{window.renderer}.png"))


def wires_have_their_colours(window: Window) -> None:
    found = act(
        window,
        """
        const types = ["INTERACT_CHARACTER", "INTERACT_CAST", "INTERACT_MASKS"];
        const style = getComputedStyle(document.documentElement);
        return types.map((type) => [app.canvas.default_connection_color_byType[type],
          app.canvas.constructor.link_type_colors[type], style.getPropertyValue(`--color-datatype-${type}`).trim()]);
        """,
    )
    assert all(len(set(colours)) == 1 and colours[0].startswith("#") for colours in found)
    assert len({colours[0] for colours in found}) == 3


def the_blueprint_is_a_character(window: Window) -> None:
    """ComfyUI knows it, and its one node is sent as the four within."""
    blueprint = json.loads(FILE.read_text(encoding="utf-8"))
    known, sent, shown = act(
        window,
        """
        const offered = Object.values(await (await fetch("/api/global_subgraphs")).json());
        const known = offered.filter(({ name }) => name === "Talking character");
        await open(arg, "blueprint");
        const [node] = graph().nodes;
        return [known, await prompt(), node.widgets.map(({ name }) => name)];
        """,
        blueprint,
    )
    assert len(known) == 1
    by_type = {one["class_type"]: one["inputs"] for one in sent.values()}
    assert set(by_type) == {"LoadImage", "LoadAudio", "InterActEncodeSpeech", "InterActCharacter"}
    person = by_type["InterActCharacter"]
    assert [sent[person[name][0]]["class_type"] for name in ("speech", "image")] == [
        "InterActEncodeSpeech",
        "LoadImage",
    ]
    assert (
        by_type["InterActCharacter"]["audio_strength"] == 1.0
        and by_type["InterActEncodeSpeech"]["gain"] == 1.0
    )
    assert shown[:3] == ["name", "image", "audio"]


def a_lane_is_added_with_a_character(window: Window) -> None:
    """Where the others speak by a dialogue; and a lane that nobody speaks is taken first."""
    graph = json.loads(ui_file("dialogue").read_text(encoding="utf-8"))
    made = act(
        window,
        """
        await open(arg, "lanes of a cast");
        const [dialogue] = all("InterActDialogue"), before = graph().nodes.length;
        const person = () => characters().at(-1);
        const seen = async () => {
          await settled();
          const sent = await prompt(), lanes = JSON.parse(widget(dialogue, "dialogue").value).lanes;
          const at = characters().map(({ id }) => sent[id].inputs.speech.join());
          return [graph().nodes.length - before, lanes.map(({ name, clips }) => `${name} ${clips.length}`), at];
        };
        await command("AddCharacter");
        const first = await seen();
        graph().remove(characters()[1]); await settled();
        await command("AddCharacter");
        return [first, await seen(), document.querySelectorAll(".interact-dialogue .interact-track-name").length];
        """,
        graph,
    )
    assert made == [
        [2, ["Mira 2", "Tobi 2", "Character 1 0"], ["25,3", "25,4", "25,5"]],
        [3, ["Mira 2", "Tobi 2", "Character 1 0"], ["25,3", "25,5", "25,4"]],
        3,
    ]


def every_lane_keeps_its_links(window: Window) -> None:
    """Of a graph in API form whose listeners come before the dialogue; frames are those of an fps by a wire."""
    lanes = [{"name": name, "clips": []} for name in "ABC"]
    lanes[2]["clips"] = [{"file": "mira.wav [example]", "in": 0, "out": 1, "start": 0}]
    api = {
        "1": {"class_type": "PreviewAudio", "inputs": {"audio": ["9", 5]}},
        "2": {"class_type": "PrimitiveFloat", "inputs": {"value": 50.0}},
        "9": {
            "class_type": "InterActDialogue",
            "inputs": {"fps": ["2", 0], "length": 0, "dialogue": json.dumps({"lanes": lanes})},
        },
    }
    sent, status = act(
        window,
        """
        await app.loadApiJson(arg, "lanes");
        const shown = () => document.querySelector(".interact-dialogue .interact-status")?.textContent ?? "";
        const pause = () => new Promise((done) => setTimeout(done, 50));
        for (let i = 0; i < 100 && !shown().includes("53 frames"); i++) await pause();
        return [await prompt(), shown()];
        """,
        api,
    )
    assert sent["1"]["inputs"]["audio"] == ["9", 5]
    assert status == "3 lanes  ·  1.06 s  ·  53 frames"
