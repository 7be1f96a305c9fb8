"""The viewer on a page of its own, with runs that nobody sampled: what its canvas shows and what its controls do."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from interacthuman.interact_core.preview.palette import OKABE_ITO, PAPER
from interacthuman.tests.browser.viewer.stage import colours_at
from interacthuman.tests.browser.viewer.synthetic_runs import SyntheticRun, copy_of, events_of, write_run
from interacthuman.tests.browser.window import Window
from PIL import Image

RUN = SyntheticRun(grid=(6, 24, 40), steps=6, boundary=2)
READY = "viewer.run && viewer.run.areas.size === viewer.run.order.length && viewer.stage.canvas.width"


@pytest.fixture(scope="module")
def manifest(pictures: Path) -> dict[str, Any]:
    return write_run(RUN, pictures)


@pytest.fixture
def shown(window: Window, manifest: dict[str, Any]) -> Window:
    """The viewer with that run at its last step, opaque and on dark ground, so that colours are plain."""
    show(window, manifest)
    window.js("viewer.prefer({opacity: 1, backdrop: false, names: false})")
    return window


def show(window: Window, manifest: dict[str, Any]) -> None:
    window.js("viewer.show(runs.takeManifest(arg))", manifest)
    window.page.wait_for_function(READY)


def pixel(window: Window, x: float, y: float) -> tuple[int, ...]:
    """The colour on the stage at a place of the (first) picture, 0..1 in both directions."""
    return colours_at(window, [(x, y)])[0]


def place_of(number: int, frame: int = 0, step: int = RUN.steps - 1) -> tuple[float, float]:
    """Where a mask is surest, in the middle of a cell."""
    masks = RUN.masks(step)[:, frame]
    alone = masks[number] - masks[[n for n in range(len(masks)) if n != number]].amax(0)
    row, column = divmod(int(alone.argmax()), alone.shape[1])
    return (column + 0.5) / alone.shape[1], (row + 0.5) / alone.shape[0]


def near(one: tuple[int, ...], other: tuple[int, ...], most: int = 24) -> bool:
    return all(abs(a - b) <= most for a, b in zip(one, other))


def test_everybody_is_shown_in_their_colour_on_dark_ground(shown: Window) -> None:
    for number in range(3):
        assert near(pixel(shown, *place_of(number)), OKABE_ITO[number]), number
    assert near(pixel(shown, 0.98, 0.02), PAPER, 8)
    assert shown.complaints() == []


@pytest.mark.parametrize("mode", ["soft", "winner"])
def test_a_character_can_be_switched_off_and_on(shown: Window, mode: str) -> None:
    shown.js("viewer.prefer({mode: arg})", mode)
    chip = shown.page.get_by_role("button", name="Tobi", exact=True)
    assert chip.get_attribute("aria-pressed") == "true"
    chip.click()
    assert near(pixel(shown, *place_of(1)), PAPER, 30)
    assert chip.get_attribute("aria-pressed") == "false"
    assert near(pixel(shown, *place_of(0)), OKABE_ITO[0])
    chip.click()
    assert near(pixel(shown, *place_of(1)), OKABE_ITO[1])
    chip.click(modifiers=["Shift"])
    assert shown.js("return viewer.visible") == [1]


def test_outlines_leave_the_inside_free(shown: Window) -> None:
    shown.page.get_by_role("button", name="Outline").click()
    x, y = place_of(0)
    assert near(pixel(shown, x, y), PAPER, 12)
    row = colours_at(shown, [(x / 200, y) for x in range(200)])
    assert any(near(colour, OKABE_ITO[0], 50) for colour in row)


def test_opacity_mixes_with_what_lies_behind(shown: Window) -> None:
    shown.js("viewer.prefer({opacity: 0.5})")
    half = tuple((a + b) // 2 for a, b in zip(OKABE_ITO[0], PAPER))
    assert near(pixel(shown, *place_of(0)), half)


def test_keys_go_through_frames_and_steps_and_play(shown: Window) -> None:
    shown.page.locator(".interact-stage canvas").click()
    press = shown.page.keyboard.press
    for _ in range(3):
        press("ArrowRight")
    press("ArrowLeft")
    press("ArrowDown")
    press("ArrowDown")
    press("ArrowUp")
    assert shown.js("return [viewer.frame, viewer.step]") == [2, RUN.steps - 2]
    press("Home")
    assert shown.js("return viewer.frame") == 0
    press(" ")
    shown.page.wait_for_function("viewer.playing && viewer.frame > 1")
    press(" ")
    assert shown.js("return viewer.playing") is False
    assert shown.page.evaluate("scrollY") == 0


def test_a_click_on_the_strip_goes_to_a_step_and_on_the_waves_to_a_frame(shown: Window) -> None:
    strip, waves = (shown.page.get_by_role("slider", name=name) for name in ("Denoising step", "Frame"))
    for lane, share in ((strip, 0.0), (waves, 1.0)):
        place = lane.evaluate("e => [46, e.clientWidth - 8 - 46]")
        lane.click(position={"x": place[0] + share * place[1] - 2 * share, "y": 20})
    assert shown.js("return [viewer.step, viewer.frame]") == [0, RUN.grid[0] - 1]
    shown.js("viewer.draw()")
    assert strip.get_attribute("aria-valuetext") == f"step 1 of {RUN.steps}, masks do not steer yet"
    assert waves.get_attribute("aria-valuenow") == str(RUN.grid[0])


def test_the_probability_under_the_pointer_is_that_of_the_masks(shown: Window) -> None:
    shown.js("viewer.goTo({step: 1})")
    shown.page.wait_for_timeout(100)
    x, y = place_of(0, step=1)
    box = shown.js(
        """
        viewer.draw();
        const canvas = viewer.stage.canvas.getBoundingClientRect(), { box } = viewer.stage.shown[0];
        return {x: canvas.x + box.x, y: canvas.y + box.y, width: box.width, height: box.height};
        """
    )
    shown.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    read = shown.page.locator(".interact-value").all_text_contents()
    cell = int(y * RUN.grid[1]), int(x * RUN.grid[2])
    expected = RUN.masks(1)[:, 0, cell[0], cell[1]]
    for said, value in zip(read, expected):
        assert abs(float(said.split()[0]) - 100 * float(value)) <= 1.0
    shown.page.mouse.move(2, 2)
    assert set(shown.page.locator(".interact-value").all_text_contents()) == {""}


def test_what_steered_a_step_is_what_the_step_before_predicted(shown: Window) -> None:
    places = [(x / 20, 0.6) for x in range(1, 20)]
    shown.js("viewer.goTo({step: 3}); viewer.prefer({show: 'steering'})")
    steering = colours_at(shown, places)
    shown.js("viewer.goTo({step: 2}); viewer.prefer({show: 'predicted'})")
    assert colours_at(shown, places) == steering
    shown.js("viewer.goTo({step: 3})")
    assert colours_at(shown, places) != steering
    shown.js("viewer.goTo({step: 1}); viewer.prefer({show: 'steering'}); viewer.draw()")
    assert shown.page.get_by_text("No masks steered step 2").is_visible()


def test_fixed_masks_are_shown_and_not_said_to_be_the_predicted_ones(shown: Window) -> None:
    status = shown.page.locator(".interact-status")
    shown.js("viewer.run.scene.mask_source = 'fixed'; viewer.goTo({step: 3}); viewer.draw()")
    assert "fixed masks steer the voices" in status.text_content()
    shown.js("viewer.prefer({show: 'steering'}); viewer.draw()")
    shown.page.wait_for_function("viewer.run.masksAtHand('fixed')")
    for number, place in enumerate((0.15, 0.5, 0.85)):
        assert near(pixel(shown, place, 0.5), OKABE_ITO[number]), number
    shown.js("viewer.run.fixed = null; viewer.goTo({step: 4}); viewer.draw()")
    assert shown.page.get_by_text("The masks that steered step 5 were not kept").count() == 1
    shown.js("viewer.goTo({step: 0}); viewer.draw()")
    assert shown.page.get_by_text("No masks steered step 1").count() == 1
    assert (
        shown.js("return viewer.views.of({ run: viewer.run, source: undefined, under: 0 }).caption ?? null")
        is None
    )
    shown.js("viewer.run.scene.mask_source = 'none'; viewer.prefer({show: 'predicted'}); viewer.draw()")
    assert "masks steer nothing" in status.text_content()


def test_a_step_lies_over_its_own_picture_unless_the_finished_video_is_wanted(
    window: Window, pictures: Path
) -> None:
    """Also in what is saved. The noisy first steps of these runs are grey where the finished video is dark."""
    made = write_run(SyntheticRun(grid=(6, 24, 40), steps=3, boundary=1, run="under"), pictures, video=True)
    show(window, made)
    window.js("viewer.prefer({opacity: 0, names: false, mode: 'soft', hidden: viewer.run.scene.names})")

    def corner(change: str) -> tuple[int, int, int]:
        window.js(f"{change}; viewer.draw()")
        window.page.wait_for_function(
            "!viewer.preferences.backdrop || viewer.run.pictures.backdropAtHand("
            "viewer.run.backdropName(viewer.step, viewer.preferences.under))"
        )
        return pixel(window, 0.97, 0.05)

    finished = corner("viewer.goTo({step: 2})")
    own = corner("viewer.goTo({step: 0})")
    assert not near(own, finished, 30)
    assert near(corner("viewer.prefer({under: 'finished'})"), finished, 3)
    captions = (
        "return (await import('/web/viewer/panes.js')).panesOf(viewer, viewer.run, viewer.step)[0].caption"
    )
    assert window.js(captions) == "over the finished video"
    saved = "return (await import('/web/viewer/save.js')).savePicture(viewer, viewer.run, 0)"
    for under, expected in (("finished", finished), ("step", own)):
        window.js(f"viewer.prefer({{under: '{under}'}})")
        with window.page.expect_download() as download:
            window.js(saved)
        picture = Image.open(download.value.path()).convert("RGB")
        at = int(0.97 * picture.width), int(0.05 * picture.width * 24 / 40)
        assert near(picture.getpixel(at), expected, 12), under
    window.js("viewer.run.steps.get(0).frames = null")
    assert window.js(captions) == "no picture of this step"
    assert near(corner("viewer.prefer({backdrop: false})"), PAPER, 8)


def test_escape_closes_the_menu_from_a_radio_and_another_theme_is_drawn_at_once(shown: Window) -> None:
    shown.page.get_by_role("button", name="View").click()
    shown.page.get_by_label("What steered the step").check()
    shown.page.keyboard.press("Escape")
    assert shown.page.get_by_label("What steered the step").is_hidden()
    lanes = "return ['strip', 'waves'].map((lane) => viewer[lane].lane.canvas.toDataURL())"
    before = shown.js(f"viewer.draw(); {lanes}")
    shown.js("document.documentElement.style.setProperty('--input-text', '#f0f')")
    shown.page.wait_for_timeout(300)
    after = shown.js(lanes)
    assert before[0] != after[0] and before[1] != after[1]


def test_the_viewer_speaks_the_language_of_the_graph(shown: Window, root: Path) -> None:
    texts = {"zh": json.loads((root / "locales" / "zh" / "main.json").read_text(encoding="utf-8"))}
    shown.js("(await import('/web/texts.js')).speakEverywhere('zh-TW', arg); viewer.draw()", texts)
    for role, name in (
        ("button", "播放"),
        ("slider", "降噪步"),
        ("button", "柔和"),
        ("button", "只听Mira"),
    ):
        assert shown.page.get_by_role(role, name=name).first.is_visible(), name
    assert shown.page.locator(".interact-status").text_content().startswith("第 6 步")
    shown.js("(await import('/web/texts.js')).speakEverywhere('en', arg); viewer.draw()", texts)
    assert shown.page.get_by_role("button", name="Play").is_visible()


def test_two_steps_side_by_side(shown: Window) -> None:
    shown.page.get_by_role("button", name="View").click()
    shown.page.get_by_label("Two steps").check()
    shown.page.keyboard.press("Escape")
    assert shown.js("return [viewer.pinned, viewer.step]") == [0, RUN.steps - 1]
    assert shown.js("viewer.draw(); return viewer.strip.lane.second.hidden") is False
    shown.page.wait_for_function("viewer.painter && document.querySelectorAll('.interact-second').length")
    faint = pixel(shown, *place_of(0))  # the first step is less sure
    assert not near(faint, OKABE_ITO[0]) and not near(faint, PAPER)


def test_live_steps_are_followed_until_one_looks_back(window: Window, manifest: dict[str, Any]) -> None:
    events = events_of({**copy_of(manifest), "run": "live"})
    window.js("window.take = (event) => viewer.show(runs.takeStep(event))")
    window.js("take(arg)", events[0])
    assert window.page.get_by_text("Step 1 of 6, sampling").first.is_visible()
    window.js("take(arg)", events[1])
    assert window.js("return viewer.step") == 1
    window.page.wait_for_function("viewer.run.changes.size === 1")
    window.js("viewer.goTo({step: 0})")
    window.js("take(arg)", events[2])
    assert window.js("return viewer.step") == 0
    window.page.get_by_role("button", name="Live").click()
    assert window.js("return viewer.step") == 2
    window.js("take(arg)", events[3])
    assert window.js("return viewer.step") == 3
    window.js("runs.takeEnd(arg)", {**events[3], "how": "stopped"})
    window.page.get_by_text("Stopped at step 4: these are the masks so far").first.wait_for()
    assert window.js("return viewer.run.boundary") == RUN.boundary
    assert window.complaints() == []


def test_a_manifest_does_not_fetch_again_what_was_seen_live(window: Window, manifest: dict[str, Any]) -> None:
    asked: list[str] = []
    window.on("request", lambda request: asked.append(request.url))
    run = {**copy_of(manifest), "run": "fetched once"}
    for event in events_of(run):
        window.js("viewer.show(runs.takeStep(arg))", event)
    window.page.wait_for_function(READY)
    window.js("viewer.draw()")
    window.page.wait_for_function("viewer.run.pictures.backdropAtHand(viewer.run.backdropName(5, 'step'))")
    before = len([url for url in asked if "/pictures/" in url])
    show(window, run)
    window.js("for (const step of viewer.run.order) { viewer.goTo({step}); viewer.draw(); }")
    window.page.wait_for_timeout(200)
    urls = [url for url in asked if "/pictures/" in url]
    assert len(urls) == len(set(urls)) and before >= RUN.steps


def test_what_a_viewer_is_set_to_is_remembered(shown: Window) -> None:
    shown.page.get_by_role("button", name="Winner").click()
    shown.page.get_by_role("button", name="Ann", exact=True).click()
    saved = shown.js("return remembered.at(-1)")
    assert saved["mode"] == "winner" and saved["hidden"] == ["Ann"]
    shown.js("window.other = new MaskViewer(); other.recall({...arg, mode: 7}); other.recall(arg)", saved)
    assert shown.js("return other.preferences") == saved
    assert shown.js("other.recall({opacity: 'much', hidden: 3}); return other.preferences") == saved


@pytest.mark.parametrize(
    "button, ending",
    [
        ("Picture of this view", ".png"),
        ("Video of this step", ".webm"),
        ("Contact sheet of the run", ".png"),
    ],
)
def test_saving(shown: Window, button: str, ending: str, tmp_path: Path) -> None:
    shown.page.get_by_role("button", name="Save").click()
    with shown.page.expect_download() as download:
        shown.page.get_by_role("button", name=button).click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.suffix == ending
    content = path.read_bytes()
    if ending == ".png":
        picture = Image.open(io.BytesIO(content)).convert("RGB")
        assert picture.width >= 900 if "view" in button else picture.width > 400
        colours = {colour for _, colour in picture.getcolors(1 << 24)}
        assert any(near(colour, OKABE_ITO[0]) for colour in colours)
    else:
        assert content[:4] == b"\x1a\x45\xdf\xa3" and len(content) > 1000  # Matroska, of which WebM is a part
    assert shown.complaints() == []


def test_a_viewer_is_one_group_with_names_for_all_it_has(shown: Window) -> None:
    tree = shown.page.get_by_role("group", name="InterAct masks")
    for role, name in (
        ("slider", "Denoising step"),
        ("slider", "Frame"),
        ("slider", "Opacity"),
        ("button", "Play"),
        ("button", "Save"),
        ("img", "Masks over the frame"),
    ):
        assert tree.get_by_role(role, name=name).first.is_visible(), name
    nameless = shown.page.locator(".interact-viewer button").evaluate_all(
        "all => all.filter(b => !(b.ariaLabel || b.textContent).trim()).length"
    )
    assert nameless == 0
