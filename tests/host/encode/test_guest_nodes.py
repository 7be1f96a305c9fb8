"""What only the graph tells of other nodes: WanInfiniteTalkToVideo's previous_frames, WanSoundImageToVideoExtend."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.host.encode.guest_nodes import check_previous_frames

# An Encode Characters "6" behind the second part of ComfyUI's InfiniteTalk template.
GRAPH: dict[str, Any] = {
    "1": {"class_type": "CLIPTextEncode", "inputs": {"text": "talking"}},
    "2": {"class_type": "VAEDecode", "inputs": {"samples": ["9", 0]}},
    "3": {
        "class_type": "WanInfiniteTalkToVideo",
        "inputs": {"positive": ["1", 0], "negative": ["1", 0], "previous_frames": ["2", 0], "length": 81},
    },
    "6": {"class_type": "InterActEncodeCharacters", "inputs": {"positive": ["3", 1], "negative": ["3", 2]}},
}


def changed(**nodes: dict[str, Any]) -> dict[str, Any]:
    return {**copy.deepcopy(GRAPH), **{name.removeprefix("n"): one for name, one in nodes.items()}}


def test_previous_frames_are_refused() -> None:
    with pytest.raises(
        InteractError, match=r"WanInfiniteTalkToVideo with previous_frames.*InterAct Next Part"
    ):
        check_previous_frames(GRAPH, "6")


def test_s2v_s_extension_is_refused() -> None:
    """It would begin every voice again in each part; WanSoundImageToVideo itself passes."""
    graph = changed()
    graph["3"]["class_type"] = "WanSoundImageToVideoExtend"
    with pytest.raises(InteractError, match=r"WanSoundImageToVideoExtend.*InterAct Next Part"):
        check_previous_frames(graph, "6")
    graph["3"]["class_type"] = "WanSoundImageToVideo"
    check_previous_frames(graph, "6")


def test_they_are_found_through_other_nodes() -> None:
    """A node that adds to the conditioning, and a reroute, whose input has another name."""
    graph = changed(
        n4={
            "class_type": "ConditioningCombine",
            "inputs": {"conditioning_1": ["1", 0], "conditioning_2": ["5", 0]},
        },
        n5={"class_type": "Reroute", "inputs": {"": ["3", 1]}},
        n6={"class_type": "InterActEncodeCharacters", "inputs": {"positive": ["4", 0], "vae": ["8", 0]}},
    )
    with pytest.raises(InteractError, match="previous_frames"):
        check_previous_frames(graph, "6")


def test_a_first_part_passes() -> None:
    for value in (None, "", 5):
        graph = changed()
        graph["3"]["inputs"]["previous_frames"] = value
        check_previous_frames(graph, "6")


def test_another_film_s_frames_pass() -> None:
    """The frames of a film that core has continued may begin ours, as a start image; so may a graph without a link."""
    graph = changed(
        n7={"class_type": "WanImageToVideo", "inputs": {"positive": ["1", 0], "start_image": ["2", 0]}},
        n9={"class_type": "KSampler", "inputs": {"positive": ["3", 1]}},
        n6={"class_type": "InterActEncodeCharacters", "inputs": {"positive": ["7", 0]}},
    )
    check_previous_frames(graph, "6")
    check_previous_frames({"6": {"class_type": "InterActEncodeCharacters", "inputs": {"vae": ["3", 0]}}}, "6")
    check_previous_frames(None, None)


def test_a_graph_in_a_circle_ends() -> None:
    check_previous_frames(
        {"6": {"inputs": {"positive": ["7", 0]}}, "7": {"inputs": {"positive": ["6", 0]}}}, "6"
    )
