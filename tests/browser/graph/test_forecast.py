"""What is foretold of a run and of a model's values, on small graphs made of plain objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.tests.support.models import tiny_wan  # before anything of comfy

import comfy.supported_models  # isort: skip

from interacthuman.interact_core.adapter import Recommended
from interacthuman.interact_core.adapter.recommended import RECOMMENDED_KEY
from interacthuman.interact_core.frames import snap_frames
from interacthuman.interact_core.host.keys import ROLE_COND
from interacthuman.interact_core.host.run.memory_estimate import shape_to_estimate
from interacthuman.tests.browser.graph.plain_graphs import PLAIN
from interacthuman.tests.browser.window import Window

SECONDS = {"mira": 3.3, "anna.wav": 2.0}
FORETELL = f"""
{PLAIN}
const {{ castsOf }} = await import("/web/characters/casts.js");
const {{ forecast }} = await import("/web/graph/forecast.js");
const {{ sentencesOf }} = await import("/web/graph/forecast_text.js");
const [nodes, seconds] = arg, root = build(nodes);
const lengthOf = ({{ kind, file }}) => seconds[kind === "example" ? file.toLowerCase() : file];
const made = forecast(root, castsOf(root)[0], lengthOf);
return [made.frames ?? null, made.windows ?? null, sentencesOf(made), made.memory ?? null];
"""
VALUES = f"""
{PLAIN}
const {{ differences, modelsOf, readValues, setValues }} = await import("/web/graph/model_values.js");
const root = build(arg[0]), values = readValues(arg[1]);
const told = () => modelsOf(root).flatMap((model) => differences(model, values ?? {{}}))
  .map(({{ place, name, wanted, found }}) => [place.node.id, name, wanted, found ?? null]);
