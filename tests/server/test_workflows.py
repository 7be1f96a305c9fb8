"""The shipped graphs: their two forms say the same, and a ComfyUI knows every node and input of them."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.interact_core.examples import IN_GROUP
from interacthuman.interact_core.media import read_frames
from interacthuman.tools.graphs.converted_graphs import is_muted
from interacthuman.tools.graphs.layout import LINE, ROOM, SCREEN, Note
from interacthuman.tools.graphs.pages import RUN, SAY, WATCH, WHO
from interacthuman.tools.graphs.parts import nodes_of
from interacthuman.tools.graphs.public_files import models_of
from interacthuman.tools.make_public_workflows import ALL, ALL_PAGES, WHOLE
from interacthuman.tools.make_thumbnails import SIZE as THUMBNAIL
from interacthuman.tools.make_thumbnails import everybody
from interacthuman.tools.make_ui_workflows import NO_ID
from interacthuman.tools.make_workflows import GRAPHS, WORKFLOWS, api_text, ui_file
from PIL import Image, ImageFont

WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COLOR", "COMFY_DYNAMICCOMBO_V3"}
MUTED = 2  # a node's mode
BAR = 30  # of a title, above a node's place
PAPER = {"MarkdownNote", "Note"}  # nodes of the frontend alone
FRAMES = 5  # of a short run: decoding is what takes the time
SHOWN = {
    "dubbing": ["Mira"],
    "one_picture": list(IN_GROUP),
}  # where not every InterAct Character is in the viewer
LONGER = {"long_film": 9, "best_of_four_seeds": 9}  # parts; as few frames as lips have a figure for


@pytest.fixture(scope="module")
def object_info(server: ComfyServer) -> Callable[[str], dict[str, Any]]:
    """The server's answers by type of node, each asked for once."""
    return functools.cache(server.object_info)


def ui_form(name: str) -> dict[str, Any]:
    """With folded nodes as low as they are shown."""
    ui = json.loads(ui_file(name).read_text(encoding="utf-8"))
    for node in ui["nodes"]:
        if node["flags"].get("collapsed"):
            node["size"][1] = 0
    return ui


