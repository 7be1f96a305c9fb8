"""What nodes say on a real server: to the client that queued the prompt, to nobody else, and in the history."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tests.support.aside import run_aside
from interacthuman.tests.support.server import told_of_a_run
from interacthuman.tests.support.tiny_graphs import from_files, id_of, only, tiny_graph

ENCODE, SAMPLE = "InterActEncodeCharacters", "InterActSampler"
FPS = "The adapter was trained at 25 frames per second, but the video has 30: mouths may lag."


def test_only_the_client_that_queued_is_told(server: ComfyServer, root: Path) -> None:
    shipped = json.loads((root / "workflows" / "api" / "two_speakers.json").read_text(encoding="utf-8"))
    graph = tiny_graph(from_files(shipped))
    only(graph, ENCODE).update(length=6, fps=30.0)
    only(graph, SAMPLE).update(steps=2, seed=4711)
    encode, sampler = id_of(graph, ENCODE), id_of(graph, SAMPLE)
    prompt, told, overheard, untold = run_aside(queued_and_overheard(server, graph))

    live = [message["data"] for message in told if message["type"] == "interact.text"]
    assert live and all(event["source"] == sampler and event["prompt"] == prompt for event in live)
    assert all([line["text"] for line in event["lines"]] == [FPS] for event in live)
    shown = {
        message["data"]["node"]: message["data"]["output"]["interact_text"]
        for message in told
        if message["type"] == "executed" and "interact_text" in (message["data"]["output"] or {})
    }
    said = [line["text"] for line in shown[encode][0]]
    assert said[:2] == ["64x48, 9 frames (0.30 s at 30 fps).", "The length was rounded up: 6 is not 4n+1."]
    assert [line["text"] for line in shown[sampler][0]] == [FPS]
    assert [text_events(messages) for messages in (overheard, untold)] == [[], []]

    entry = server.get(f"/history/{prompt}")[prompt]
    assert {
        name: output["interact_text"] for name, output in entry["outputs"].items() if name in shown
    } == shown
    (job,) = [job for job in server.get("/api/jobs")["jobs"] if job["id"] == prompt]
    assert job["outputs_count"] == sum(
        len(items)
        for output in entry["outputs"].values()
        for key, items in output.items()
        if key not in ("interact_text", "animated")
    )  # sentences are no files


def text_events(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages that put something under a node; those of bytes may be ComfyUI's own text."""
    return [
        message for message in messages if message["type"] == "bytes" or "interact" in json.dumps(message)
    ]


async def queued_and_overheard(
    server: ComfyServer, graph: dict[str, Any]
) -> tuple[str, list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """The id of a prompt that one of two clients queues, and what the one, and what the other gets.

    The last is what both get of a prompt that no client queued.
    """
    async with (
        aiohttp.ClientSession(server.address) as session,
        session.ws_connect("/ws?clientId=first") as first,
        session.ws_connect("/ws?clientId=second") as other,
    ):
        answer = await session.post("/prompt", json={"prompt": graph, "client_id": "first"})
        prompt = (await answer.json())["prompt_id"]
        told = await told_of_a_run(first)
        overheard = await told_of_a_run(other)
        again = json.loads(json.dumps(graph))
        only(again, SAMPLE)["seed"] += 1
        await asyncio.to_thread(server.run, again)
        return prompt, told, overheard, [*await told_of_a_run(first), *await told_of_a_run(other)]
