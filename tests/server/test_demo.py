"""The demo for three players on a real server with random models: files, masks of every step, figures."""

from __future__ import annotations

from dataclasses import replace

from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.interact_core.media import read_frames, read_sound
from interacthuman.interact_core.theatre import demo
from interacthuman.interact_core.theatre.company import assemble, write_inputs
from interacthuman.interact_core.theatre.sample_speech import sample_files
from interacthuman.tests.support.tiny_graphs import tiny_graph


def test_a_take_of_three_players(server: ComfyServer) -> None:
    names = ("Ada", "Ben", "Cleo")  # not the session's own input files
    players = [replace(p, name=name) for p, name in zip(assemble(sample_files(3), 3), names)]
    write_inputs(players, server.input)
    take = demo.play(server, tiny_graph(demo.build_graph(players, 1.0, 3)))
    assert take.history.names == names
    assert read_frames(take.video).shape == (9, 48, 64, 3)
    frames, height, width, _ = read_frames(
        take.masks_video
    ).shape  # small videos are enlarged, so that names can be read
    assert frames == 9 and height * 64 == width * 48 and height >= 48
    assert abs(len(read_sound(take.video)[0]) / read_sound(take.video)[1] - 9 / 25) < 0.1
    assert take.contact_sheet.suffix == ".png" and take.contact_sheet.is_file()
    records = demo.measure_take(take, players)
    assert [record["name"] for record in records] == list(names)
    for record in records:  # noise: nobody is there, and that is said without failing
        assert list(record["mask_iou"]) == [str(step + 1) for step in take.history.steps]
        assert record["looks_like_its_reference"] is False and abs(record["sync"]) <= 1
