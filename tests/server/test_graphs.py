"""Whole graphs on a real server: the shipped one, core's samplers, interrupts, many runs."""

from __future__ import annotations

import copy
import json
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.interact_core.preview.manifest import read_history
from interacthuman.tests.support.tiny_graphs import from_files, id_of, on_stock_sampler, only, tiny_graph
from interacthuman.tools.make_workflows import GRAPHS
from PIL import Image

GROWTH_LIMIT = 50 * 2**20  # bytes of resident memory after the second run
RUNS = 10

Graph = dict[str, dict[str, Any]]


@pytest.fixture
def graph(root: Path) -> Graph:
    """The shipped graph of two speakers on the tiny models and on pictures of odd sizes."""
    shipped = json.loads((root / "workflows" / "api" / "two_speakers.json").read_text(encoding="utf-8"))
    return tiny_graph(from_files(shipped))


def said(outputs: dict[str, Any], name: str) -> list[str]:
    """What the node with this id says under itself, in English, a line each."""
    return [line["text"] for line in outputs[name]["interact_text"][0]]


def masks_of(server: ComfyServer, outputs: dict[str, Any], graph: Graph) -> Any:
    """The MaskHistory that the preview node tells of."""
    return read_history(manifest_of(outputs, graph), server.temp)


def manifest_of(outputs: dict[str, Any], graph: Graph) -> dict[str, Any]:
    """What the viewer of the preview node is given."""
    (manifest,) = outputs[id_of(graph, "InterActPreviewMasks")]["interact_masks"]
    return manifest


def frames_of(server: ComfyServer, outputs: dict[str, Any], save: str) -> list[bytes]:
    """The pixels of every picture that a SaveImage wrote."""
    return [Image.open(server.path_of(file)).tobytes() for file in outputs[save]["images"]]


def with_frames(graph: Graph, seed: int) -> Graph:
    """The graph without its videos, saving the decoded frames as pictures; another seed."""
    kept = copy.deepcopy(graph)
    for name in [name for name, node in graph.items() if node["class_type"] in ("CreateVideo", "SaveVideo")]:
        del kept[name]
    only(kept, "InterActSampler")["seed"] = seed
    images = [id_of(kept, "VAEDecode"), 0]
    kept["frames"] = {"class_type": "SaveImage", "inputs": {"images": images, "filename_prefix": "frames"}}
    return kept


def test_the_shipped_graph_gives_videos_masks_and_a_sheet(server: ComfyServer, graph: Graph) -> None:
    outputs = server.run(graph)
    files = [outputs[name]["images"][0] for name, node in graph.items() if node["class_type"] == "SaveVideo"]
    assert len(files) == 2
    for file in files:
        path = server.path_of(file)
        assert path.suffix == ".mp4" and path.stat().st_size > 500
    import av

    with av.open(str(server.path_of(files[0]))) as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 64, 48)
        assert stream.average_rate == 25 and sum(1 for _ in video.decode(video=0)) == 9
    with av.open(str(server.path_of(files[0]))) as video:
        assert sum(frame.samples for frame in video.decode(audio=0)) >= 0.36 * 16000 - 1

    masks = masks_of(server, outputs, graph)
    assert masks.names == ("Mira", "Tobi") and masks.masks.shape == (4, 2, 3, 3, 4)
    assert (masks.width, masks.height, masks.frames, masks.fps) == (64, 48, 9, 25.0)
    assert masks.total_steps == 4 and 0 <= masks.boundary_step < 4
    # No picture of ComfyUI's own, which would take the height of the viewer.
    assert set(outputs[id_of(graph, "InterActPreviewMasks")]) == {"interact_masks", "interact_text"}


def test_a_film_is_made_in_parts_that_go_on_from_each_other(server: ComfyServer) -> None:
    """Five frames and four more behind one that both have; masks steer the second part from its first step."""
    graph = tiny_graph(from_files(GRAPHS["long_film"]()))
    for node in graph.values():
        if node["class_type"] == "InterActNextPart":
            node["inputs"].update(length=5, overlap=1)
    outputs = server.run(graph)
    import av

    (file,) = outputs[id_of(graph, "SaveVideo")]["images"]
    with av.open(str(server.path_of(file))) as video:
        assert sum(1 for _ in video.decode(video=0)) == 9
    with av.open(str(server.path_of(file))) as video:
        heard = sum(frame.samples for frame in video.decode(audio=0))
    assert abs(heard - 0.36 * 16000) <= 1024  # one packet of AAC
    first, second = (outputs[name]["interact_masks"][0] for name in ("84", "94"))
    assert first["scene"]["frames"] == second["scene"]["frames"] == 5
    assert not first["steps"][0]["steered"] and all(step["steered"] for step in second["steps"])
    parts = [name for name, node in graph.items() if node["class_type"] == "InterActNextPart"]
    assert sorted(said(outputs, name) for name in parts) == [
        ["Frames 1 to 5 of 9.", "4 frames remain after this part."],
        ["Frames 5 to 9 of 9.", "1 of them is finished already.", "This is the last part."],
    ]


def test_masks_are_served_to_viewers(server: ComfyServer, graph: Graph) -> None:
    outputs = server.run(graph)
    manifest = manifest_of(outputs, graph)
    assert [step["index"] for step in manifest["steps"]] == [0, 1, 2, 3]
    assert all(len(peaks) == 4 * 9 and max(peaks) > 0 for peaks in manifest["voices"])
    names = [manifest["video"], *(step[kind] for step in manifest["steps"] for kind in ("masks", "frames"))]
    for name in names:
        place = urllib.parse.urlencode({"filename": name, "type": "temp"})
        with urllib.request.urlopen(f"{server.address}/view?{place}", timeout=30) as answer:
            assert answer.read() == (server.temp / name).read_bytes()


