"""What is heard in the viewer, on a page of its own: each voice a tone of its own, so that one hears who speaks."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from interacthuman.tests.browser.viewer.synthetic_runs import TONES, SyntheticRun, write_run
from interacthuman.tests.browser.window import Window

RUN = SyntheticRun(grid=(21, 6, 10), steps=2, boundary=1, run="heard")  # 81 frames, 3.24 s
MIRA, TOBI = TONES[:2]
TOOLS = """
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
// The levels of some tones in what the viewer plays, and where it plays after that.
const listen = async (tones) => {
  const context = new AudioContext(), analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
  const { stream, start, end, from, to } = await viewer.playback.record();
  context.createMediaStreamSource(stream).connect(analyser);
  start();
  await sleep(350);
  const levels = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(levels);
  end();
  const level = (hertz) => levels[Math.round((hertz * analyser.fftSize) / context.sampleRate)];
  await context.close();
  return { levels: tones.map(level), from, to };
};
"""


@pytest.fixture(scope="module")
def manifest(pictures: Path) -> dict[str, Any]:
    return write_run(RUN, pictures)


@pytest.fixture
def shown(window: Window, manifest: dict[str, Any]) -> Window:
    window.js("viewer.show(runs.takeManifest(arg))", manifest)
    window.page.wait_for_function("viewer.run.areas.size === 2 && document.querySelector('.interact-solo')")
    return window


def heard(window: Window) -> list[bool]:
    """Whether Mira's tone, Tobi's, and one that nobody has is in what is played."""
    levels = window.js(f"{TOOLS} return (await listen(arg)).levels;", [MIRA, TOBI, 600.0])
    print("levels", levels)
    return [level > -50 for level in levels]


def test_everybody_is_heard_or_one_alone_and_a_span_over_and_over(shown: Window) -> None:
    assert heard(shown) == [True, True, False]
    solo = {
        name: shown.page.get_by_role("button", name=f"Hear {name} alone") for name in ("Mira", "Tobi", "Ann")
    }
    assert solo["Ann"].count() == 0  # she is silent
    solo["Mira"].click()
    assert heard(shown) == [True, False, False]
    shown.page.wait_for_function("document.querySelector('.interact-solo[aria-pressed=true]')")
    solo["Tobi"].click()
    assert heard(shown) == [False, True, False]
    shown.page.keyboard.press("s")
    assert heard(shown) == [True, True, False]
    waves = shown.page.get_by_role("slider", name="Frame")
    box = waves.bounding_box()
    left, span = box["x"] + 46, box["width"] - 54
    shown.page.keyboard.down("Shift")
    shown.page.mouse.move(left + 0.25 * span, box["y"] + 20)
    shown.page.mouse.down()
    shown.page.mouse.move(left + 0.4 * span, box["y"] + 20)
    shown.page.mouse.move(left + 0.5 * span, box["y"] + 20)
    shown.page.mouse.up()
    shown.page.keyboard.up("Shift")
    marked = shown.js("return viewer.playback.span")
    assert [round(marked[end], 1) for end in ("from", "to")] == [0.8, 1.6]
    assert shown.page.get_by_role("button", name="over and over").is_visible()
    places = shown.js(
        TOOLS
        + """
        viewer.play(true);
        const places = [];
        for (let turn = 0; turn < 60; turn++) {
          await sleep(30);
          const drawn = Number(viewer.waves.element.ariaValueNow) - 1;
          places.push([viewer.playback.position, viewer.frame, drawn, performance.now() / 1000]);
        }
        viewer.play(false);
        return places;
        """
    )
    times, frames, drawn, clock = np.array(places).T
    assert ((times > marked["from"] - 0.01) & (times < marked["to"])).all()
    anew = (np.diff(times) < -0.5).sum()  # as often as the span fits into what was listened to
    assert anew >= 1 and abs(anew - (clock[-1] - clock[0]) / (marked["to"] - marked["from"])) <= 1
    assert (drawn == frames).all()
    # The picture is the sound's: latent frame t covers the video's frames 4t - 3 to 4t, and is drawn a moment later.
    expected = np.floor((np.floor(times * 25) + 3) / 4)
    assert (np.abs(frames - expected) <= 1).mean() > 0.9
    shown.page.keyboard.press("Escape")
    assert shown.js("return viewer.playback.span") is None
    assert shown.complaints() == []


def test_a_place_that_is_looked_for_is_heard_and_sound_can_be_turned_off(shown: Window) -> None:
    started = """
    window.begun = [];
    const start = AudioBufferSourceNode.prototype.start;
    AudioBufferSourceNode.prototype.start = function (...words) {
      begun.push(words.slice(1)); return start.apply(this, words);
    };
    """
    shown.js(started)
    shown.page.locator(".interact-stage canvas").click()
    shown.page.keyboard.press("ArrowRight")
    shown.page.wait_for_function("begun.length === 2")  # of each voice the latent frame that is gone to
    for at, length in shown.js("return begun"):
        assert (round(at, 3), round(length, 3)) == (0.04, 0.16)
    shown.page.keyboard.press("m")
    assert shown.js("return remembered.at(-1).sound") is False
    shown.page.keyboard.press("ArrowRight")
    shown.js("viewer.play(true); await new Promise((done) => setTimeout(done, 300)); viewer.play(false);")
    assert shown.js("return [begun.length, viewer.frame > 1]") == [2, True]
    shown.js("viewer.prefer({ sound: true }); runs.get('heard').sounds = null; viewer.draw();")
    assert shown.page.get_by_role("button", name="Sound").is_disabled()


def test_sound_that_is_gone_is_said(shown: Window) -> None:
    shown.js("viewer.run.sounds = { voices: ['gone.flac', null, null], scene: null }; viewer.play(true)")
    shown.page.get_by_text("The sound of this run could not be loaded").first.wait_for()


def test_a_saved_video_sounds_as_it_was_heard(shown: Window, tmp_path: Path) -> None:
    shown.js("viewer.playback.hear(1); viewer.playback.loop({ from: 0.4, to: 1.6 })")
    shown.page.get_by_role("button", name="Save").click()
    with shown.page.expect_download() as download:
        shown.page.get_by_role("button", name="Video of this step, with sound").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    with av.open(io.BytesIO(path.read_bytes())) as film:
        rate = film.streams.audio[0].rate
        resampler = av.AudioResampler("fltp", "mono", rate)
        parts = [part for frame in film.decode(audio=0) for part in resampler.resample(frame)]
    sound = np.concatenate([part.to_ndarray()[0] for part in parts]).astype(np.float64)
    # A busy browser begins late: silence and the first picture lie before what was asked for.
    heard = np.flatnonzero(np.abs(sound) > 0.1 * np.abs(sound).max())
    assert 0.9 < (heard[-1] - heard[0]) / rate < 1.5  # of 1.2 seconds
    middle = sound[heard[0] : heard[-1]]
    spectrum = np.abs(np.fft.rfft(middle))
    assert abs(np.argmax(spectrum) / len(middle) * rate - TOBI) < 12
    assert shown.complaints() == []
