"""A graph in API form may have a value where a link belongs: every socket of every node refuses it in a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from comfy_api.latest import io
from interacthuman.interact_core.errors import InteractError
from interacthuman.tests.nodes.test_schema import NODES

TYPED = ("x", 3.5, True, [], {"a": [1, None]}, [["x", {}]])
SOCKETS = [
    (node, socket.id)
    for node in NODES
    for socket in node.GET_SCHEMA().inputs
    if not isinstance(socket, (io.WidgetInput, io.Autogrow.Input))
]


def given(node: type[io.ComfyNode], **values: Any) -> dict[str, Any]:
    """Everything that a run hands over: objects in the sockets, which nothing looks at, and the widgets' defaults."""
    inputs = node.GET_SCHEMA().inputs
    return {one.id: getattr(one, "default", None) or object() for one in inputs} | values


@pytest.mark.parametrize("node, socket", SOCKETS, ids=lambda value: getattr(value, "__name__", value))
def test_a_typed_value_in_a_socket_is_refused(node: type[io.ComfyNode], socket: str) -> None:
    for value in TYPED:
        with pytest.raises(InteractError, match=rf"^{socket} is the value .+, where a link belongs: .+\.$"):
            node.execute(**given(node, **{socket: value}))


def test_a_typed_value_in_a_slot_of_the_cast_is_refused() -> None:
    encode = next(node for node in NODES if node.__name__ == "InterActEncodeCharacters")
    slots = {"character_0": object(), "character_1": "Mira"}
    with pytest.raises(
        InteractError, match="^characters.character_1 is the value 'Mira'.+gives INTERACT_CHARACTER"
    ):
        encode.execute(**given(encode, characters=slots))


def test_an_encoder_that_did_not_come_is_told() -> None:
    encode = next(node for node in NODES if node.__name__ == "InterActEncodeSpeech")
    with pytest.raises(InteractError, match="^Nothing arrives at audio_encoder"):
        encode.execute(**given(encode, audio_encoder=None))
