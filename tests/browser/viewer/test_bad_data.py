"""What is odd, broken or gone: the viewer says what it is, and the page goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from interacthuman.tests.browser.viewer.synthetic_runs import SyntheticRun, copy_of, events_of, write_run
from interacthuman.tests.browser.window import Window
from PIL import Image

RUN = SyntheticRun(grid=(3, 12, 20), steps=3, boundary=1)
LOADED = "viewer.run.areas.size === viewer.run.order.length"


@pytest.fixture(scope="module")
def manifest(pictures: Path) -> dict[str, Any]:
    return write_run(RUN, pictures)


def show(window: Window, manifest: dict[str, Any]) -> None:
    window.js("viewer.show(runs.takeManifest(arg))", manifest)


def says(window: Window, words: str) -> bool:
    window.page.locator(".interact-words", has_text=words).wait_for()
    return True


def test_no_run_yet(window: Window) -> None:
    assert says(window, "Waiting for masks")
    for key in ("ArrowLeft", "ArrowUp", " ", "End"):
        window.page.locator(".interact-viewer").press(key)
    window.js("viewer.follow(); await viewer.save('picture')")
    assert window.complaints() == []


def test_a_run_without_steps(window: Window, manifest: dict[str, Any]) -> None:
    show(window, {**copy_of(manifest), "run": "empty", "steps": [], "boundary_step": -1, "voices": []})
    assert says(window, "nothing was sampled")
    assert window.complaints() == []


def test_steps_that_were_not_kept_as_pictures(window: Window, manifest: dict[str, Any]) -> None:
    run = {**copy_of(manifest), "run": "gaps"}
    run["steps"][2]["masks"] = None
    show(window, run)
    assert says(window, "Step 3 was not kept as a picture")
    window.js("viewer.goTo({step: 0})")
    window.page.locator(".interact-words").wait_for(state="hidden")
    assert window.complaints() == []


def test_pictures_of_another_size_or_none_at_all(
    window: Window, manifest: dict[str, Any], pictures: Path
) -> None:
    Image.new("L", (7, 7)).save(pictures / "small.png")
    Image.new("RGB", (160, 108)).save(pictures / "colour.png")
    (pictures / "text.png").write_text("no picture", encoding="utf-8")
    run = {**copy_of(manifest), "run": "unreadable"}
    for step, name in zip(run["steps"], ("small.png", "colour.png", "text.png")):
        step["masks"] = step["frames"] = name
    show(window, run)
    for step in range(3):
        window.js("viewer.goTo({step: arg})", step)
        assert says(window, f"The masks of step {step + 1} do not fit this run")
    assert window.complaints() == []


def test_a_restarted_server_has_no_pictures_any_more(window: Window, manifest: dict[str, Any]) -> None:
    asked: list[str] = []
    window.on("request", lambda request: asked.append(request.url))
    run = {**copy_of(manifest), "run": "gone"}
    for step in run["steps"]:
        step["masks"], step["frames"] = f"gone_{step['index']}.png", f"gone_{step['index']}.jpg"
    show(window, run)
    assert says(window, "The server was restarted, its pictures are gone: run again")
    window.js("for (const step of [0, 1, 2, 0, 1]) { viewer.goTo({step}); viewer.draw(); }")
    window.page.wait_for_timeout(300)
    assert len([url for url in asked if "/pictures/gone" in url]) <= 3  # it does not ask again and again
    assert all("404" in line for line in window.complaints())  # which the browser itself says
    show(window, manifest)  # and the next run is shown as ever
    window.page.locator(".interact-words").wait_for(state="hidden")


def test_a_server_that_does_not_answer_is_asked_again(window: Window, manifest: dict[str, Any]) -> None:
    closed = True
    window.page.route(
        "**/pictures/*", lambda route: route.abort("connectionrefused") if closed else route.continue_()
    )
    show(window, {**copy_of(manifest), "run": "away"})
    assert says(window, "The server does not answer")
    closed = False
    window.page.wait_for_function(LOADED)
    window.page.locator(".interact-words").wait_for(state="hidden")


@pytest.mark.parametrize(
    "broken",
    [
        {"format": 2},
        {"scene": None},
        {"scene": {"names": ["A"], "grid": [0, 4, 4]}},
        {"run": 7},
    ],
)
def test_what_another_version_says_is_not_taken(
    window: Window, manifest: dict[str, Any], broken: Any
) -> None:
    event = {**events_of(manifest)[0], "run": "other", **broken}
    assert window.js("return runs.takeStep(arg) === undefined", event)
    assert window.js("return runs.takeManifest(arg) === undefined", {**copy_of(manifest), **broken})
    assert window.js("return [null, {}, 'x'].every((odd) => runs.takeStep(odd) === undefined)")
    assert window.complaints() == []


@pytest.mark.parametrize(
    "synthetic",
    [
        SyntheticRun(
            names=tuple(f"Player {n}" for n in range(64)), grid=(5, 12, 20), steps=2, boundary=-1, run="64"
        ),
        SyntheticRun(grid=(1, 12, 20), steps=2, run="one frame"),
        SyntheticRun(names=("Mira", "Tobi"), grid=(101, 6, 10), steps=2, run="401 frames"),
        SyntheticRun(
            names=("Mira",), grid=(3, 12, 20), steps=1, boundary=0, silent=("Mira",), run="one step"
        ),
    ],
    ids=lambda synthetic: synthetic.run,
)
def test_crowds_and_lengths(window: Window, pictures: Path, shots: Path, synthetic: SyntheticRun) -> None:
    show(window, write_run(synthetic, pictures))
    window.page.wait_for_function(LOADED)
    before = window.page.locator(".interact-viewer").bounding_box()
    for key in ("End", "ArrowRight", "ArrowUp", "ArrowDown", "Home", " ", " "):
        window.page.locator(".interact-viewer").press(key)
    for mode in ("winner", "outline", "soft"):
        window.js("viewer.prefer({mode: arg}); viewer.draw()", mode)
    window.js("viewer.goTo({frame: 9999}); viewer.draw()")
    assert window.js("return viewer.frame") == synthetic.grid[0] - 1
    assert window.page.locator(".interact-viewer").bounding_box() == before
    inside = window.page.locator(".interact-viewer").evaluate(
        "e => [...e.children].every(c => c.hidden || getComputedStyle(c).clipPath !== 'none'"
        " || c.getBoundingClientRect().bottom <= e.getBoundingClientRect().bottom)"
    )
    assert inside, "something runs out of the viewer"
    window.page.screenshot(path=str(shots / f"crowd_{synthetic.run.replace(' ', '_')}.png"))
    assert window.complaints() == []


@pytest.mark.parametrize("width", [300, 500, 900])
def test_the_layout_holds(window: Window, pictures: Path, shots: Path, width: int) -> None:
    show(window, write_run(SyntheticRun(grid=(21, 30, 52), steps=12, run="layout"), pictures, video=True))
    window.page.wait_for_function(LOADED)
    window.js("document.getElementById('node').style.width = `${arg}px`", width)
    window.js("viewer.goTo({frame: 8}); await new Promise(requestAnimationFrame); viewer.draw()")
    wide = window.page.locator(".interact-viewer").evaluate("e => e.scrollWidth <= e.clientWidth")
    rows = window.page.locator(".interact-controls").evaluate(
        "e => [...e.children].every(c => c.getBoundingClientRect().right <= e.getBoundingClientRect().right + 1)"
    )
    assert wide and rows
    window.page.locator("#node").screenshot(path=str(shots / f"page_{width}.png"))
    for sheet in ("View", "Save"):
        window.page.get_by_role("button", name=sheet).click()
        box = window.page.locator(".interact-sheet:visible").bounding_box()
        viewer = window.page.locator(".interact-viewer").bounding_box()
        assert viewer["x"] <= box["x"] and box["x"] + box["width"] <= viewer["x"] + viewer["width"]
        window.page.keyboard.press("Escape")
    assert window.complaints() == []


def test_a_message_with_any_field_of_another_type_is_read_or_left_alone(
    window: Window, manifest: dict[str, Any]
) -> None:
    """As another version might send it: every field, at every depth, with values that are none of its own."""
    whole = {**copy_of(manifest), "full": ["frame.jpg"]}
    whole["scene"]["seed"] = "7"
    wrong = window.js(
        """
        const odd = [null, undefined, 0, -1, 1e9, "x", true, [], {}, [null], { a: 1 }], found = [];
        const clone = (message) => JSON.parse(JSON.stringify(message));
        function* paths(value, path = []) {
          for (const [key, inner] of Object.entries(value)) {
            yield [...path, key];
            if (path.length < 3 && inner && typeof inner === "object") yield* paths(inner, [...path, key]);
          }
        }
        for (const [take, message] of [["takeStep", arg[0]], ["takeEnd", arg[0]], ["takeManifest", arg[1]]])
          for (const path of paths(message))
            for (const value of odd) {
              const changed = clone({ ...message, run: "odd" });
              path.slice(0, -1).reduce((place, key) => place[key], changed)[path.at(-1)] = value;
              try {
                const run = runs[take](changed);
                if (run) viewer.show(run);
                if (run && typeof run.source !== "string") found.push(`${take} ${path}: a source that is no text`);
              } catch (error) {
                found.push(`${take} ${path} = ${JSON.stringify(value)}: ${error}`);
              }
            }
        return found.slice(0, 20);
        """,
        [events_of(whole)[0], whole],
    )
    assert wrong == []
    window.page.wait_for_timeout(300)
    assert [line for line in window.complaints() if line.startswith("exception")] == []
    show(window, manifest)
    window.page.wait_for_function(LOADED)