def api_form(ui: dict[str, Any], object_info: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """What the frontend would send for a flat graph saved in UI form: class_type and inputs by node id.

    Widget values are saved by position, in the order of the node's definition; a seed is followed by what
    happens to it after a run, which is never sent.
    """
    muted = {node["id"] for node in ui["nodes"] if node["mode"] == MUTED}
    links = {link[0]: [str(link[1]), link[2]] for link in ui["links"] if link[1] not in muted}
    graph = {}
    for node in ui["nodes"]:
        if node["type"] in PAPER or node["id"] in muted:
            continue
        info = object_info(node["type"])
        linked = {entry["name"]: links[entry["link"]] for entry in node["inputs"] if entry["link"] in links}
        values = dict(zip(widget_names(info), node.get("widgets_values", [])))
        inputs = {name: value for name, value in values.items() if name is not None} | linked
        graph[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return graph


def widget_names(info: dict[str, Any]) -> Iterator[str | None]:
    """Names of a node's widgets in order, None for one whose value is not sent."""
    for group in ("required", "optional"):
        for name in info["input_order"].get(group, []):
            kind, *options = info["input"][group][name]
            settings = options[0] if options else {}
            if not (isinstance(kind, list) or kind in WIDGETS) or settings.get("forceInput"):
                continue
            yield name
            if settings.get("control_after_generate"):
                yield None


def plain(graph: dict[str, Any]) -> dict[str, Any]:
    """Without the titles."""
    return {name: {key: node[key] for key in ("class_type", "inputs")} for name, node in graph.items()}


@pytest.mark.parametrize("name", GRAPHS)
def test_the_api_form_is_as_written_in_python(name: str) -> None:
    path = WORKFLOWS / "api" / f"{name}.json"
    assert path.read_text(encoding="utf-8") == api_text(name), "run make_workflows.py"


@pytest.mark.parametrize("name", ALL)
def test_the_ui_form_converts_to_exactly_the_api_form(object_info, name: str) -> None:
    assert api_form(ui_form(name), object_info) == plain(ALL[name]()), "run make_ui_workflows.py"


@pytest.mark.parametrize("name", ALL)
def test_the_ui_form_is_tidy(name: str) -> None:
    """No node lies on another, each stands in a named box or is the note; no two boxes share a place."""
    ui = ui_form(name)
    for number, node in enumerate(ui["nodes"]):
        for other in ui["nodes"][:number]:
            assert not overlap(node, other), (node["type"], other["type"])
        inside = [group for group in ui["groups"] if holds(group["bounding"], node)]
        assert len(inside) == (0 if node["type"] in PAPER else 1), node["type"]
    for number, group in enumerate(ui["groups"]):
        for other in ui["groups"][:number]:
            assert not meet(group["bounding"], other["bounding"]), (group["title"], other["title"])
    papers = {node["title"]: node for node in ui["nodes"] if node["type"] in PAPER}
    written = {note.title: [note.text] for note in ALL_PAGES[name].notes}
    assert {title: node["widgets_values"] for title, node in papers.items()} == written, (
        "run make_ui_workflows.py"
    )
    assert ui["id"] == NO_ID  # or two browsers that open it would see each other's masks


@pytest.mark.parametrize("name", ALL)
def test_no_title_is_cut(object_info, name: str) -> None:
    """ComfyUI cuts a title at the edge: letters of 14 pixels, in a box 24, and some 40 for what stands beside them."""
    ui = ui_form(name)
    for node in ui["nodes"]:
        info = {} if node["type"] in PAPER else object_info(node["type"])
        title = node.get("title") or info["display_name"] or info["name"]
        assert letters(title, 14) + 40 <= node["size"][0], title
    for group in ui["groups"]:
        assert letters(group["title"], 24) + 20 <= group["bounding"][2], group["title"]


@pytest.mark.parametrize("name", ALL)
def test_a_run_has_room_for_what_it_shows(object_info, name: str) -> None:
    """Below their sockets and widgets nodes have room for text and pictures, so that a run moves nothing."""
    for node in ui_form(name)["nodes"]:
        if node["type"] in ROOM and not node["flags"].get("collapsed"):
            info = object_info(node["type"])
            sockets = max(len(node.get("inputs", [])), len(node["outputs"]))
            rows = sockets + sum(key is not None for key in widget_names(info))
            assert node["size"][1] >= ROOM[node["type"]] + 20 * min(rows, sockets + 1), node["type"]


@pytest.mark.parametrize("name", ALL)
def test_it_fits_one_screen_on_which_titles_are_read(name: str) -> None:
    """At 60 % of its size, in numbered boxes; what loads models is folded."""
    ui = ui_form(name)
    boxes = [group["bounding"] for group in ui["groups"]]
    boxes += [[*node["pos"], *node["size"]] for node in ui["nodes"]]
    for axis in (0, 1):
        first, last = min(box[axis] for box in boxes), max(box[axis] + box[axis + 2] for box in boxes)
        assert last - first <= SCREEN[axis]
    titles = [group["title"] for group in ui["groups"]]
    assert [title for title in titles if title[0].isdigit()] == sorted({WHO, SAY, RUN, WATCH} & set(titles))
    assert {WHO, RUN, WATCH} <= set(titles)
    for node in ui["nodes"]:
        # Of a folded node's title ComfyUI draws 20 letters.
        assert not node["flags"].get("collapsed") or len(node.get("title", "")) <= 20, node["title"]
        assert ("Loader" in node["type"] or "InterActLoad" in node["type"]) <= node["flags"].get(
            "collapsed", False
        )


@pytest.mark.parametrize("name", ALL)
def test_links_go_to_the_right(name: str) -> None:
    """Or down, within a column."""
    ui = ui_form(name)
    nodes = {node["id"]: node for node in ui["nodes"]}
    for _, source, _, target, *_ in ui["links"]:
        one, other = nodes[source], nodes[target]
        right = other["pos"][0] >= one["pos"][0] + one["size"][0]
        down = other["pos"][0] >= one["pos"][0] and other["pos"][1] >= one["pos"][1] + one["size"][1]
        assert right or down, (one["type"], one.get("title"), other["type"], other.get("title"))


@pytest.mark.parametrize("name", ALL)
def test_loaders_tell_comfyui_where_their_files_are(name: str) -> None:
    """`properties.models`, by which it offers to fetch what is missing; and what is muted stands muted there."""
    nodes = {str(node["id"]): node for node in ui_form(name)["nodes"] if node["type"] not in PAPER}
    whole = WHOLE[name]()
    assert set(nodes) == set(whole)
    for key, node in nodes.items():
        assert node["properties"].get("models", []) == models_of(whole[key]), node["type"]
        assert (node["mode"] == MUTED) == is_muted(whole[key])


def test_a_note_is_as_high_as_its_text() -> None:
    """More text, or a narrower paper, is never lower; the address behind a link takes no room."""
    short, long = Note("# Title\n\none line"), Note("# Title\n\none line" + " and more" * 40)
    assert long.height - short.height == 7 * LINE  # 368 letters, 48 in a line
    assert Note(long.text, width=2 * long.width).height < long.height
    assert (
        Note("- [a.safetensors](https://example.org/" + "x" * 300 + ")").height
        == Note("- a.safetensors").height
    )


@pytest.mark.parametrize("name", ALL)
def test_seeds_stay_as_they_are(object_info, name: str) -> None:
    """So that a template's second run is the one that its picture shows."""
    afterwards = []
    for node in ui_form(name)["nodes"]:
        if node["type"] not in PAPER:
            named = widget_names(object_info(node["type"]))
            afterwards += [value for key, value in zip(named, node.get("widgets_values", [])) if key is None]
    assert afterwards and set(afterwards) == {"fixed"}


def test_every_workflow_is_one_of_ours_and_has_a_picture() -> None:
    assert {path.stem for path in (WORKFLOWS / "api").glob("*.json")} == set(ALL)
    assert {*WORKFLOWS.glob("*.json")} == {ui_file(name) for name in ALL}
    assert set(ALL_PAGES) == set(ALL)
    for name in GRAPHS:
        picture = ui_file(name).with_suffix(".jpg")  # the name that the template browser asks for
        assert picture.is_file() and picture.stat().st_size < 60_000, "run make_thumbnails.py"
        with Image.open(picture) as opened:
            assert opened.format == "JPEG" and opened.size == THUMBNAIL


@pytest.mark.parametrize("name", GRAPHS)
def test_a_template_needs_nothing_but_what_the_pack_ships(name: str, root: Path) -> None:
    graph = GRAPHS[name]()
    kinds = {node["class_type"] for node in graph.values()}
    assert not kinds & {"LoadImage", "LoadAudio", "LoadVideo"}
    assert {"InterActPreviewMasks", "CreateVideo", "SaveVideo", "InterActExample"} <= kinds
    asked = ("model_name", "unet_name", "adapter_name", "vae_name", "audio_encoder_name")
    files = {value for node in graph.values() for key, value in node["inputs"].items() if key in asked}
    for file in files:
        assert list((root / "models").glob(f"*/{file}")), file


def test_the_graphs_share_one_set_of_settings() -> None:
    """The cast and the sampling are the same in all, so that their pictures can be compared; four seeds are four."""
    one_seed = [make for name, make in GRAPHS.items() if name != "best_of_four_seeds"]
    for kind in ("InterActSampler", "InterActMaskGuidance", "KSampler"):
        found = [
            node["inputs"] for make in one_seed for node in make().values() if node["class_type"] == kind
        ]
        shared = [
            {key: value for key, value in one.items() if not isinstance(value, list) and key != "mask_source"}
            for one in found
        ]
        assert shared and all(one == shared[0] for one in shared)


def test_speakers_take_turns_without_typed_seconds() -> None:
    """The second speech starts where the first ends, after a pause, and the film is as long as both."""
    graph = GRAPHS["taking_turns"]()
    first, second = (graph[name]["inputs"] for name in nodes_of(graph, "InterActEncodeSpeech"))
    assert first["start_time"] == 0.0 and second["start_time"] == ["12", 1] and second["gap"] > 0
    (encoded,) = nodes_of(graph, "InterActEncodeCharacters")
    assert graph[encoded]["inputs"]["length"] == 0


@pytest.mark.parametrize(
    "margins, best",
    [
        ((0.1, 0.2, 0.3, 0.1), 2),
        ((0.5, 0.2, 0.3, 0.5), 0),
        ((math.nan, -0.2, math.nan, -0.1), 3),
        ((-0.9, math.nan, -0.2, math.nan), 2),
        ((math.nan, math.nan, math.nan, math.nan), 0),
    ],
)
def test_the_film_with_the_best_margin_is_taken(margins: tuple[float, ...], best: int) -> None:
    """By core's own node. A film in which no mouth was seen has no margin (nan): it is not the best, and no error."""
    from comfy_extras.nodes_math import MathExpressionNode

    graph = GRAPHS["best_of_four_seeds"]()
    (place,) = nodes_of(graph, "ComfyMathExpression")
    values = dict(zip("abcde", (*margins, 49)))
    assert (
        MathExpressionNode.execute(graph[place]["inputs"]["expression"], values).args[1] == best * values["e"]
    )


def test_whoever_is_in_the_film_is_looked_for_when_whole_puppets_are_counted() -> None:
    """Else the eyes of who listens to a dub count as too many of who is dubbed."""
    assert everybody(GRAPHS["dubbing"](), ["Mira"]) == ["Mira", "Tobi"]
    assert everybody(GRAPHS["one_picture"](), list(IN_GROUP)) == list(IN_GROUP)


@pytest.mark.slow
@pytest.mark.parametrize("name", GRAPHS)
def test_a_template_runs_to_its_end(server: ComfyServer, name: str) -> None:
    """With the theatre's own models at their own size, in two steps."""
    graph, frames = GRAPHS[name](), LONGER.get(name, FRAMES)
    for node in graph.values():
        if "steps" in node["inputs"]:
            node["inputs"]["steps"] = 2
        if node["class_type"] == "InterActEncodeCharacters":
            node["inputs"]["length"] = frames
        if node["class_type"] == "InterActNextPart":
            node["inputs"].update(length=frames - 4, overlap=1)
    outputs = server.run(graph)
    for saver in nodes_of(graph, "SaveVideo"):
        (file,) = outputs[saver]["images"]
        assert len(read_frames(server.path_of(file))) == frames
    expected = SHOWN.get(name) or [
        node["inputs"]["name"] for node in graph.values() if node["class_type"] == "InterActCharacter"
    ]
    for preview in nodes_of(graph, "InterActPreviewMasks"):
        (manifest,) = outputs[preview]["interact_masks"]
        assert manifest["scene"]["names"] == expected and len(manifest["steps"]) == 2
        silent = [name for name, voice in zip(expected, manifest["voices"]) if voice is None]
        assert silent == (["Elsa"] if "Elsa" in expected else [])


def letters(text: str, size: int) -> float:
    """Width of a text in Pillow's own letters, which are about as wide as the browser's Inter."""
    return ImageFont.load_default(size).getlength(text)


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two nodes share a place, each with its title bar of 30 above it."""
    return all(
        one["pos"][axis] - title < other["pos"][axis] + other["size"][axis]
        and other["pos"][axis] - title < one["pos"][axis] + one["size"][axis]
        for axis, title in ((0, 0), (1, BAR))
    )


def meet(one: list[float], other: list[float]) -> bool:
    """Whether two boxes [x, y, width, height] share a place."""
    return all(
        one[axis] < other[axis] + other[axis + 2] and other[axis] < one[axis] + one[axis + 2]
        for axis in (0, 1)
    )


def holds(box: list[float], node: dict[str, Any]) -> bool:
    return all(
        box[axis] <= node["pos"][axis] and node["pos"][axis] + node["size"][axis] <= box[axis] + box[axis + 2]
        for axis in (0, 1)
    )


@pytest.mark.parametrize("name", GRAPHS)
def test_every_choice_of_the_shipped_graph_exists(object_info, name: str) -> None:
    for node in GRAPHS[name]().values():
        info = object_info(node["class_type"])
        known = {**info["input"]["required"], **info["input"].get("optional", {})}
        for key, value in node["inputs"].items():
            kind, *options = known[key.split(".")[0]]
            choices = kind if isinstance(kind, list) else (options[0].get("options") if options else None)
            if not choices or isinstance(choices[0], dict):
                continue
            assert value in choices, (node["class_type"], key, value)
