"""A cast is edited as people do it, in both renderers, and each time the server gets the right people in order."""

from __future__ import annotations

import pytest
from interacthuman.interact_core.comfy_server import ComfyServer, PromptRejected
from interacthuman.tests.browser.comfy_page import complaints
from interacthuman.tests.browser.small_cast import REDS, cast_of, edit, open_cast, prepare
from interacthuman.tests.browser.window import Window

ALL, MUTED, BYPASSED = "Ann Bob Cid", 2, 4
REROUTE = "const way = add('Reroute'); wire(characters()[0], way, ''); way.connect(0, encoder(), 0);"
SWITCH = (
    "const [one, other] = characters(), way = add('ComfySwitchNode'); wire(one, way, 'on_false');"
    "wire(other, way, 'on_true'); await settled(); encoder().disconnectInput(1); await settled(); socket(way, 0);"
)
ANY = (
    "const way = add('TestAnySwitch'); wire(characters()[0], way, 'any_1'); await settled(); socket(way, 0);"
)
EDITS = {
    "nothing": ("", ALL),
    **{
        f"{what} {place}": (f"characters()[{place}].mode = {mode}", left)
        for what, mode in (("muted", MUTED), ("bypassed", BYPASSED))
        for place, left in enumerate(("Bob Cid", "Ann Cid", "Ann Bob"))
    },
    "first removed": ("graph().remove(characters()[0])", "Bob Cid"),
    "middle removed": ("graph().remove(characters()[1])", "Ann Cid"),
    "last removed": ("graph().remove(characters()[2])", "Ann Bob"),
    "two removed at once": ("characters().slice(0, 2).forEach((one) => graph().remove(one))", "Cid"),
    "first to the end": ("encoder().disconnectInput(0); socket(characters()[0], 3)", "Bob Cid Ann"),
    "swapped": ("const [a, b] = characters(); socket(a, 1); socket(b, 0)", "Bob Ann Cid"),
    "wired again": ("encoder().disconnectInput(0); socket(characters()[0], 0)", ALL),
    "reroute": (REROUTE, ALL),
    "muted before a reroute": (f"{REROUTE} characters()[0].mode = {MUTED}", "Bob Cid"),
    "in a subgraph": ("pack(characters()[1])", ALL),
    "two in a subgraph": ("pack(characters()[0], characters()[2])", ALL),
    "muted in a subgraph": (
        f"pack(characters()[1]).subgraph.nodes[0].mode = {MUTED}",
        "Ann Cid",
    ),
    "subgraph muted": (f"pack(characters()[1]).mode = {MUTED}", "Ann Cid"),
    "subgraph bypassed": (f"pack(characters()[1]).mode = {BYPASSED}", "Ann Cid"),
    "out of a subgraph": (
        "const around = pack(characters()[0]); await settled(); graph().unpackSubgraph(around)",
        ALL,
    ),
    "encoder in a subgraph": ("pack(encoder())", ALL),
    "encoder and one in a subgraph": ("pack(encoder(), characters()[2])", ALL),
    "encoder out of a subgraph": (
        "const around = pack(encoder()); await settled(); graph().unpackSubgraph(around)",
        ALL,
    ),
    "all copied": (
        "const old = [...graph().nodes]; copy(...old); await settled(); old.forEach((one) => graph().remove(one))",
        ALL,
    ),
    "removal undone": (
        "graph().remove(characters()[1]); await capture(); await tracker().undo()",
        ALL,
    ),
    "switch": (SWITCH, "Ann Cid"),
    "other side of the switch": (f"{SWITCH} widget(way, 'switch').value = true", "Bob Cid"),
    "switch of another pack": (ANY, ALL),
    "nothing behind a switch": (f"{ANY} characters()[0].mode = {MUTED}", "Bob Cid"),
}


@pytest.fixture(scope="module")
def page(comfy: Window) -> Window:
    prepare(comfy)
    return comfy


@pytest.mark.parametrize("name", EDITS)
def test_the_server_gets_the_cast(page: Window, server: ComfyServer, name: str) -> None:
    """By names and by the colours of their pictures."""
    body, left = EDITS[name]
    open_cast(page)
    edit(page, body)
    assert list(cast_of(page, server).items()) == [(who, REDS[who]) for who in left.split()]


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
