"""The demo for three characters on a real server with random models: files, masks of every step, figures."""

from __future__ import annotations

from dataclasses import replace

from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.interact_core.media import read_frames, read_sound
from interacthuman.interact_core.theatre import demo
from interacthuman.interact_core.theatre.demo_characters import draw_characters, write_input_files
from interacthuman.interact_core.theatre.sample_speech import sample_files
from interacthuman.tests.support.tiny_graphs import tiny_graph


def test_a_demo_of_three_characters(server: ComfyServer) -> None:
    names = ("Ada", "Ben", "Cleo")  # not the session's own input files
    characters = [replace(p, name=name) for p, name in zip(draw_characters(sample_files(3), 3), names)]
    write_input_files(characters, server.input)
    output = demo.run_graph(server, tiny_graph(demo.build_graph(characters, 1.0, 3)))
    assert output.history.names == names
    assert read_frames(output.video).shape == (9, 48, 64, 3)
    frames, height, width, _ = read_frames(
        output.masks_video
    ).shape  # small videos are enlarged, so that names can be read
    assert frames == 9 and height * 64 == width * 48 and height >= 48
    assert abs(len(read_sound(output.video)[0]) / read_sound(output.video)[1] - 9 / 25) < 0.1
    assert output.contact_sheet.suffix == ".png" and output.contact_sheet.is_file()
    records = demo.measure_output(output, characters)
    assert [record["name"] for record in records] == list(names)
    for record in records:  # noise: nobody is there, and that is said without failing
        assert list(record["mask_iou"]) == [str(step + 1) for step in output.history.steps]
        assert record["looks_like_its_reference"] is False and abs(record["sync"]) <= 1
