"""`dev.py render` on real servers: nothing lost, none twice, equal to single runs, whatever dies."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.interact_core.media import read_frames
from interacthuman.interact_core.rendering.__main__ import main
from interacthuman.tests.support.models import model_files
from interacthuman.tests.support.tiny_graphs import from_files, id_of, only, tiny_graph

FILMS = 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of two people, a graph of them, the same that saves the video alone, and a table of FILMS seeds."""
    api = json.loads(
        (Path(__file__).parents[2] / "workflows" / "api" / "two_speakers.json").read_text("utf-8")
    )
    graph = tiny_graph(from_files(api))
    only(graph, "InterActEncodeCharacters")["length"] = 5
    only(graph, "InterActSampler")["steps"] = 2
    (tmp_path / "graph.json").write_text(json.dumps(graph), encoding="utf-8")
    (tmp_path / "video.json").write_text(json.dumps(without_masks(graph)), encoding="utf-8")
    model_files.write_inputs(tmp_path)
    rows = "".join(f"film {number:02d},{number}\n" for number in range(FILMS))
    (tmp_path / "films.csv").write_text(f"film,InterAct Sampler.seed\n{rows}", encoding="utf-8")
    return tmp_path


def without_masks(graph: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Without the viewer and what is behind it."""
    gone = {id_of(graph, "InterActPreviewMasks")}
    while behind := {
        name
        for name, node in graph.items()
        if name not in gone and any(isinstance(v, list) and v[0] in gone for v in node["inputs"].values())
    }:
        gone |= behind
    return {name: node for name, node in graph.items() if name not in gone}


def table_of(out: Path) -> list[dict[str, Any]]:
    with (out / "rendered.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def video(out: Path, name: str) -> np.ndarray:
    several = out / "films" / name / "Save Video.mp4"
    return read_frames(several if several.is_file() else out / "films" / f"{name}.mp4")


def test_what_fails_is_a_row_and_what_is_made_is_kept(folder: Path, server: ComfyServer) -> None:
    (folder / "short.csv").write_text(
        "film,InterAct Sampler.seed,InterAct Sampler.sampler_name\na,1,\nb,2,no such sampler\nc,1,\n",
        encoding="utf-8",
    )
    words = [str(folder / "short.csv"), str(folder / "graph.json"), "--servers", server.address, "--out"]
    assert main([*words, str(folder / "out")]) == 1
    rows = table_of(folder / "out")
    assert [(row["film"], row["status"]) for row in rows] == [("a", "made"), ("b", "failed"), ("c", "made")]
    assert "no such sampler" in rows[1]["error"] and rows[1]["error"].startswith("InterAct Sampler: ")
    assert rows[0]["InterAct Sampler.seed"] == "1" and float(rows[0]["seconds"]) > 0
    a, c = (video(folder / "out", name) for name in "ac")
    assert a.shape[0] == 5 and np.array_equal(a, c), "the same row under two names"
    before = {path: path.stat().st_mtime_ns for path in (folder / "out" / "films").rglob("*.mp4")}
    assert len(before) == 4  # the video and its masks, of two films
    assert main([*words, str(folder / "out")]) == 1
    assert {path: path.stat().st_mtime_ns for path in before} == before, "made before, so left alone"


def test_a_server_that_nobody_reaches_and_places_that_are_none_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, graph = str(folder / "films.csv"), str(folder / "graph.json")
    for words, told in (
        (
            [table, graph, "--servers", "http://127.0.0.1:9", "--out", str(folder / "o")],
            "no server is left for 40",
        ),
        ([table, graph, "--out", str(folder / "films.csv")], "cannot be written to"),
        ([str(folder / "gone.csv"), graph], "cannot be read"),
        ([table, str(folder / "gone.json")], "cannot be read as a graph"),
    ):
        assert main(words) == 2
        assert told in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Ray's actors end otherwise there")
def test_forty_films_on_two_servers_of_which_one_is_killed(
    folder: Path, comfy_folder: Path, server: ComfyServer
) -> None:
    """As typed, with Ray; each server is a real one that is started by its actor."""
    models = folder / "models"
    models.mkdir()
    options = [
        "--extra-model-paths-config",
        str(model_files.write_models(models)),
        "--disable-all-custom-nodes",
    ]
    options += [
        "--whitelist-custom-nodes",
        "interacthuman",
        model_files.STAND_IN_NODES.name,
        "--disable-api-nodes",
    ]
    module = "'interacthuman.interact_core.rendering', run_name='__main__', alter_sys=True"
    code = f"import runpy, sys; sys.argv[0] = 'render'; runpy.run_module({module})"
    paths = os.pathsep.join([str(comfy_folder), str(comfy_folder / "custom_nodes")])
    out = folder / "out"
    command = [
        str(folder / "films.csv"),
        str(folder / "video.json"),
        "--workers",
        "2",
        "--out",
        str(out),
        *options,
    ]
    with (
        tempfile.TemporaryDirectory(prefix="r") as temp,
        (folder / "log").open("w+") as log,
    ):  # sockets want short paths
        environment = {**os.environ, "PYTHONPATH": paths, "TMPDIR": temp, "OMP_NUM_THREADS": "1"}
        run = subprocess.Popen(
            [sys.executable, "-P" if sys.version_info >= (3, 11) else "-B", "-c", code, *command],
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            killed = kill_one_when(out, 6, temp, run)
            assert run.wait(timeout=550) == 0, (folder / "log").read_text()
        finally:
            run.kill()
    said = (folder / "log").read_text()
    assert killed and "died over film" in said and said.count("is ready") == 3, said
    rows = table_of(out)
    assert [row["film"] for row in rows] == [f"film {number:02d}" for number in range(FILMS)]
    assert {row["status"] for row in rows} == {"made"} and [row["tries"] for row in rows].count("2") == 1
    assert len(list((out / "films").glob("*.mp4"))) == FILMS
    assert len({row["server"] for row in rows}) >= 2
    again = next(row["film"] for row in rows if row["tries"] == "2")
    chosen = ["film,InterAct Sampler.seed", *(f"{name},{int(name[-2:])}" for name in ("film 00", again))]
    (folder / "single.csv").write_text("\n".join(chosen), encoding="utf-8")
    words = [str(folder / "single.csv"), str(folder / "video.json"), "--servers", server.address]
    assert main([*words, "--out", str(folder / "single")]) == 0
    for name in ("film 00", again):
        assert np.array_equal(video(out, name), video(folder / "single", name)), name
    assert not np.array_equal(video(out, "film 00"), video(out, again))
    assert not any(temp in " ".join(one) for one in command_lines().values()), "a server outlived the run"


def kill_one_when(out: Path, films: int, mark: str, run: subprocess.Popen) -> bool:
    """Kill the server of one actor, with no time to say anything, once so many films are made, and some by each."""
    while run.poll() is None:
        records = [json.loads(path.read_text()) for path in (out / "records").glob("*.json")]
        if len(records) >= films and len({record["server"] for record in records}) == 2:
            for pid, words in command_lines().items():
                if any(mark in word for word in words) and any(word.endswith("main.py") for word in words):
                    psutil.Process(pid).kill()
                    return True
        time.sleep(0.05)
    return False


def command_lines() -> dict[int, list[str]]:
    return {one.pid: one.info["cmdline"] or [] for one in psutil.process_iter(["cmdline"])}
