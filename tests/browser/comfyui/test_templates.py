"""Every template is opened from ComfyUI's template browser, some in both renderers; those with several viewers run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

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
from interacthuman.tools.make_public_workflows import PUBLIC
from interacthuman.tools.make_workflows import GRAPHS, ui_file

STEPS = 2
CARDS, PAGES = "[data-testid^=template-workflow-]", 20
# Of both kinds one that the other renderer opens, too: which nodes and pictures are there, does not depend on it.
BOTH = ("long_film", "needs_weights_phantom_own_pictures")
# With several viewers each; one viewer and one run, test_comfy.py sees, in the sampler node and in core's.
RUN = ("fixed_against_predicted", "long_film")


def in_one_or_both(names: Iterable[str]) -> pytest.MarkDecorator:
    """All templates in one renderer, BOTH in the other as well."""
    pairs = [*(("canvas", name) for name in names), *(("nodes2", name) for name in names if name in BOTH)]
    return pytest.mark.parametrize("comfy, name", pairs, indirect=["comfy"])


@in_one_or_both(GRAPHS)
def test_a_template_opens(comfy: Window, shots: Path, name: str) -> None:
    """No node and no picture is missing; that it runs, tests/server/test_workflows.py sees to."""
    open_template(comfy, name)
    titles = in_page(comfy, "return all.map((node) => [node.type, node.title, node.has_errors ?? false]);")
    assert {kind for kind, *_ in titles} >= {"InterActCharacter", "InterActPreviewMasks", "SaveVideo"}
    assert not [title for _, title, wrong in titles if wrong]
    missing = "[data-testid=error-overlay], [data-testid=missing-nodes-warning]"
    assert comfy.page.locator(missing).filter(visible=True).count() == 0
    comfy.page.screenshot(path=str(shots / f"template_{name}_{comfy.renderer}.png"))
    assert complaints(comfy) == []


@pytest.mark.parametrize("comfy", ["canvas"], indirect=True)
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


@in_one_or_both(PUBLIC)
def test_a_template_that_needs_public_weights_opens(comfy: Window, shots: Path, name: str) -> None:
    """Every node is known; that it runs, tests/server/test_public_workflows.py sees to."""
    open_template(comfy, name)
    known = in_page(
        comfy, "return all.map((node) => [node.type, node.type in LiteGraph.registered_node_types]);"
    )
    assert [kind for kind, there in known if not there] == []
    assert {kind for kind, _ in known} >= {"InterActApplyAdapter", "InterActPreviewMasks", "MarkdownNote"}
    assert comfy.page.locator("[data-testid=missing-nodes-warning]").filter(visible=True).count() == 0
    comfy.page.screenshot(path=str(shots / f"template_{name}_{comfy.renderer}.png"))


def open_template(window: Window, name: str) -> None:
    """As an artist does: the template browser, this pack's shelf, the card."""
    page = window.page
    window.js("app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.get_by_role("button", name="interacthuman", exact=True).click()
    card, cards = page.get_by_test_id(f"template-workflow-{ui_file(name).stem}"), page.locator(CARDS)
    cards.first.wait_for()
    for _ in range(
        PAGES
    ):  # it lays out a page of cards at a time, the next one when the last comes into view
        if card.count():
            break
        cards.last.scroll_into_view_if_needed()
        page.wait_for_timeout(300)
    card.scroll_into_view_if_needed()
    picture = card.locator("img").first
    picture.wait_for()
    picture.evaluate("image => image.decode()")  # raises where the server has no thumbnail
    card.click()
    card.wait_for(state="detached")
    window.page.wait_for_function("app.rootGraph.nodes.some((node) => node.type === 'InterActPreviewMasks')")
    page.wait_for_timeout(500)
