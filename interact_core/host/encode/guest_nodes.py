"""What other nodes were given and do not hand on in their CONDITIONING, so that only the graph tells of it."""

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import InteractError

CONDITIONING = ("positive", "negative", "conditioning")
"""How the inputs begin through which CONDITIONING passes from node to node."""

FAR = 100  # nodes: a graph in a circle ends, too


def check_previous_frames(prompt: Mapping[str, Any] | None, node: str | None) -> None:
    """Raise InteractError if a node's positive or negative comes from a WanInfiniteTalkToVideo with previous_frames, or
    from a WanSoundImageToVideoExtend.

    prompt: the graph that runs, {node id: {"class_type", "inputs"}}; node: the id of the node with these inputs. The
    first keeps previous_frames and their place in the recordings on its MODEL alone (comfy_extras/nodes_wan.py); its
    conditioning is that of a film's beginning. The second cuts the recording that it is given, and ours is not.
    """
    for source in _sources(prompt or {}, str(node)):
        if source.get("class_type") == "WanSoundImageToVideoExtend":
            raise InteractError(
                "positive and negative come from a WanSoundImageToVideoExtend, behind which every voice would begin "
                "again: connect WanSoundImageToVideo, and continue the film with InterAct Next Part and InterAct Join "
                "Parts."
            )
        linked = isinstance(source.get("inputs", {}).get("previous_frames"), list)
        if source.get("class_type") == "WanInfiniteTalkToVideo" and linked:
            raise InteractError(
                "positive and negative come from a WanInfiniteTalkToVideo with previous_frames, which it hands on in "
                "its MODEL only: this part would begin with the start image and the first words again. Disconnect "
                "previous_frames, and continue the film with InterAct Next Part and InterAct Join Parts."
            )


def _sources(prompt: Mapping[str, Any], node: str) -> Iterator[Mapping[str, Any]]:
    """The nodes that a node's positive and negative come through."""
    waiting, seen = _linked(prompt.get(node, {}), CONDITIONING), {node}
    while waiting and len(seen) <= FAR:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            source = prompt.get(name, {})
            yield source
            waiting += _linked(source, CONDITIONING) or _linked(
                source
            )  # a reroute's or a switch's have other names


def _linked(one: Mapping[str, Any], begin: tuple[str, ...] = ("",)) -> list[str]:
    """Ids of the nodes behind the inputs whose names begin so."""
    inputs = one.get("inputs", {}).items()
    return [str(link[0]) for key, link in inputs if isinstance(link, list) and link and key.startswith(begin)]
