"""A cast is edited as people do it, and each time the server gets the right people in order.

Edits are made to the graph, which both renderers share: one of them sees all, the other each kind.
"""

from __future__ import annotations

import pytest
from interacthuman.interact_core.comfy_client import PromptRejected
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tests.browser.comfy_page import complaints
from interacthuman.tests.browser.small_cast import (
    DRAWN,
    EDITS,
    MUTED,
    REDS,
    cast_of,
    edit,
    edited_cast,
    open_cast,
    prepare,
)
from interacthuman.tests.browser.window import Window


@pytest.fixture(scope="module")
def page(comfy: Window) -> Window:
    prepare(comfy)
    return comfy


# Not one list of pairs: a page for each pair would be opened, as pytest gives such a list the scope of a function.
@pytest.mark.parametrize("comfy", ["canvas"], indirect=True)
@pytest.mark.parametrize("name", EDITS)
def test_the_server_gets_the_cast(page: Window, server: ComfyServer, name: str) -> None:
    the_cast_is_right(page, server, name)


@pytest.mark.parametrize("comfy", ["nodes2"], indirect=True)
@pytest.mark.parametrize("name", DRAWN)
def test_the_server_gets_the_cast_of_the_other_renderer(page: Window, server: ComfyServer, name: str) -> None:
    the_cast_is_right(page, server, name)


def the_cast_is_right(page: Window, server: ComfyServer, name: str) -> None:
    """By names and by the colours of their pictures."""
    assert edited_cast(page, server, name) == [(who, REDS[who]) for who in EDITS[name][1].split()]


def test_a_primitive_names_a_character(page: Window, server: ComfyServer) -> None:
    open_cast(page)
    edit(
        page,
        """
        const [one, other] = characters();
        const typed = add("PrimitiveNode"), text = add("PrimitiveString");
        wire(typed, one, "name"); wire(text, other, "name");
        await settled();
        typed.widgets[0].value = "Eve"; text.widgets[0].value = "Fay";
        """,
    )
    assert cast_of(page, server) == {"Eve": REDS["Ann"], "Fay": REDS["Bob"], "Cid": REDS["Cid"]}


def test_nobody_left_is_a_sentence(page: Window, server: ComfyServer) -> None:
    open_cast(page)
    edit(page, f"characters().forEach((one) => (one.mode = {MUTED}))")
    with pytest.raises(
        Exception, match="There are no characters: connect at least one InterAct Character"
    ) as told:
        cast_of(page, server)
    assert not isinstance(told.value, PromptRejected)
    assert complaints(page) == []