def test_stock_loader_and_samplers_give_the_same_as_our_own(server: ComfyServer, graph: Graph) -> None:
    """UNETLoader, Apply Adapter, Mask Guidance, KSampler, Collect Masks: bit for bit the sampler node."""
    ours = with_frames(graph, seed=3)
    sampled = server.run(ours)

    stock = with_frames(graph, seed=3)
    on_stock_sampler(stock)
    collected = server.run(stock)

    assert frames_of(server, sampled, "frames") == frames_of(server, collected, "frames")
    assert torch.equal(masks_of(server, sampled, ours).masks, masks_of(server, collected, stock).masks)


def test_masks_become_masks_at_video_size(server: ComfyServer, graph: Graph) -> None:
    graph = with_frames(graph, seed=4)
    wanted = {"masks": [id_of(graph, "InterActSampler"), 1], "character": "Tobi", "step": 0, "edges": "soft"}
    graph["mask"] = {"class_type": "InterActMasksToMask", "inputs": {**wanted, "threshold": 0.5}}
    graph["as_image"] = {"class_type": "MaskToImage", "inputs": {"mask": ["mask", 0]}}
    graph["save"] = {
        "class_type": "SaveImage",
        "inputs": {"images": ["as_image", 0], "filename_prefix": "mask"},
    }
    files = server.run(graph)["save"]["images"]
    assert len(files) == 9 and Image.open(server.path_of(files[0])).size == (64, 48)


def test_sizes_that_do_not_fit_are_changed_and_said(server: ComfyServer, graph: Graph) -> None:
    only(graph, "InterActEncodeCharacters").update(width=71, height=41, length=6)
    outputs = server.run(graph)
    masks = masks_of(server, outputs, graph)
    assert (masks.width, masks.height, masks.frames) == (64, 48, 9)
    lines = said(outputs, id_of(graph, "InterActEncodeCharacters"))
    assert "The size was rounded: 71x41 is not a multiple of 16." in lines
    assert "The length was rounded up: 6 is not 4n+1." in lines


def test_three_speakers_take_turns_by_wires(server: ComfyServer, graph: Graph) -> None:
    """end_time goes into the next start_time, with pauses: the wires carry exact seconds."""
    kinds = ("InterActLoadWav2Vec2", "LoadAudio", "InterActEncodeSpeech")
    chain = {name: node for name, node in graph.items() if node["class_type"] in kinds}
    first, second = (name for name, node in chain.items() if node["class_type"] == "InterActEncodeSpeech")
    chain["third"] = copy.deepcopy(chain[first])
    chain[first]["inputs"]["start_time"] = 0.0
    chain[second]["inputs"].update(start_time=[first, 1], gap=0.25)
    chain["third"]["inputs"].update(start_time=[second, 1], gap=-0.125)
    for name in (first, second, "third"):
        for output in (1, 2):
            chain[f"{name} {output}"] = {"class_type": "PreviewAny", "inputs": {"source": [name, output]}}
    outputs = server.run(chain)
    ends, durations = (
        [float(outputs[f"{name} {output}"]["text"][0]) for name in (first, second, "third")]
        for output in (1, 2)
    )
    assert min(durations) > 0
    assert ends[0] == durations[0]
    assert ends[1] == ends[0] + 0.25 + durations[1]
    assert ends[2] == ends[1] - 0.125 + durations[2]


def test_an_interrupt_leaves_the_next_run_as_if_it_had_never_been(server: ComfyServer, graph: Graph) -> None:
    wanted = with_frames(graph, seed=5)
    first = server.run(wanted)
    before = frames_of(server, first, "frames"), masks_of(server, first, wanted)

    endless = with_frames(graph, seed=6)
    only(endless, "InterActSampler")["steps"] = 5000
    prompt = server.post_prompt(endless)
    deadline = time.monotonic() + 120
    # Everything up to the sampler is cached from the run before: once it runs, it samples.
    while not server.is_running(prompt) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    server.interrupt()
    events = [event for event, _ in server.wait(prompt, 120)["status"]["messages"]]
    assert "execution_interrupted" in events

    # The same seed from a node of its own: another key, or the cache would answer.
    wanted["seed"] = {"class_type": "PrimitiveInt", "inputs": {"value": 5}}
    only(wanted, "InterActSampler")["seed"] = ["seed", 0]
    again = server.run(wanted)
    after = frames_of(server, again, "frames"), masks_of(server, again, wanted)
    assert before[0] == after[0] and torch.equal(before[1].masks, after[1].masks)
    runs = [manifest_of(outputs, wanted)["run"] for outputs in (first, again)]
    assert runs[0] != runs[1]  # it ran again, nothing came from the cache


@pytest.mark.slow
def test_ten_runs_do_not_grow(server: ComfyServer, graph: Graph) -> None:
    """What the first runs load and compile stays; later ones add nothing."""
    resident = []
    for run in range(RUNS):
        only(graph, "InterActSampler")["seed"] = 100 + run
        server.run(graph)
        resident.append(server.rss())
    assert max(resident[1:]) - resident[1] < GROWTH_LIMIT, [size >> 20 for size in resident]
