"""Tools for looking: two boxes for people, so that every pixel and every share is known beforehand."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.interact_core.preview.atlas import write_frames
from interacthuman.interact_core.preview.palette import OKABE_ITO, PAPER
from interacthuman.tests.browser.viewer.stage import colours_at
from interacthuman.tests.browser.viewer.synthetic_runs import SyntheticRun, copy_of, events_of, write_run
from interacthuman.tests.browser.window import Window
from PIL import Image

MIRA, TOBI = OKABE_ITO[:2]
HOT, COLD = (253, 231, 37), (68, 1, 84)  # the ends of viridis
ROWS, COLUMNS = 24, 40
READY = "viewer.run && viewer.run.areas.size === viewer.run.order.length && viewer.stage.canvas.width"


class Boxes(SyntheticRun):
    """Mira in columns 4 to 19, in the first step to 11; Tobi in 22 to 37, in frame 3 in 12 to 27: half is shared."""

    def masks(self, step: int) -> torch.Tensor:
        masks = torch.zeros(2, *self.grid)
        masks[0, :, 6:18, 4 : 12 if step == 0 else 20] = 1
        masks[1, :, 6:18, 22:38] = 1
        masks[1, 3] = masks[1, 3].roll(-10, -1)
        return masks


@pytest.fixture(scope="module")
def manifest(pictures: Path) -> dict[str, Any]:
    run = Boxes(names=("Mira", "Tobi"), grid=(6, ROWS, COLUMNS), steps=3, boundary=1, silent=(), run="boxes")
    made = write_run(run, pictures, video=True)
    made["scene"]["seed"] = "42"
    made["full"] = write_frames(torch.rand(21, 1, 1, 3).expand(-1, 192, 320, -1), pictures)
    return made


@pytest.fixture
def shown(window: Window, manifest: dict[str, Any]) -> Window:
    window.js("viewer.show(runs.takeManifest(arg))", manifest)
    window.page.wait_for_function(READY)
    window.js("viewer.prefer({ opacity: 1, backdrop: false, names: false }); viewer.draw()")
    return window


def pixels(window: Window, places: list[tuple[float, float]]) -> list[tuple[int, ...]]:
    """The colours of the stage at places of the picture, in cells."""
    return colours_at(window, [(x / COLUMNS, y / ROWS) for x, y in places])


def pixel(window: Window, x: float, y: float = 12) -> tuple[int, ...]:
    return pixels(window, [(x, y)])[0]


def near(one: tuple[int, ...], other: tuple[int, ...], most: int = 16) -> bool:
    return all(abs(a - b) <= most for a, b in zip(one, other))


def press(window: Window, *keys: str) -> None:
    window.page.locator(".interact-viewer").focus()
    for key in keys:
        window.page.keyboard.press(key)
    window.js("viewer.draw()")


def test_outlines_are_those_of_the_enlarged_mask(page: Window) -> None:
    """Of smooth random masks: on every point of a line, and between them, the bilinear field is one half."""
    told = page.js(
        """
        const { contoursOf } = await import("/web/viewer/contour.js");
        const [width, height] = [40, 24], mask = new Uint8Array(width * height);
        for (let y = 0; y < height; y++)
          for (let x = 0; x < width; x++)
            mask[y * width + x] = 127.5 + 120 * Math.sin(x * 0.7 + Math.sin(y * 0.4)) * Math.cos(y * 0.6);
        const cell = (x, y) => mask[Math.min(Math.max(y, 0), height - 1) * width + Math.min(Math.max(x, 0), width - 1)];
        const field = (x, y) => {
          const [u, v] = [x - 0.5, y - 0.5], [i, j] = [Math.floor(u), Math.floor(v)], [s, t] = [u - i, v - j];
          const row = (k) => (1 - s) * cell(i, k) + s * cell(i + 1, k);
          return (1 - t) * row(j) + t * row(j + 1);
        };
        const off = (fine) => {
          let points = 0, between = 0;
          for (const line of contoursOf(mask, width, height, fine))
            for (let at = 0; at + 3 < line.length; at += 2) {
              const [x, y, toX, toY] = line.slice(at, at + 4);
              points = Math.max(points, Math.abs(field(x, y) - 127.5));
              between = Math.max(between, Math.abs(field((x + toX) / 2, (y + toY) / 2) - 127.5));
            }
          return [points, between];
        };
        const box = new Uint8Array(width * height);
        for (let y = 6; y < 24; y++) box.fill(255, y * width + 4, y * width + 20);
        const lines = contoursOf(box, width, height);
        const isClosed = (line) => line.at(0) === line.at(-2) && line.at(1) === line.at(-1);
        const ends = lines.map((line) => [isClosed(line), Math.max(line[1], line.at(-1))]);
        const ring = new Uint8Array(width * height).fill(255);
        ring[10 * width + 10] = 0;
        const round = contoursOf(ring, width, height);
        return { fine: off(undefined), coarse: off(1), ends, holes: round.length, shut: isClosed(round[0]) };
        """
    )
    print(told)
    assert max(told["fine"]) < 1.5 < told["coarse"][1] / 4  # of 255
    assert told["ends"] == [[False, 24.5]]  # a box at the lower edge goes on through it
    assert (told["holes"], told["shut"]) == (1, True)


def test_heat_and_marks_show_what_the_masks_are(shown: Window) -> None:
    press(shown, "ArrowRight", "ArrowRight", "ArrowRight", "4")
    assert shown.page.get_by_role("button", name="Heat").get_attribute("aria-pressed") == "true"
    heat = [(2, 3), (8, 12), (15, 12), (24, 12)]
    for colour, expected in zip(pixels(shown, heat), (COLD, HOT, HOT, HOT)):
        assert near(colour, expected, 4)
    assert shown.js("return (await import('/web/viewer/compose.js')).heatOf(0.5).map(Math.round)") == [
        33,
        145,
        140,
    ]
    press(shown, "1", "c", "u")
    shown.js("viewer.prefer({ opacity: 0 })")
    both = pixels(shown, [(12.6 + x / 4, 9.5) for x in range(26)])
    assert sum(near(colour, MIRA, 40) or near(colour, TOBI, 40) for colour in both) > len(both) / 2
    assert any(near(colour, MIRA) for colour in both) and any(near(colour, TOBI) for colour in both)
    assert near(pixel(shown, 8), PAPER, 4) and near(pixel(shown, 24), PAPER, 4)  # theirs alone
    free = pixels(shown, [(30 + x / 5, 3) for x in range(30)])
    assert {near(colour, PAPER, 8) for colour in free} == {True, False}  # hatched
    press(shown, "c", "u")
    plain = pixels(shown, [(14 + x / 4, 9.5) for x in range(16)] + [(30 + x / 5, 3) for x in range(30)])
    assert all(near(colour, PAPER, 4) for colour in plain)
    assert shown.js("return remembered.at(-1).contested") is False


def test_the_frames_around_are_drawn_on_request(shown: Window) -> None:
    press(shown, "2", "ArrowRight")
    strip = [(21 + x / 8, 12) for x in range(16)]  # Tobi is at 22 here, and at 12 to 27 two frames on
    far = [(28 + x / 8, 8 + y / 2) for x in (-1, 0, 1) for y in range(16)]  # where that one ends: broken
    before = pixels(shown, far)
    assert all(near(colour, PAPER) for colour in before)
    assert any(near(colour, TOBI, 40) for colour in pixels(shown, strip))
    press(shown, "n")
    assert any(colour[2] > 90 for colour in pixels(shown, far))


def test_overlap_is_told_and_its_warnings_are_gone_to(shown: Window, manifest: dict[str, Any]) -> None:
    shares = shown.js(
        "const { sharedPlaces } = await import('/web/viewer/overlaps.js');"
        "const pairs = sharedPlaces(await viewer.run.masks(2), viewer.run.scene);"
        "return pairs.map((pair) => ({ ...pair, shares: [...pair.shares] }));"
    )
    assert shares == [{"one": 0, "other": 1, "shares": [0, 0, 0, 0.5, 0, 0]}]
    words = "Mira and Tobi share 50 % at 0.36 s"
    lane = shown.page.get_by_role("slider", name="Overlap of characters")
    assert lane.get_attribute("aria-valuetext") == "nobody shares anything at 0.00 s"
    for go in (
        lambda: shown.page.locator(".interact-alarm", has_text=words).click(),
        lambda: shown.page.locator(".interact-overlaps").get_by_role("button", name=words).click(),
        lambda: press(shown, "w"),
    ):
        shown.js("viewer.goTo({ frame: 0 }); viewer.draw()")
        go()
        assert shown.js("viewer.draw(); return viewer.frame") == 3
        assert lane.get_attribute("aria-valuetext") == words
    shown.js("viewer.prefer({ hidden: ['Tobi'] }); viewer.draw()")
    assert shown.page.locator(".interact-alarm").is_hidden()
    shown.js("viewer.prefer({ hidden: [], overlaps: false }); viewer.draw()")
    assert lane.is_hidden() and shown.page.locator(".interact-alarm").is_hidden()
    shown.js("viewer.prefer({ overlaps: true }); viewer.draw()")
    assert shown.page.locator(".interact-alarm").is_visible()
    nothing = {**copy_of(manifest), "run": "nothing kept"}
    for step in nothing["steps"]:
        step["masks"] = None
    shown.js("viewer.show(runs.takeManifest(arg)); viewer.draw()", nothing)
    assert shown.page.locator(".interact-alarm").is_hidden()  # what the run before shared is forgotten
    spans = shown.js(
        """
        const { warningsOf } = await import("/web/viewer/overlaps.js");
        const shared = [{ one: 0, other: 1, shares: Float32Array.of(0.3, 0.5, 0.1, 0, 0.25, 0.24) },
                        { one: 0, other: 2, shares: Float32Array.of(0, 0, 0, 0.9, 0.9, 0) }];
        return warningsOf(shared).map(({ other, frame, from, to }) => [other, frame, from, to]);
        """
    )
    assert spans == [[2, 3, 3, 4], [1, 1, 0, 1], [1, 4, 4, 4]]
    assert shown.complaints() == []


def test_two_steps_are_wiped_and_subtracted(shown: Window) -> None:
    press(shown, "d", "d")
    assert shown.js("return [viewer.preferences.show, viewer.preferences.compare, viewer.pinned]") == [
        "steps",
        "wipe",
        0,
    ]
    line = shown.page.get_by_role("slider", name="Wipe between two")
    shown.js("viewer.stage.wipe.move(0.45)")
    assert near(pixel(shown, 15), PAPER, 8)  # the first step, where Mira ends at column 12
    line.focus()
    for _ in range(4):
        shown.page.keyboard.press("ArrowLeft")
    shown.page.wait_for_function("document.querySelector('.interact-wipe').ariaValueNow === '25'")
    assert near(pixel(shown, 15), MIRA)  # the last one
    box = shown.page.locator(".interact-stage").bounding_box()
    place = line.bounding_box()
    shown.page.mouse.move(place["x"] + 11, place["y"] + 40)
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + 0.6 * box["width"], place["y"] + 40, steps=3)
    shown.page.mouse.up()
    assert abs(shown.js("return viewer.stage.wipe.place") - 0.6) < 0.01
    press(shown, "d")
    inside, same = pixels(shown, [(15.5, 9), (8, 9)])
    assert near(inside, MIRA) and near(same, PAPER, 8)
    at = shown.js(
        "const box = viewer.stage.canvas.getBoundingClientRect(), { box: picture } = viewer.stage.shown[0];"
        "return [box.x + picture.x + picture.width * 15.5 / 40, box.y + picture.y + picture.height / 2]"
    )
    shown.page.mouse.move(*at)
    assert shown.page.locator(".interact-value").first.text_content() == "+100 %"
    assert shown.js("return viewer.stage.shown[0].view.caption") == "from step 1 (broken lines) to step 3"


def test_zoom_keeps_what_is_under_the_pointer_and_fetches_the_full_frame(shown: Window) -> None:
    asked: list[str] = []
    shown.on("request", lambda request: asked.append(request.url))
    shown.js("viewer.prefer({ backdrop: true })")
    shown.page.wait_for_function("(viewer.draw(), viewer.stage.shown[0].view.backdrop)")
    stage = shown.page.locator(".interact-stage")
    box = stage.bounding_box()
    at = box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"]
    place = (
        "const { box } = viewer.stage.shown[0];"
        "return [(arg[0] - box.x) / box.width, (arg[1] - box.y) / box.height];"
    )
    point = [at[0] - box["x"], at[1] - box["y"]]
    before = shown.js(place, point)
    shown.page.mouse.move(*at)
    shown.page.mouse.wheel(0, -400)
    shown.page.wait_for_timeout(100)
    assert (
        shown.js("return viewer.stage.lens.scale") == 1
    )  # who scrolls over a graph wants to scroll the graph
    shown.page.mouse.click(*at)
    shown.page.mouse.wheel(0, -400)
    shown.page.wait_for_function("viewer.stage.lens.scale > 1.5")
    shown.js("viewer.draw()")
    assert shown.js(place, point) == pytest.approx(before, abs=2e-3)
    chip = shown.page.locator(".interact-whole")
    chip.get_by_text("full size 320 x 192").wait_for()
    assert len([url for url in asked if url.endswith(".jpg")]) == 1
    shown.page.mouse.down()
    shown.page.mouse.move(at[0] + 30, at[1] + 10, steps=2)
    shown.page.mouse.up()
    shown.js("viewer.draw()")
    moved = shown.js(place, [point[0] + 30, point[1] + 10])
    assert moved == pytest.approx(before, abs=2e-3)
    press(shown, "Alt+ArrowLeft")
    assert shown.js(place, [point[0] + 70, point[1] + 10])[0] == pytest.approx(before[0], abs=2e-3)
    press(shown, "ArrowDown")
    chip.get_by_text("preview of 128 x 77").wait_for()
    for reset in (lambda: press(shown, "0"), chip.click, lambda: shown.page.mouse.dblclick(*at)):
        press(shown, "+", "+")
        assert shown.js("return viewer.stage.lens.scale") > 1.5
        reset()
        assert shown.js("return viewer.stage.lens.scale") == 1
    touch = shown.page.context.new_cdp_session(shown.page)
    for kind, apart in (("touchStart", 20), ("touchMove", 30), ("touchMove", 40), ("touchEnd", None)):
        fingers = (
            [] if apart is None else [{"x": at[0] + way * apart, "y": at[1], "id": way} for way in (-1, 1)]
        )
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
    assert shown.js("return viewer.stage.lens.scale") == pytest.approx(2, rel=0.02)
    assert shown.complaints() == []


def test_a_run_is_kept_beside_the_next(shown: Window, manifest: dict[str, Any]) -> None:
    press(shown, "p")
    assert shown.js("return viewer.stage.shown.map(({ view }) => view.caption)") == [
        "kept beside the next run"
    ]
    following = {**copy_of(manifest), "run": "following"}
    following["scene"]["seed"] = "43"
    following["steps"][1]["masks"] = following["steps"][0]["masks"]
    for event in events_of(following)[:2]:
        shown.js("viewer.show(runs.takeStep(arg))", event)
    captions = "viewer.stage.shown.map(({ view }) => view.caption).join()"
    shown.page.wait_for_function(
        f"(viewer.draw(), {captions}) === 'kept run, seed 42, step 2,this run, seed 43, step 2'"
    )
    boxes = shown.js("return viewer.stage.shown.map(({ view, box }) => [box.x, view.masks === undefined])")
    assert boxes[0][0] < boxes[1][0] or boxes[0][0] == boxes[1][0]
    press(shown, "d", "d")  # beside, wipe, difference
    assert near(pixel(shown, 15.5, 9), MIRA) and near(pixel(shown, 8, 9), PAPER, 8)
    press(shown, "p")
    assert shown.js("return [viewer.preferences.show, viewer.kept ?? null, viewer.stage.shown.length]") == [
        "predicted",
        None,
        1,
    ]
    assert (
        shown.js("viewer.recall({ show: 'runs', compare: 'wipe' }); return viewer.preferences.show")
        == "predicted"
    )


def test_what_is_saved_says_of_what_it_is(shown: Window, tmp_path: Path) -> None:
    sizes = []
    for stamped in (True, False):
        shown.js("viewer.prefer({ stamped: arg })", stamped)
        with shown.page.expect_download() as download:
            shown.js("await viewer.save('picture')")
        assert download.value.suggested_filename == "interact_masks_step_3_seed_42_frame_1.png"
        picture = Image.open(io.BytesIO(Path(download.value.path()).read_bytes())).convert("RGB")
        sizes.append(picture.size)
        if stamped:
            foot = picture.crop((0, picture.width * ROWS // COLUMNS + 4, *picture.size))
            colours = {colour for _, colour in foot.getcolors(1 << 24)}
            assert any(near(colour, MIRA, 8) for colour in colours)
            assert any(near(colour, TOBI, 8) for colour in colours)
    assert sizes[0][1] - sizes[1][1] > 30 and sizes[0][0] == sizes[1][0]
    said = shown.js(
        """
        const { stampOf } = await import("/web/viewer/stamp.js");
        return stampOf(viewer.run, 1, 3, "");
        """
    )
    assert said == "step 2 of 3  ·  0.36 s  ·  seed 42"
    assert shown.complaints() == []


def test_a_recording_without_a_picture_is_made_again_and_never_handed_out(shown: Window) -> None:
    """Cut to the header that a busy browser was seen to leave."""
    shown.js(
        """
        window.cut = 1; window.made = 0;
        const add = MediaRecorder.prototype.addEventListener;
        MediaRecorder.prototype.addEventListener = function (kind, take) {
          if (kind === "start") made++;
          add.call(this, kind, kind !== "dataavailable" ? take :
            ({ data }) => take({ data: cut-- > 0 ? data.slice(0, 110) : data }));
        };
        viewer.playback.loop({ from: 0, to: 0.3 }); viewer.prefer({ sound: false });
        """
    )
    with shown.page.expect_download() as download:
        shown.js("await viewer.save('video')")
    assert Path(download.value.path()).stat().st_size > 1000 and shown.js("return made") == 2
    shown.js("window.cut = 9; await viewer.save('video')")
    assert shown.js("return [made, viewer.news.textContent]") == [
        4,
        "The browser is too busy to record a video: try again, or save a picture",
    ]


def test_a_run_is_stopped_from_within_and_the_screen_filled(window: Window, manifest: dict[str, Any]) -> None:
    window.js(
        """
        window.calls = [];
        const stop = async (run) => {
          calls.push(["stop", run.run, run.prompt]);
          if (window.deaf) throw new Error("no");
        };
        const next = async (run) => { calls.push(["next", run.scene.seed]); return calls.length < 4; };
        viewer.element.remove(); viewer.destroy();
        window.viewer = new MaskViewer({ stop, next });
        document.getElementById("node").append(viewer.element);
        """
    )
    tools = [
        window.page.get_by_role("button", name=name)
        for name in ("Stop this run", "Stop, and run with the next seed")
    ]
    window.js("viewer.show(runs.takeManifest(arg)); viewer.draw()", manifest)
    assert not any(tool.is_visible() for tool in tools)
    press(window, "x", "Shift+X")
    assert window.js("return calls") == []
    for number, act in enumerate((tools[0].click, lambda: press(window, "Shift+X"))):
        event = {**events_of(manifest)[0], "run": f"run {number}"}
        window.js("viewer.show(runs.takeStep(arg)); viewer.draw()", event)
        assert all(tool.is_enabled() for tool in tools)
        act()
        window.js("viewer.draw()")
        assert not any(tool.is_enabled() for tool in tools)
    assert window.js("return calls") == [
        ["stop", "run 0", "prompt"],
        ["stop", "run 1", "prompt"],
        ["next", "42"],
    ]
    window.js("viewer.show(runs.takeStep(arg)); viewer.draw()", {**events_of(manifest)[0], "run": "run 2"})
    press(window, "Shift+X")
    window.page.get_by_text("No seed was found in the graph").first.wait_for()
    window.js(
        "window.deaf = true; viewer.show(runs.takeStep(arg)); viewer.draw()",
        {**events_of(manifest)[0], "run": "run 3"},
    )
    press(window, "x")
    window.page.get_by_text("The run could not be stopped").first.wait_for()
    assert tools[0].is_enabled()
    window.page.locator(".interact-stage canvas").click()
    press(window, "f")
    window.page.wait_for_function("document.fullscreenElement === viewer.element")
    window.page.get_by_role("button", name="Leave full screen").click()
    window.page.wait_for_function("!document.fullscreenElement")
    window.page.get_by_role("button", name="Full screen", exact=True).wait_for()
    assert window.complaints() == []
