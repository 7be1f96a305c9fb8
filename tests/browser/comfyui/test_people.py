"""InterAct People in ComfyUI's page, in both renderers: a start image of three, in one visit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from interacthuman.interact_core.guidance.lineup import read_edits
from interacthuman.tests.browser.comfy_page import complaints, in_page
from interacthuman.tests.browser.small_cast import edit
from interacthuman.tests.browser.window import Window

TOOLS = """
const node = () => all("InterActPeople")[0];
const value = () => widget(node(), "people").value;
const listed = (rows = [...document.querySelectorAll(".interact-people-row:not([data-left]) input")]) =>
  rows.map((one) => one.value || one.placeholder);
"""
OPEN_AGAIN = (
    "await app.loadGraphData(JSON.parse(JSON.stringify(graph().serialize())), true, true); await settled();"
)
PLACES = (40, 130, 220)
"""Left edges of the three, of a picture of 300x120."""


def act(window: Window, body: str, argument: Any = None) -> Any:
    return edit(window, TOOLS + body, argument)


def graph(color: int) -> dict[str, Any]:
    """One painted mask in which three people stand apart, and a node that would be noticed if it ran."""
    api: dict[str, Any] = {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 300, "height": 120, "batch_size": 1, "color": color},
        },
        "2": {"class_type": "SolidMask", "inputs": {"value": 0.0, "width": 300, "height": 120}},
        "3": {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 40, "height": 80}},
    }
    for number, place in enumerate(PLACES):
        at = {"x": place, "y": 20, "operation": "add"}
        joined = {"destination": [str(3 + number) if number else "2", 0], "source": ["3", 0]}
        api[str(4 + number)] = {"class_type": "MaskComposite", "inputs": {**joined, **at}}
    settings = {"width": 144, "height": 64, "people": ""}
    api["7"] = {"class_type": "InterActPeople", "inputs": {"image": ["1", 0], "masks": ["6", 0], **settings}}
    api["8"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    return api


@pytest.fixture(scope="module")
def page(comfy: Window) -> Window:
    color = 0x4060A0 if comfy.renderer == "canvas" else 0x60A040
    comfy.js(
        "await app.loadApiJson(arg, 'people'); await new Promise((done) => setTimeout(done, 500));"
        "window.ran = []; window.comfyAPI.api.api.addEventListener('executed', ({ detail }) => ran.push(detail.node));",
        graph(color),
    )
    act(
        comfy,
        """
        graph().nodes.forEach((one, at) => (one.pos = [700 + 240 * (at % 3), 40 + 300 * Math.floor(at / 3)]));
        node().pos = [60, 60]; app.canvas.ds.scale = 1; app.canvas.ds.offset = [40, 40];
        app.canvas.setDirty(true, true);
        await settled();
        """,
    )
    return comfy


def test_an_artist_says_who_is_who(page: Window, shots: Path) -> None:
    before_a_run_it_says_what_to_do(page, shots)
    the_people_are_found_alone(page, shots)
    a_click_names(page)
    keys_and_buttons_order(page)
    somebody_is_dropped_and_somebody_merged(page, shots)
    it_is_saved_opened_and_run(page, shots)
    assert not complaints(page)


def shown(page: Window) -> Any:
    return page.page.locator(".interact-people")


def before_a_run_it_says_what_to_do(page: Window, shots: Path) -> None:
    assert act(page, "return [widget(node(), 'people').hidden, node().inputs.map(({ name }) => name)];") == [
        True,
        ["image", "masks", "boxes", "voices.voice_1", "width", "height", "people", "use_as"],
    ]
    shown(page).get_by_text("Nobody has been looked for yet").wait_for()
    page.page.screenshot(path=shots / f"people_before_{page.renderer}.png")


def the_people_are_found_alone(page: Window, shots: Path) -> None:
    shown(page).get_by_role("button", name="Find the people").click()
    people(page).nth(2).wait_for()
    assert act(page, "return [listed(), ran];") == [["Character 1", "Character 2", "Character 3"], ["7"]]
    status(page, "3 people  ·  the crop that the model sees, 144x64")
    picture = page.page.locator(".interact-people-picture image").get_attribute("href")
    size = page.js(
        "const one = new Image(); one.src = arg; await one.decode(); return [one.width, one.height];", picture
    )
    assert size == [144, 64]


def a_click_names(page: Window) -> None:
    people(page).nth(2).click()
    page.page.keyboard.type("Mira")
    page.page.keyboard.press("Enter")
    people(page).nth(0).click()
    page.page.keyboard.type("Mira")
    page.page.keyboard.press("Enter")
    status(page, "Mira is taken, so this is Mira 2")
    page.page.keyboard.type("Tobi")  # Enter has gone on to the next name
    page.page.keyboard.press("Alt+ArrowDown")
    assert act(page, "return listed();") == ["Mira 2", "Mira", "Tobi"]


def keys_and_buttons_order(page: Window) -> None:
    shown(page).get_by_role("button", name="An earlier number for Mira", exact=True).click()
    assert act(page, "return listed();") == ["Mira", "Mira 2", "Tobi"]
    page.page.keyboard.press("Control+z")
    assert act(page, "return listed();") == ["Mira 2", "Mira", "Tobi"]
    page.page.keyboard.press("Control+Shift+z")
    assert act(page, "return JSON.parse(value());") == {
        "people": [
            {"name": name, "at": [[pytest.approx((PLACES[at] + 20) / 300, abs=0.01), pytest.approx(0.5, abs=0.01)]]}
            for name, at in (("Mira", 2), ("Mira 2", 0), ("Tobi", 1))
        ]
    }  # fmt: skip


def somebody_is_dropped_and_somebody_merged(page: Window, shots: Path) -> None:
    shown(page).get_by_role("button", name="Leave Mira 2 out").click()
    status(page, "Mira 2 is left out")
    assert act(page, "return listed();") == ["Mira", "Tobi"]
    page.page.locator(".interact-people-picture path[data-dropped]").click()
    assert act(page, "return listed();") == ["Mira", "Tobi", "Character 3"]
    shown(page).get_by_role("button", name="Merge Tobi with somebody").click()
    status(page, "Click who belongs to Tobi; Esc cancels")
    page.page.keyboard.press("Escape")
    shown(page).get_by_role("button", name="Person 2: Tobi").press("m")
    page.page.locator(".interact-people-picture path[data-found='0']").click()
    assert act(page, "return listed();") == ["Mira", "Tobi"]
    status(page, "Merged into Tobi")
    assert [person["name"] for person in json.loads(act(page, "return value();"))["people"]] == [
        "Mira",
        "Tobi",
    ]
    page.page.screenshot(path=shots / f"people_{page.renderer}.png")


def it_is_saved_opened_and_run(page: Window, shots: Path) -> None:
    text = act(page, "return value();")
    assert [len(entry.at) for entry in read_edits(text).people] == [1, 2]
    act(page, OPEN_AGAIN)
    status(page, "2 people in the workflow; press Find the people to see them")
    assert act(page, "return [value(), listed()];") == [text, ["Mira", "Tobi"]]
    queued = in_page(page, "return (await app.graphToPrompt()).output['7'].inputs;")
    assert {**queued, "image": 0, "masks": 0} == {
        "image": 0,
        "masks": 0,
        "width": 144,
        "height": 64,
        "people": text,
        "use_as": "regions of the start image",
    }
    assert in_page(page, "return await run();") == "execution_success"
    said = page.page.locator(".interact-text p")
    said.nth(3).wait_for(state="attached")
    page.page.screenshot(path=shots / f"people_run_{page.renderer}.png")
    assert said.all_text_contents() == [
        "3 people found.",
        "1: Mira is silent.",
        "2: Tobi is silent.",
        "Tobi was found as 2 pieces, which were merged.",
    ]
    act(page, OPEN_AGAIN)
    people(page).nth(2).wait_for()  # of the run before
    assert act(page, "return [value(), listed()];") == [text, ["Mira", "Tobi"]]
    act(page, "const wide = widget(node(), 'width'); wide.value = 96; wide.callback(96);")
    status(page, "Something has changed since: press Find the people again")


def people(page: Window) -> Any:
    return page.page.locator(".interact-people-picture path")


def status(page: Window, words: str) -> None:
    shown(page).locator(".interact-status", has_text=words).wait_for()