const before = told();
setValues(modelsOf(root).flatMap((model) => differences(model, values ?? {{}})));
return [before, told()];
"""


def widgets(**values: Any) -> dict[str, Any]:
    return {"widgets": [{"name": name, "value": value} for name, value in values.items()]}


def person(number: str, name: str, *speech: Any) -> list[Any]:
    inputs = [["IMAGE:image"], ["AUDIO_ENCODER_OUTPUT:speech", *speech]]
    return [number, "InterActCharacter", inputs, widgets(name=name)]


def speech(number: str, sound: tuple[str, int], *before: Any, gap: float = 0.0) -> list[Any]:
    inputs = [["AUDIO:audio", *sound], ["FLOAT:start_time", *before]]
    return [number, "InterActEncodeSpeech", inputs, widgets(start_time=0.5, gap=gap)]


def encoder(*people: str, length: Any = 0, more: tuple[Any, ...] = ()) -> list[Any]:
    sockets = [[f"INTERACT_CHARACTER:characters.character_{slot}", who, 0] for slot, who in enumerate(people)]
    return [
        "9",
        "InterActEncodeCharacters",
        [*sockets, *more],
        widgets(length=length, fps=25.0, width=832, height=480),
    ]


EXAMPLE = ["1", "InterActExample", [], widgets(name="Mira")]
FILE = ["2", "LoadAudio", [], widgets(audio="anna.wav")]
TURNS = [
    EXAMPLE, FILE, speech("3", ("1", 1)), speech("4", ("2", 0), "3", 1, gap=0.4),
    person("5", "Mira", "3", 0), person("6", "Anna", "4", 0),
]  # fmt: skip
LANES = json.dumps(
    {"lanes": [
        {"name": "A", "clips": [{"file": "mira.wav [example]", "in": 1, "out": 2, "start": 0},
                                {"file": "anna.wav", "start": 4}]},
        {"name": "B", "mute": True, "clips": [{"file": "anna.wav", "start": 9}]},
    ]}
)  # fmt: skip
TIMELINE = ["7", "InterActDialogue", [], widgets(dialogue=LANES, length=0, fps=30.0)]
FROM_TIMELINE = (["INT:length", "7", 1], ["FLOAT:fps", "7", 2])
SAMPLED = [
    ["20", "InterActLoadDiT", [], widgets(adapter_name="a.safetensors")],
    ["21", "WanContextWindowsManual", [["MODEL:model", "20", 0]],
     widgets(context_length=73, context_overlap=24, context_schedule="standard_static")],
    ["22", "InterActSampler",
     [["MODEL:model", "21", 0], ["CONDITIONING:positive", "9", 0], ["INTERACT_CAST:cast", "9", 3]],
     widgets(steps=50, cfg=6.5, sampler_name="euler", stage_boundary=0.2)],
]  # fmt: skip
CASES = {
    # 0.5 + 3.3 and a pause of 0.4 before 2.0 s: 6.2 s, 155 frames, 157 of the form 4n+1.
    "one after the other": ([*TURNS, encoder("5", "6")], 157, None, ["Mira: 0.50-3.80 s.", "Anna: 4.20-6.20 s."]),
    # 40 latent frames, windows of 19 that share 6.
    "in windows": ([*TURNS, encoder("5", "6"), *SAMPLED], 157, 3, ["157 frames, 6.28 s at 25 fps, in 3 windows."]),
    "too short": ([*TURNS, encoder("5", "6", length=50)], 53, None, ["ends at 2.12 s: set length to 0"]),
    "twice the same": (
        [*TURNS[:4], person("5", "Ann", "3", 0), person("6", " Ann", "4", 0), encoder("5", "6")],
        157, None, ["The name Ann is there more than once"],
    ),
    "silent": ([person("5", "Mira"), encoder("5")], 1, None, ["Silent: Mira."]),
    "only a run tells": (
        [["1", "TextToSpeech", [], {}], speech("3", ("1", 0)), person("5", "Mira", "3", 0), encoder("5")],
        None, None, ["How long the video is, only a run tells: Mira."],
    ),
    # The muted lane is silent, the film ends with what is heard: 6 s at 30 fps.
    "a timeline": (
        [TIMELINE, person("5", "Mira", "7", 3), person("6", "Anna", "7", 4), encoder("5", "6", more=FROM_TIMELINE)],
        181, None, ["at 30 fps", "Mira: 0.00-1.00, 4.00-6.00 s.", "Silent: Anna."],
    ),
    "everybody of a picture": (
        [["5", "InterActPeople", [], {"title": "Who is there"}], encoder("5", length=9)],
        9, None, ["When they speak, only a run tells: Who is there."],
    ),
    # Of the timeline's lanes, by its names and by how many voices there are; the third has neither name nor voice.
    "a timeline for everybody of a picture": (
        [TIMELINE, ["5", "InterActPeople",
                    [["AUDIO_ENCODER_OUTPUT:voices.voice_1", "7", 4], ["AUDIO_ENCODER_OUTPUT:voices.voice_2", "7", 3],
                     ["AUDIO_ENCODER_OUTPUT:voices.voice_3"]],
                    {**widgets(people='{"people": [{"name": "Mira", "at": [[0.2, 0.5]]}]}'), "title": "Who"}],
         encoder("5", more=FROM_TIMELINE)],
        181, None, ["Character 2: 0.00-1.00, 4.00-6.00 s.", "Silent: Mira."],
    ),
    "nobody": ([encoder()], 1, None, ["No character is connected."]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_run_is_foretold(page: Window, name: str) -> None:
    nodes, frames, windows, said = CASES[name]
    found = page.js(FORETELL, [nodes, SECONDS])
    assert found[:2] == [frames, windows] and (frames is None or snap_frames(frames) == frames)
    for line in said:
        assert line in " ".join(found[2])


WANTED = Recommended(
    width=192, height=128, steps=20, cfg=3.0, sampler_name="lcm", shift=3.0, stage_boundary=0.2
)


def test_values_that_are_not_those_of_the_model_are_found_and_set(page: Window) -> None:
    """Of what samples with it, and of the cast above; a sampler of another adapter, and what is wired, stay."""
    other = [
        ["30", "InterActApplyAdapter", [["MODEL:model", "20", 0]], widgets(adapter_name="b.safetensors")],
        ["31", "KSampler", [["MODEL:model", "30", 0]], widgets(steps=7, cfg=1.0)],
    ]
    driven = [["5", "PrimitiveInt", [], widgets(value=640)]]
    # Of the model's 20 steps 13 are left at a denoise of 0.65.
    begun = [
        "23",
        "InterActSampler",
        [["MODEL:model", "21", 0]],
        widgets(steps=13, denoise=0.65, cfg=3.0, sampler_name="lcm"),
    ]
    nodes = [*SAMPLED, begun, *driven, encoder(more=(["INT:width", "5", 0],)), *other]
    before, after = page.js(VALUES, [nodes, WANTED.to_metadata()])
    assert [entry for entry in before if entry[0] not in ("30", "31")] == [
        ["22", "steps", 20, 50],
        ["22", "cfg", 3, 6.5],
        ["22", "sampler_name", "lcm", "euler"],
        ["9", "width", 192, 640],
        ["9", "height", 128, 480],
        ["22", "shift", 3, None],
    ]
    assert [entry[:2] for entry in after if entry[0] not in ("30", "31")] == [["9", "width"], ["22", "shift"]]


def test_a_sampler_that_is_not_here_is_said_and_not_set(page: Window) -> None:
    """As of another ComfyUI or pack: the list of the widget would not run with it."""
    chosen = {"name": "sampler_name", "value": "euler", "options": {"values": ["euler", "uni_pc"]}}
    sampler = ["22", "InterActSampler", [["MODEL:model", "20", 0]], {"widgets": [chosen]}]
    before, after = page.js(VALUES, [[SAMPLED[0], sampler], Recommended(sampler_name="lcm").to_metadata()])
    assert (
        [entry[:4] for entry in before]
        == [["22", "sampler_name", "lcm", "euler"]]
        == [one[:4] for one in after]
    )


@pytest.mark.parametrize(
    "text", ["no JSON", "[1]", '"text"', '{"strange": 1}', '{"steps": {"a": 1}}', "null"]
)
def test_values_that_are_none_are_passed_over(page: Window, text: str) -> None:
    assert page.js(VALUES, [[*SAMPLED, encoder()], {RECOMMENDED_KEY: text}]) == [[], []]


@pytest.mark.parametrize(
    "file, width, frames, shown",
    [
        ("Wan2_1-T2V-14B_fp8.safetensors", 5120, 81, 3),
        ("phantom-wan-1.3B.safetensors", 1536, 29, 2),
        ("wan2.2_ti2v_5B_fp16.safetensors", 3072, 49, 1),
    ],
)
def test_the_memory_of_a_pass_is_that_of_comfyui(
    page: Window, tmp_path: Path, file: str, width: int, frames: int, shown: int
) -> None:
    """A window of 81 frames at most. On a CPU ComfyUI counts 0.15 for 0.01 of each of two bytes, for which the figure
    is: the attention that a GPU has.
    """
    people = [person(str(number), f"P{number}") for number in range(shown)]
    names = [str(number) for number in range(shown)]
    load = ["20", "UNETLoader", [], widgets(unet_name=file)]
    windows = widgets(context_length=81, context_overlap=24, context_schedule="standard_static")
    more = [["21", "WanContextWindowsManual", [["MODEL:model", "20", 0]], windows], *SAMPLED[2:]]
    for length in (frames, 321):
        nodes = [load, *more, *people, encoder(*names, length=length)]
        found = page.js(FORETELL, [nodes, SECONDS])
        model = tiny_wan.load_tiny(tmp_path)
        latent = (min(length, 81) - 1) // 4 + 1
        references = {"time_dim_concat": torch.zeros(1, 16, shown, 60, 104)}
        cond = {**references, "model_conds": {ROLE_COND: None}}
        shape = shape_to_estimate([1, 16, latent, 60, 104], {"positive": [cond]}, {})
        factor = comfy.supported_models.WAN21_T2V({"dim": width}).memory_usage_factor
        tiny = model.get_model_object("memory_usage_factor")
        expected = model.model.memory_required(shape) / tiny * factor / 0.15 * 0.01 * 2
        assert found[3] == pytest.approx(expected, rel=1e-6)
        assert f"about {expected / 2**30:.1f} GB" in " ".join(found[2])


def test_a_model_of_unknown_size_and_no_sampler_have_no_memory(page: Window) -> None:
    for nodes in ([*TURNS, encoder("5", "6"), *SAMPLED], [*TURNS, encoder("5", "6")]):
        assert page.js(FORETELL, [nodes, SECONDS])[3] is None
