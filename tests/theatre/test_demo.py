"""The demo's parts that need no server: characters, graphs, decoding, and what the report says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.interact_core.guidance.layout import layouts_on_grid
from interacthuman.interact_core.media import read_frames, read_sound
from interacthuman.interact_core.preview.record import RunRecord
from interacthuman.interact_core.theatre import demo, graphs, voices
from interacthuman.interact_core.theatre.demo_characters import NAMES, draw_characters, write_input_files
from interacthuman.interact_core.theatre.measuring import measure, report
from interacthuman.interact_core.theatre.sample_speech import LINES, sample_files
from interacthuman.tests.support.theatre.scenes import FPS, example_scene


def write_film(path: Path, frames: np.ndarray, sound: np.ndarray) -> None:
    """H.264 as core's SaveVideo writes it (comfy_api, VideoFromComponents.save_to), with an AAC track."""
    import av

    with av.open(str(path), "w") as film:
        pictures = film.add_stream("h264", rate=int(FPS))
        pictures.width, pictures.height, pictures.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        voice = film.add_stream("aac", rate=voices.RATE, layout="mono")
        for frame in frames:
            film.mux(pictures.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        film.mux(pictures.encode(None))
        packet = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        packet.sample_rate = voices.RATE
        film.mux(voice.encode(packet))
        film.mux(voice.encode(None))


def test_the_project_brings_four_different_voices():
    files = sample_files(4)
    openings = []
    for file, line in zip(files, LINES):
        sound, rate = read_sound(file)
        assert rate == voices.RATE and 2.0 < len(sound) / rate < 4.5
        assert line.voice in voices.HELD_OUT_VOICES
        openings.append(voices.mouth_opening(sound, rate, FPS, 25))
        assert openings[-1].std() > 0.2  # the first second of what the demo uses is not a pause
    pairs = [measure.sync(a, b) for i, a in enumerate(openings) for b in openings[:i]]
    assert max(pairs) < 0.5


def test_the_same_seed_draws_the_same_characters():
    first, again, other = (draw_characters(sample_files(3), seed) for seed in (1, 1, 2))
    assert first == again
    assert [character.name for character in first] == list(NAMES[:3])
    assert {character.look for character in first}.isdisjoint(character.look for character in other)
    for count in (0, 5):
        with pytest.raises(ValueError, match="one to 4 recordings"):
            draw_characters([Path("voice.wav")] * count, 1)


def test_inputs_are_written_under_the_names_that_the_graph_loads(tmp_path):
    characters = draw_characters(sample_files(2), 1)
    write_input_files(characters, tmp_path / "input")
    graph = graphs.with_characters(graphs.shipped_graph(), characters)
    named = [
        n["inputs"].get("image") or n["inputs"].get("audio")
        for n in graph.values()
        if "Load" in n["class_type"]
    ]
    files = {path.name for path in (tmp_path / "input").iterdir()}
    assert files <= set(named) and len(files) == 4


def test_two_sample_speakers_are_the_shipped_graph_on_files():
    """Nothing but where pictures and recordings come from is another node."""
    shipped = graphs.shipped_graph()
    cast = graphs.with_characters(shipped, draw_characters(sample_files(2), 1))
    examples = {name for name, node in shipped.items() if node["class_type"] == graphs.EXAMPLE}
    assert examples <= set(cast) and all(cast[name]["class_type"] == "LoadImage" for name in examples)
    added = set(cast) - set(shipped)
    assert {cast[name]["class_type"] for name in added} == {"LoadAudio"} and len(added) == len(examples) == 2
    for name in set(shipped) - examples:
        before, after = (graph[name]["inputs"] for graph in (shipped, cast))
        changed = {key for key in before | after if before.get(key) != after.get(key)}
        assert changed <= ({"audio"} if before.get("audio", [""])[0] in examples else set()), name


def test_a_graph_with_characters_from_files_can_be_given_characters_again():
    characters = draw_characters(sample_files(3), 1)
    graph = graphs.with_characters(graphs.shipped_graph(), characters)
    assert graphs.with_characters(graph, characters) == graph


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_graphs_for_any_number_of_characters(count):
    characters = draw_characters(sample_files(count), 1)
    graph = demo.build_graph(characters, seconds=1.0, seed=7)
    by_class: dict[str, list[str]] = {}
    for name, node in graph.items():
        by_class.setdefault(node["class_type"], []).append(name)
        for value in node["inputs"].values():
            if isinstance(value, list):
                assert value[0] in graph
    assert all(len(by_class[kind]) == count for kind in graphs.CHAIN)
    encode = graphs.inputs_of(graph, "InterActEncodeCharacters")
    cast = [encode[f"characters.character_{k}"][0] for k in range(count)]
    assert [graph[name]["inputs"]["name"] for name in cast] == [character.name for character in characters]
    for name, character in zip(cast, characters):
        speech = graph[graph[name]["inputs"]["speech"][0]]
        assert graph[speech["inputs"]["audio"][0]]["inputs"]["audio"] == character.sound_file
        assert graph[graph[name]["inputs"]["image"][0]]["inputs"]["image"] == character.image_file
    assert f"characters.character_{count}" not in encode
    assert encode["length"] == 25 and graphs.inputs_of(graph, "InterActSampler")["seed"] == 7


def test_the_length_is_snapped_to_what_wan_makes():
    graph = demo.build_graph(draw_characters(sample_files(2), 1), seconds=2.5, seed=1)
    assert graphs.inputs_of(graph, "InterActEncodeCharacters")["length"] == 65


def test_a_finished_file_is_measured_as_the_drawing(tmp_path):
    """H.264 halves the colours' resolution; mouths are still read from the file that a person looks at."""
    example = example_scene(9_100_007, 2, motion=0.6)
    sound, _ = read_sound(sample_files(1)[0])
    write_film(tmp_path / "film.mp4", example.rendering.frames, sound[: voices.RATE])
    frames = read_frames(tmp_path / "film.mp4")
    assert frames.shape == example.rendering.frames.shape
    track, rate = read_sound(tmp_path / "film.mp4")
    assert rate == voices.RATE and abs(len(track) - voices.RATE) <= 4096
    reading = measure.read_clip(frames, example.scene.looks)
    for opening, voice in zip(reading.openings, example.voices):
        assert measure.sync(opening, voice) > 0.95


def test_recordings_that_cannot_be_read_are_named(tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    with pytest.raises(ValueError, match="broken.wav is not a recording"):
        read_sound(broken)
    write_film(tmp_path / "film.mp4", np.zeros((5, 32, 32, 3), np.uint8), np.zeros(4096, np.float32))
    assert demo.main(["--speech", str(broken), "--out", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()


def history_of(example, names: tuple[str, ...]) -> RunRecord:
    """Four steps of masks: nowhere, everywhere, at each other's place, and right."""
    true = torch.stack(
        [layouts_on_grid(torch.from_numpy(mask), 25, 192, 128, "x") for mask in example.rendering.masks]
    )
    masks = torch.stack([torch.zeros_like(true), torch.ones_like(true), true.flip(0), true]).half()
    return RunRecord(
        masks=masks,
        steps=(0, 1, 2, 3),
        sigmas=(1.0, 0.9, 0.6, 0.3),
        boundary_step=2,
        total_steps=4,
        names=names,
        width=192,
        height=128,
        frames=25,
        fps=FPS,
    )


def test_what_the_report_says():
    example = example_scene(9_100_002, 2, silent=(1,), motion=0.3)
    looks, frames = example.scene.looks, example.rendering.frames
    history = history_of(example, ("Mira", "Tobi"))
    reading = measure.read_clip(frames, looks)
    speaking, silent = report.measure_characters(frames, looks, example.voices, history, reading)
    assert speaking.sync > 0.95 and speaking.silent_open is None
    assert silent.sync == 0 == silent.crosstalk and silent.silent_open == 0
    for character in (speaking, silent):
        assert character.likeness.alike and character.whole == 1
        nowhere, everywhere, swapped, right = character.mask_iou
        assert nowhere == 0 and everywhere < 0.5 and swapped < 0.1 and right > 0.9
    assert report.boundary_index(history) == 1
    record = report.character_record(speaking, history.steps)
    assert json.loads(json.dumps(record)) == record
    assert list(record["mask_iou"]) == ["1", "2", "3", "4"] and record["name"] == "Mira"
    assert set(report.versions("0.30.0")) >= {"interacthuman", "comfyui", "python", "torch", "transformers"}
