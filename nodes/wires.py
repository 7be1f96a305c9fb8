"""The pack's own socket types, what core's carry, what none carries, inputs that several nodes have, and the pack's
category in the menu.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from comfy_api.latest import io

from ..interact_core.errors import InteractError, one_line
from ..interact_core.host.encode.cast_encoding import MAX_SIDE

CATEGORY = "InterActHuman"

# What arrives on core's sockets. comfy_api's own types for them are not what ComfyUI passes (its AudioDict has
# "sampler_rate", its conditioning holds tuples).
AudioValue = dict[str, Any]  # "waveform" [1, channels, samples], "sample_rate" in Hz
LatentValue = dict[str, Any]  # "samples" [B, C, T, h, w]
ConditioningValue = list[list[Any]]  # [[text embedding [1, n, C], values], ...]

CharacterWire = io.Custom("INTERACT_CHARACTER")  # guidance.Character
CastWire = io.Custom("INTERACT_CAST")  # guidance.Cast
MasksWire = io.Custom("INTERACT_MASKS")  # preview.record.RunRecord, a guidance.MaskHistory
MaskHandleWire = io.Custom("INTERACT_MASK_HANDLE")  # host.run.wrappers.MaskHandle
# What core's Audio and AudioEncoderOutput sockets take, both: host.encode.dialogue.Voice.
VoiceWire = io.Custom("AUDIO,AUDIO_ENCODER_OUTPUT")
ScorerWire = io.Custom("INTERACT_SCORER")  # metrics.score.Scorer


def side_input(name: str, default: int, tooltip: str) -> io.Int.Input:
    """A side of the video in pixels."""
    return io.Int.Input(name, default=default, min=16, max=MAX_SIDE, step=16, tooltip=tooltip)


def linked(execute: Callable[..., io.NodeOutput]) -> Callable[..., io.NodeOutput]:
    """A node's execute that refuses what was typed where a link belongs, with an InteractError that names the input.

    A graph in API form can have a text or a number in a socket's place. ComfyUI checks those of its widgets only, and
    passes the others on.
    """
    parameters = inspect.signature(execute)

    @functools.wraps(execute)
    def checked(cls: type[io.ComfyNode], *values: Any, **named: Any) -> io.NodeOutput:
        given = parameters.bind(cls, *values, **named).arguments
        for name, kind, value in _slots(cls, given):
            if value is not None and _is_typed(value):
                raise InteractError(
                    f"{name} is the value {one_line(repr(value), 60)}, where a link belongs: connect a node that "
                    f"gives {kind}."
                )
        return execute(cls, *values, **named)

    return checked


def _slots(cls: type[io.ComfyNode], given: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Name, type and value of everything that a link should bring."""
    schema = cls.SCHEMA or cls.GET_SCHEMA()
    for socket in schema.inputs:
        value = given.get(socket.id)
        if isinstance(socket, io.WidgetInput):
            continue
        if isinstance(socket, io.Autogrow.Input) and isinstance(value, dict):
            kind = socket.template.input.get_io_type()
            yield from ((f"{socket.id}.{slot}", kind, one) for slot, one in value.items())
        else:
            yield socket.id, socket.get_io_type(), value


def _is_typed(value: Any) -> bool:
    """Whether a value is JSON all through; what nodes give holds a tensor or an object of Python's."""
    if isinstance(value, dict):
        return all(map(_is_typed, value.values()))
    if isinstance(value, list):
        return all(map(_is_typed, value))
    return value is None or isinstance(value, (str, int, float))
