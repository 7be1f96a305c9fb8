"""A table's rows become films: values by kind, files beside the table, and a sentence for whatever cannot be meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.rendering.films import Film, read_films
from interacthuman.interact_core.rendering.graph import Target, read_graph, with_values
from interacthuman.interact_core.rendering.schedule import Schedule

GRAPH = {
    "1": {"class_type": "UNETLoader", "inputs": {"unet_name": "a.safetensors"}},
    "2": {
        "class_type": "LoadImage",
        "inputs": {"image": "old.png"},
        "_meta": {"title": "Picture of Mira v1.5"},
    },
    "3": {
        "class_type": "KSampler",
        "inputs": {"seed": 7, "cfg": 3.0, "add_noise": True, "sampler_name": "euler", "model": ["1", 0]},
        "_meta": {"title": "Run"},
    },
    "4": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["3", 0], "filename_prefix": "x"},
        "_meta": {"title": "Save"},
    },
    "5": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["3", 0], "filename_prefix": "y"},
        "_meta": {"title": "Save"},
    },
}


def films(folder: Path, table: str) -> list[Film]:
    (folder / "films.csv").write_text(table, encoding="utf-8")
    return read_films(folder / "films.csv", GRAPH, folder)


def test_cells_take_the_kind_that_the_graph_has_and_empty_ones_leave_it(tmp_path: Path) -> None:
    one, two = films(
        tmp_path,
        "film,Run.seed,KSampler.cfg,3.add_noise,Run.sampler_name,Picture of Mira v1.5.image\n"
        "anna,18446744073709551615,2,no,heun,\n,,,,,new.png\n",
    )
    assert (one.name, two.name) == ("anna", "00002")
    assert one.values == {
        Target("3", "seed"): 18446744073709551615,
        Target("3", "cfg"): 2.0,
        Target("3", "add_noise"): False,
        Target("3", "sampler_name"): "heun",
    }
    assert type(one.values[Target("3", "cfg")]) is float and two.values == {Target("2", "image"): "new.png"}
    changed = with_values(GRAPH, one.values)
    assert changed["3"]["inputs"]["seed"] == 2**64 - 1 and GRAPH["3"]["inputs"]["seed"] == 7


def test_files_beside_the_table_travel_and_the_key_follows_them(tmp_path: Path) -> None:
    (tmp_path / "new.png").write_bytes(b"1")
    (tmp_path / "old.png").write_bytes(b"1")
    table = "film,Picture of Mira v1.5.image\na,new.png\nb,\n"
    one, two = films(tmp_path, table)
    assert one.files == {Target("2", "image"): tmp_path / "new.png"}
    assert two.files == {Target("2", "image"): tmp_path / "old.png"}, "the graph's own file lies beside it"
    assert films(tmp_path, table)[0].key == one.key != two.key
    (tmp_path / "new.png").write_bytes(b"22")
    changed = films(tmp_path, table)
    assert changed[0].key != one.key and changed[1].key == two.key


def test_people_for_the_figures_are_read_with_their_files(tmp_path: Path) -> None:
    (tmp_path / "mira.wav").write_bytes(b"1")
    (film,) = films(tmp_path, "film,score.Mira B.voice,score.Mira B.spans\na,mira.wav,0-1 2-3\n")
    job = film.job(tmp_path / "a.mp4")
    assert [(one.name, one.voice, one.spans) for one in job.people] == [
        ("Mira B", tmp_path / "mira.wav", ((0.0, 1.0), (2.0, 3.0)))
    ]
    (film,) = films(tmp_path, "film,Run.seed\na,1\n")
    assert film.job(tmp_path / "a.mp4").people[0].voice == tmp_path / "a.mp4", "the film's own sound"


@pytest.mark.parametrize(
    "table, told",
    [
        (
            "film,Run.seeds\na,1\n",
            r"'Run.seeds' is no input of the graph. Its inputs are UNETLoader.unet_name",
        ),
        ("film,Run.model\na,1\n", "given by a wire from UNETLoader"),
        ("film,Save.filename_prefix\na,1\n", "may mean the nodes 4, 5"),
        (
            "film,Run.seed\na,1\nb,1.5\n",
            "row 2 of films.csv, column 'Run.seed', is '1.5', expected a whole number",
        ),
        ("film,Run.cfg\na,much\n", "expected a number"),
        ("film,Run.add_noise\na,perhaps\n", "expected true or false"),
        ("film\n../a\n", "row 1 .* cannot be a file's name"),
        ("film\na\nA\n", "rows 1 and 2 are both called"),
        ("film,Run.seed\na,1,2\n", "more values than columns"),
        ("film,score.Mira.voice\na,gone.wav\n", r"there is no .*gone.wav \(score.Mira.voice\)"),
        ("film,score.Mira.spans\na,soon\n", "seconds such as"),
        ("film\n", "has no rows"),
    ],
)
def test_what_cannot_be_meant_is_told_with_row_and_column(tmp_path: Path, table: str, told: str) -> None:
    with pytest.raises(InteractError, match=told):
        films(tmp_path, table)


def test_a_graph_as_comfyui_saves_it_is_told_from_one_in_api_form(tmp_path: Path) -> None:
    path = tmp_path / "graph.json"
    for text, told in (
        (json.dumps({"nodes": [], "links": []}), r"File > Export \(API\)"),
        ("[1]", "no graph"),
        ("{}", "no graph"),
        ("{", "cannot be read"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InteractError, match=told):
            read_graph(path)
    path.write_text(json.dumps(GRAPH), encoding="utf-8")
    assert read_graph(path) == GRAPH


def test_films_that_share_models_stay_with_one_server(tmp_path: Path) -> None:
    rows = "".join(f"{name},{model}.safetensors\n" for name, model in zip("abcdefg", "xyxyxxz"))
    schedule = Schedule(films(tmp_path, f"film,UNETLoader.unet_name\n{rows}"))
    taken = {0: [], 1: []}
    for server in (0, 1, 0, 1, 0, 0, 1, 0):
        film = schedule.take(server)
        taken[server].append(film and film.name)
    # Server 0 begins with x, which has most films, server 1 with y; then z, and nothing is left.
    assert taken == {0: ["a", "c", "e", "f", None], 1: ["b", "d", "g"]}


def test_a_server_without_films_of_its_own_helps_and_a_film_has_two_tries(tmp_path: Path) -> None:
    schedule = Schedule(films(tmp_path, "film,Run.seed\na,1\nb,2\n"))
    first = schedule.take(0)
    assert first.name == "a" and schedule.take(1).name == "b" and schedule.left == 0
    assert schedule.once_more(first) and schedule.take(1) is first
    assert not schedule.once_more(first) and schedule.left == 0
