"""InterAct Dialogue in ComfyUI's page, in both renderers: a whole session of an artist, in one visit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tests.browser.comfyui.small_cast import edit
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
        await new Promise((done) => setTimeout(done, 500));
        """,
    )
    return comfy


def test_an_artist_makes_a_dialogue(page: Window, server: ComfyServer, shots: Path) -> None:
    assert act(page, "return [labels(), widget(node(), 'dialogue').hidden];") == [
        ["audio", "length", "fps", "Character 1", "Character 2"],
        True,
    ]
    recordings_are_dropped(page, server.folder / "input" / "dialogue")
    keys_edit_the_clip_that_is_selected(page)
    page.page.wait_for_timeout(300)
    page.page.screenshot(path=shots / f"dialogue_{page.renderer}.png")


def recordings_are_dropped(page: Window, folder: Path) -> None:
    """They are uploaded, and no node of ComfyUI's is made of them."""
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


def wait_for_clips(page: Window, count: int) -> None:
    found = ".interact-dialogue .interact-options [role=option]"
    page.page.wait_for_function(f"document.querySelectorAll('{found}').length === {count}")
