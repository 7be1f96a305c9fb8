"""InterAct Dialogue in ComfyUI's page, in both renderers: a whole session of an artist, in one visit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.interact_core.speech.dialogue import read_dialogue
from interacthuman.tests.browser.comfy_page import complaints, in_page
from interacthuman.tests.browser.small_cast import edit
from interacthuman.tests.browser.window import Window

TOOLS = """
const node = () => all("InterActDialogue")[0];
const value = () => JSON.parse(widget(node(), "dialogue").value || "null");
const labels = () => node().outputs.map(({ name, label }) => label || name);
const surface = () => document.querySelector(".interact-dialogue .interact-surface");
const shown = () => document.querySelector(".interact-dialogue .interact-status").textContent;
const tone = (name, seconds, pitch) => {
  const rate = 16000, count = Math.round(seconds * rate), view = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (at, letters) => [...letters].forEach((one, n) => view.setUint8(at + n, one.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * count, true); text(8, "WAVEfmt "); view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); view.setUint16(22, 1, true); view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  text(36, "data"); view.setUint32(40, 2 * count, true);
  for (let at = 0; at < count; at++) {
    const syllable = Math.max(0, Math.sin(at / rate * 14 + pitch)) ** 2 * (0.5 + 0.5 * Math.sin(at * at * pitch));
    view.setInt16(44 + 2 * at, 20000 * syllable * Math.sin(at * pitch / 40), true);
  }
  return new File([view.buffer], name, { type: "audio/wav" });
};
const drop = async (lane, ratio, ...files) => {
  const data = new DataTransfer();
  files.forEach((file) => data.items.add(file));
  const box = surface().getBoundingClientRect(), lanes = value()?.lanes.length ?? 2;
  const at = { clientX: box.left + ratio * box.width, clientY: box.top + (lane + 0.5) / lanes * box.height };
  const event = (kind) => new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data, ...at });
  surface().dispatchEvent(event("dragover")); surface().dispatchEvent(event("drop"));
};
const press = async (...keys) => {
  for (const key of keys) {
    const [, ctrl, shift, name] = /^(Ctrl\\+)?(Shift\\+)?(.+)$/.exec(key);
    const more = { key: name, ctrlKey: Boolean(ctrl), shiftKey: Boolean(shift), bubbles: true, cancelable: true };
    surface().dispatchEvent(new KeyboardEvent("keydown", more));
  }
  await settled();
};
"""


def act(window: Window, body: str, argument: Any = None) -> Any:
    return edit(window, TOOLS + body, argument)


@pytest.fixture(scope="module")
def page(comfy: Window) -> Window:
    """A graph with a dialogue whose first two voices are listened to, and so is the mix."""
    api = {
        "1": {"class_type": "InterActDialogue", "inputs": {"fps": 25.0, "length": 0, "dialogue": ""}},
        "2": {"class_type": "PreviewAudio", "inputs": {"audio": ["1", 0]}},
        "3": {"class_type": "PreviewAudio", "inputs": {"audio": ["1", 3]}},
        "4": {"class_type": "PreviewAudio", "inputs": {"audio": ["1", 4]}},
    }
    comfy.js(
        "await app.loadApiJson(arg, 'dialogue'); await new Promise((done) => setTimeout(done, 500));", api
    )
    act(
        comfy,
        """
        all("PreviewAudio").forEach((one, at) => (one.pos = [900, 40 + 220 * at]));
        node().pos = [60, 60]; app.canvas.ds.scale = 1; app.canvas.ds.offset = [40, 40];
        app.canvas.setDirty(true, true);
        await settled();
        """,
    )
    return comfy


LINKS = (
    "node().outputs.map(({ links }) => (links ?? []).map((id) => String(graph().links.get(id).target_id)))"
)


def test_an_artist_makes_a_dialogue(page: Window, server: ComfyServer, shots: Path) -> None:
    assert act(page, "return [labels(), widget(node(), 'dialogue').hidden];") == [
        ["audio", "length", "fps", "Character 1", "Character 2"],
        True,
    ]
    recordings_are_dropped(page, server.folder / "input" / "dialogue")
    keys_edit_the_clip_that_is_selected(page)
    the_mouse_drags_and_the_playhead_splits(page)
    clips_are_arranged(page)
    sockets_go_and_come_with_their_lanes(page)
    page.page.wait_for_timeout(300)
    page.page.screenshot(path=shots / f"dialogue_{page.renderer}.png")
    it_is_saved_opened_and_run(page, shots)
    assert not complaints(page)


def recordings_are_dropped(page: Window, folder: Path) -> None:
    """They are uploaded, and no node of ComfyUI's is made of them."""
    shutil.rmtree(folder, ignore_errors=True)  # of another renderer: a run from the cache would say nothing
    before = act(page, "return graph().nodes.length;")
    act(page, "await drop(0, 0.0, tone('mira.wav', 1.6, 1));")
    wait_for_clips(page, 1)
    act(page, "await drop(1, 0.0, tone('tobi.wav', 1.2, 2), tone('tobi two.wav', 0.8, 3));")
    wait_for_clips(page, 3)
    assert act(page, "return graph().nodes.length;") == before
    assert (folder / "tobi two.wav").is_file()
    lanes = act(page, "return value().lanes;")
    assert lanes[0]["clips"] == [{"file": "dialogue/mira.wav", "out": 1.6, "start": 0}]
    assert [clip["start"] for clip in lanes[1]["clips"]] == [0, 1.2]


