"""The timeline without ComfyUI: it plays, loops, records, takes cues, and says what it shows. One visit to a page."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.tests.browser.window import Window
from interacthuman.tests.support.models.model_files import write_wav
from interacthuman.tests.support.sounds import RATE, syllables

MAKE = """
const { DialogueEditor } = await import("/web/dialogue/editor.js");
const node = document.createElement("div");
Object.assign(node.style, { width: "760px", height: "400px" });
document.body.prepend(node);
window.saved = [];
window.editor = new DialogueEditor({
  fetchFile: async (file) => {
    const answer = await fetch(`/pictures/${file}`);
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.arrayBuffer();
  },
  upload: async (file) => file.name,
  changed: (text) => saved.push(text),
  film: () => ({ fps: 25, length: 0 }),
});
node.append(editor.element);
"""
FRAME = "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));"


@pytest.fixture(scope="module")
def page(page: Window, pictures: Path) -> Window:
    for number, name in enumerate(("mira", "tobi")):
        write_wav(pictures / f"{name}.wav", syllables(1.0 + number, RATE, seed=number))
    write_wav(pictures / "half.wav", torch.full((RATE // 2,), 0.5))
    page.js(MAKE)
    return page


def load(page: Window, *lanes: tuple[str, list[dict[str, Any]]]) -> None:
    text = json.dumps({"lanes": [{"name": name, "clips": clips} for name, clips in lanes]})
    page.js(f"editor.load(arg); saved.length = 0; {FRAME}", text)
    page.page.wait_for_function(
        "editor.dialogue.lanes.every((lane) => lane.clips.every((clip) => clip.out !== null))"
    )


def shown(page: Window) -> str:
    return page.js(f"{FRAME} return editor.status.textContent;")


MIRA, TOBI = ("Mira", [{"file": "mira.wav", "start": 0}]), ("Tobi", [{"file": "tobi.wav", "start": 0.8}])


def test_the_length_of_a_recording_is_found_and_nothing_is_written_for_it(page: Window) -> None:
    load(page, MIRA, TOBI)
    assert page.js("return editor.dialogue.lanes.map(({ clips }) => clips[0].out);") == [1, 2]
    assert page.js("return saved.length;") == 0
    assert shown(page) == "2 lanes  ·  2.92 s  ·  73 frames  ·  0.20 s at once"
    assert page.js("return [...editor.options.children].map((one) => one.textContent);") == [
        "Mira: mira.wav, from 0.00 to 1.00 s",
        "Tobi: tobi.wav, from 0.80 to 2.80 s",
    ]


def test_what_is_drawn_is_the_sound(page: Window) -> None:
    """A constant of half of full scale fills its lane to that height, in the lane's colour, up to its end."""
    load(page, ("Mira", [{"file": "half.wav", "start": 0}]), ("Tobi", []))
    body = f"""
    editor.select(null); {FRAME}
    const unit = editor.canvas.width / editor.view.width;
    const at = (time, y) => [...editor.canvas.getContext("2d").getImageData(
      Math.round(editor.view.x(time) * unit), Math.round(y * unit), 1, 1).data];
    const middle = 36, half = 18; // of a waveform, CSS pixels
    return [at(0.25, middle - 0.3 * half), at(0.25, middle - 0.7 * half), at(0.51, middle - 0.3 * half)];
    """
    inside, above, behind = page.js(body)
    assert inside == pytest.approx([230, 159, 0, 255], abs=16)
    assert sum(above[:3]) < 220 and above[3] == 255 and behind[3] < 60


def test_it_plays_once_and_round_and_round(page: Window) -> None:
    load(page, MIRA, TOBI)
    page.js("editor.seek(0); editor.select(null);")
    page.page.get_by_role("button", name="Play (space)").last.click()
    page.page.wait_for_function("editor.playing && editor.playhead > 0.2")
    page.page.get_by_role("button", name="Pause (space)").last.click()
    assert not page.js("return editor.playing;") and page.js("return editor.playhead;") > 0.2
    page.js("editor.loop([0.2, 0.5]); editor.play(true);")
    page.page.wait_for_function("editor.playing")
    heard = page.js(
        "const times = []; const began = performance.now();"
        "while (performance.now() - began < 1000) {"
        " await new Promise(requestAnimationFrame); times.push(editor.player.time); }"
        "editor.stop(); editor.loop(null); return times;"
    )
    assert min(heard) >= 0.2 - 1e-6 and max(heard) <= 0.5 + 1e-6
    assert any(later < earlier - 0.1 for earlier, later in pairwise(heard)), "never came round"


