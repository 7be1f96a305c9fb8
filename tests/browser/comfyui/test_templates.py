"""ComfyUI's template browser shows every template, and each opens, some in both renderers; those with several viewers
run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from interacthuman.tests.browser.comfy_page import (
    TINY,
    TINY_PARTS,
    complaints,
    in_page,
    look_at_viewer,
    overlapping,
    run,
    viewer,
    wait_for_status,
)
from interacthuman.tests.browser.window import Window
from interacthuman.tools.make_public_workflows import ALL, PUBLIC
from interacthuman.tools.make_workflows import GRAPHS, ui_file

STEPS = 2
CARDS, PAGES = "[data-testid^=template-workflow-]", 20
# Of both kinds one that the other renderer opens, too: which nodes and pictures are there, does not depend on it. (Not
# one list of pairs with renderers: pytest gives such a list the scope of a function, and a page for each is opened.)
BOTH = ("long_film", "needs_weights_phantom_own_pictures")
# With several viewers each; one viewer and one run, test_comfy.py sees, in the sampler node and in core's.
RUN = ("fixed_against_predicted", "long_film")


canvas = pytest.mark.parametrize("comfy", ["canvas"], indirect=True)
nodes2 = pytest.mark.parametrize("comfy", ["nodes2"], indirect=True)


@canvas
def test_every_template_is_on_its_shelf_with_a_picture(comfy: Window) -> None:
    """Found by one visit of the template browser; a click opens the last."""
    page = comfy.page
    browse(comfy)
    for name in (*GRAPHS, *PUBLIC):
        picture = card_of(comfy, name).locator("img").first
        picture.wait_for()
        picture.evaluate("image => image.decode()")  # raises where the server has no thumbnail
    card_of(comfy, BOTH[0]).click()
    page.locator(CARDS).first.wait_for(state="detached")
    wait_for_viewers(comfy)
    assert in_page(comfy, "return of('InterActNextPart').length") == 2


@canvas
@pytest.mark.parametrize("name", GRAPHS)
def test_a_template_opens(comfy: Window, name: str) -> None:
    nothing_is_missing(comfy, name)


@nodes2
def test_a_template_opens_in_the_other_renderer(comfy: Window, shots: Path) -> None:
    nothing_is_missing(comfy, BOTH[0])
    comfy.page.screenshot(path=str(shots / f"template_{BOTH[0]}_{comfy.renderer}.png"))


def nothing_is_missing(window: Window, name: str) -> None:
    """No node and no picture; that it runs, tests/server/test_workflows.py sees to."""
    open_template(window, name)
    titles = in_page(window, "return all.map((node) => [node.type, node.title, node.has_errors ?? false]);")
    assert {kind for kind, *_ in titles} >= {one["class_type"] for one in ALL[name]().values()}
    assert not [title for _, title, wrong in titles if wrong]
    missing = "[data-testid=error-overlay], [data-testid=missing-nodes-warning]"
    assert window.page.locator(missing).filter(visible=True).count() == 0
    assert complaints(window) == []


@canvas
@pytest.mark.parametrize("name", RUN)
def test_every_viewer_of_a_template_shows_its_own_run(comfy: Window, name: str) -> None:
    """On the tiny models."""
    open_template(comfy, name)
    few = {kind: {"steps": STEPS} for kind in ("InterActSampler", "KSampler")}
    in_page(comfy, "for (const [type, values] of Object.entries(arg)) set(type, values)", {**TINY, **few})
    if name == "long_film":
        in_page(comfy, "for (const [type, values] of Object.entries(arg)) set(type, values)", TINY_PARTS)
    comfy.js("steps.length = ends.length = 0")
    look_at_viewer(comfy, width=440)  # as it is shipped: two stand side by side
    assert run(comfy) == "execution_success"
    viewers = in_page(comfy, "return of('InterActPreviewMasks').length")
    assert comfy.js("return steps.length") == STEPS * viewers
    wait_for_status(comfy, f"Step {STEPS} of {STEPS}")
    names = in_page(comfy, "return of('InterActCharacter').map((node) => node.widgets[0].value)")
    for character in names:
        viewer(comfy).get_by_role("button", name=character, exact=True).wait_for()
    assert overlapping(comfy) == []
    assert complaints(comfy) == []


@canvas
@pytest.mark.parametrize("name", PUBLIC)
def test_a_template_that_needs_public_weights_opens(comfy: Window, name: str) -> None:
    every_node_is_known(comfy, name)


@nodes2
def test_such_a_template_opens_in_the_other_renderer(comfy: Window, shots: Path) -> None:
    every_node_is_known(comfy, BOTH[1])
    comfy.page.screenshot(path=str(shots / f"template_{BOTH[1]}_{comfy.renderer}.png"))


def every_node_is_known(window: Window, name: str) -> None:
    """That it runs, tests/server/test_public_workflows.py sees to."""
    open_template(window, name)
    known = in_page(
        window, "return all.map((node) => [node.type, node.type in LiteGraph.registered_node_types]);"
    )
    assert [kind for kind, there in known if not there] == []
    assert {kind for kind, _ in known} >= {"InterActApplyAdapter", "InterActPreviewMasks", "MarkdownNote"}
    assert window.page.locator("[data-testid=missing-nodes-warning]").filter(visible=True).count() == 0


def open_template(window: Window, name: str) -> None:
    """As a click on its card does, without a visit of the template browser, which takes longer than all else."""
    window.js(
        """
        const file = `/api/workflow_templates/interacthuman/${encodeURIComponent(arg)}.json`;
        await app.loadGraphData(await (await fetch(file)).json(), true, true, arg, { openSource: "template" });
        """,
        ui_file(name).stem,
    )
    wait_for_viewers(window)


def wait_for_viewers(window: Window) -> None:
    window.page.wait_for_function("app.rootGraph.nodes.some((node) => node.type === 'InterActPreviewMasks')")
    in_page(window, "await frames();")


def browse(window: Window) -> None:
    """Opens the template browser at this pack's shelf."""
    window.js("app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    window.page.get_by_role("button", name="interacthuman", exact=True).click()
    window.page.locator(CARDS).first.wait_for()


def card_of(window: Window, name: str) -> Any:
    """In view. It lays out a page of cards at a time, the next one when the last comes into view."""
    card = window.page.get_by_test_id(f"template-workflow-{ui_file(name).stem}")
    cards = window.page.locator(CARDS)
    for _ in range(PAGES):
        if card.count():
            break
        cards.last.scroll_into_view_if_needed()
        window.page.wait_for_timeout(300)
    card.scroll_into_view_if_needed()
    return card