def keys_edit_the_clip_that_is_selected(page: Window) -> None:
    """The one that was dropped last; presses of one key in a row are one edit."""
    act(page, "await press('ArrowRight', 'Shift+ArrowRight');")
    assert act(page, "return value().lanes[1].clips[0].start;") == pytest.approx(11 / 25)
    option = page.page.locator(".interact-dialogue [role=option][aria-selected=true]")
    assert option.text_content() == "Character 2: dialogue/tobi.wav, from 0.44 to 1.64 s"
    act(page, "await press('Ctrl+z');")
    assert act(page, "return value().lanes[1].clips[0].start;") == 0
    act(page, "await press('Ctrl+y', 'PageUp', 'm');")
    clip = act(page, "return value().lanes[1].clips[0];")
    assert (clip["start"], clip["gain"], clip["mute"]) == (pytest.approx(11 / 25), pytest.approx(1.122), True)
    act(page, "await press('m');")


def the_mouse_drags_and_the_playhead_splits(page: Window) -> None:
    drag(page, lane=1, start=0.8, to=1.98)
    assert starts(page) == pytest.approx([0, 1.6, 1.2]), "it sticks to the end of the other lane's clip"
    page.page.locator(".interact-dialogue .interact-ruler").click(position=ruler_at(page, 2.0))
    act(page, "await press('s');")
    assert starts(page) == pytest.approx([0, 1.6, 2.0, 1.2])
    act(page, "await press('Ctrl+z');")


def clips_are_arranged(page: Window) -> None:
    timeline = page.page.locator(".interact-dialogue")
    timeline.get_by_role("button", name="Arrange").click()
    timeline.get_by_role("button", name="One after another").click()
    assert starts(page) == pytest.approx([0, 3.04, 1.92])
    assert act(page, "await settled(); return shown();") == "2 lanes  ·  4.36 s  ·  109 frames"


def sockets_go_and_come_with_their_lanes(page: Window) -> None:
    assert act(page, f"return {LINKS};") == [["2"], [], [], ["3"], ["4"]]
    page.page.locator(".interact-dialogue .interact-track-remove").first.dispatch_event("click")
    assert act(page, f"await settled(); return [labels().slice(3), {LINKS}.slice(3)];") == [
        ["Character 2"],
        [["4"]],
    ]
    act(page, "await press('Ctrl+z');")
    assert act(page, f"return {LINKS}.slice(3);") == [["3"], ["4"]]
    name = page.page.locator(".interact-dialogue .interact-track-name").first
    name.fill("Mira")
    name.press("Enter")
    assert act(page, "return labels().slice(3);") == ["Mira", "Character 2"]
    if page.renderer == "nodes2":
        sockets = page.page.locator(".lg-node", has=page.page.locator(".interact-dialogue")).locator(
            ".lg-slot--output"
        )
        sockets.nth(3).get_by_text("Mira").wait_for()
    assert not act(
        page, "return [...document.querySelectorAll('input')].some(({ value }) => value.startsWith('{'));"
    )


def it_is_saved_opened_and_run(page: Window, shots: Path) -> None:
    text = act(page, "return widget(node(), 'dialogue').value;")
    assert len(text) < 500 and [lane.name for lane in read_dialogue(text).lanes] == ["Mira", "Character 2"]
    act(
        page,
        "await app.loadGraphData(JSON.parse(JSON.stringify(graph().serialize())), true, true); await settled();",
    )
    assert act(page, f"return [widget(node(), 'dialogue').value, labels().slice(3), {LINKS}];") == [
        text,
        ["Mira", "Character 2"],
        [["2"], [], [], ["3"], ["4"]],
    ]
    queued = in_page(page, "return Object.values((await app.graphToPrompt()).output);")
    (inputs,) = [node["inputs"] for node in queued if node["class_type"] == "InterActDialogue"]
    assert inputs == {"fps": 25, "length": 0, "dialogue": text}
    assert in_page(page, "return await run();") == "execution_success"
    said = page.page.locator(".interact-text")
    said.wait_for(state="attached")
    page.page.screenshot(path=shots / f"dialogue_run_{page.renderer}.png")
    assert (said.text_content() or "").startswith("109 frames (4.36 s at 25 fps).")


def starts(page: Window) -> list[float]:
    return act(page, "return value().lanes.flatMap(({ clips }) => clips.map(({ start }) => start));")


def wait_for_clips(page: Window, count: int) -> None:
    found = ".interact-dialogue .interact-options [role=option]"
    page.page.wait_for_function(f"document.querySelectorAll('{found}').length === {count}")


def drag(page: Window, lane: int, start: float, to: float) -> None:
    """Drags what is at a time of a lane by the mouse, so that what was at `start` comes to `to`."""
    surface = page.page.locator(".interact-dialogue .interact-surface")
    box = surface.bounding_box()
    y = box["y"] + (lane + 0.6) * box["height"] / 2
    scale = scale_of(page)
    page.page.mouse.move(box["x"] + start * scale, y)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + (start + 0.3) * scale, y, steps=3)
    page.page.mouse.move(box["x"] + to * scale, y, steps=3)
    page.page.mouse.up()


def scale_of(page: Window) -> float:
    """Pixels a second while the whole film is shown."""
    box = page.page.locator(".interact-dialogue .interact-ruler").bounding_box()
    ends = act(
        page, "return value().lanes.flatMap(({ clips }) => clips.map((clip) => clip.start + clip.out));"
    )
    frames = act(page, "return Number(shown().match(/(\\d+) frames/)[1]);")
    return box["width"] / (max(*ends, frames / 25) * 1.06)


def ruler_at(page: Window, time: float) -> dict[str, float]:
    return {"x": time * scale_of(page), "y": 8}