def test_a_take_is_laid_where_the_playhead_is(page: Window) -> None:
    load(page, MIRA, TOBI)
    page.js(
        "navigator.mediaDevices.getUserMedia = async () => {"
        " const context = new AudioContext(), end = context.createMediaStreamDestination();"
        " const tone = context.createOscillator(); tone.connect(end); tone.start(); return end.stream; };"
        "editor.seek(2.4);"
    )
    record = page.page.get_by_role("button", name="Record onto Tobi at the playhead")
    record.click()
    page.page.wait_for_function("editor.recorder.seconds > 0.6")
    assert shown(page).startswith("Recording")
    page.page.get_by_role("button", name="Stop recording").click()
    page.page.wait_for_function("editor.dialogue.lanes[1].clips.length === 2")
    take = page.js("return editor.dialogue.lanes[1].clips[1];")
    assert take["start"] == pytest.approx(2.4) and 0.3 < take["out"] < 30 and take["file"].startswith("Tobi ")


def test_cues_alone_cut_the_recording_that_is_there(page: Window) -> None:
    load(page, ("Character 1", [{"file": "tobi.wav", "start": 1}]), ("Character 2", []))
    labels = "0.0\t0.5\tMira\n0.6\t1.2\tTobi\n1.3\t1.9\tMira\n7.0\t8.0\tTobi\n"
    page.js("await editor.takeFiles([new File([arg], 'talk.txt')], 0, 0);", labels)
    lanes = page.js("return editor.dialogue.lanes;")
    found = [
        (lane["name"], [(clip["in"], clip["out"], clip["start"]) for clip in lane["clips"]]) for lane in lanes
    ]
    assert found == [("Mira", [(0, 0.5, 1), (1.3, 1.9, 2.3)]), ("Tobi", [(0.6, 1.2, 1.6)])]
    assert shown(page) == "3 clips on 2 lanes; not understood, or behind the end of the recording: 1"
    page.js("editor.undo();")
    assert page.js("return editor.dialogue.lanes.map(({ name }) => name);") == ["Character 1", "Character 2"]
    load(page, MIRA, TOBI)
    page.js("editor.select(null); await editor.takeFiles([new File([arg], 'talk.txt')], 0, 0);", labels)
    assert shown(page) == "Drop the recording together with its cues, or select one of its clips first"


def test_what_cannot_be_shown_is_said_and_left_alone(page: Window) -> None:
    page.js("editor.load(JSON.stringify({ lanes: [{ name: 'Mira', clips: [{ file: 'gone.wav' }] }] }));")
    page.page.wait_for_function("editor.sounds.failed.length")
    assert shown(page) == "gone.wav cannot be loaded: 404"
    page.js("await editor.takeFiles([new File(['no sound'], 'notes.wav')], 0, 0);")
    assert shown(page) == "notes.wav is no sound that this browser can play: export it as WAV"
    page.js("saved.length = 0; editor.load('{\"lanes\": 3}');")
    assert shown(page).startswith("The dialogue is no timeline") and page.js("return saved.length;") == 0


def test_it_speaks_the_language_of_the_page(page: Window, root: Path) -> None:
    """Also one that is chosen while it is open: what is edited stays, keys and mouse still work."""
    load(page, ("Mira", [{"file": "mira.wav", "start": 0.2}]))
    texts = {"zh": json.loads((root / "locales" / "zh" / "main.json").read_text(encoding="utf-8"))}
    speak = "(await import('/web/texts.js')).speakEverywhere(arg[0], arg[1]);"
    page.js(speak, ["zh-TW", texts])
    assert shown(page).startswith("1 条轨道")
    assert page.page.get_by_role("button", name="排列").count() == 1
    page.page.locator(".interact-surface").press("ArrowDown")
    page.page.locator(".interact-surface").press("ArrowRight")
    assert page.js("return editor.dialogue.lanes[0].clips[0].start;") == pytest.approx(0.24)
    late = (
        "const { Texts } = await import('/web/texts.js');"
        "return new Texts('interacthuman_dialogue', { arrange: 'Arrange' }).say('arrange');"
    )
    assert page.js(late) == "排列", "a script that the page loads late speaks it, too"
    page.js(speak, ["en", texts])
    assert page.page.get_by_role("button", name="Arrange").count() == 1
