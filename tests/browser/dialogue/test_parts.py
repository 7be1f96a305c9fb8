"""What the timeline is made of, without a timeline: cues, places, edits, outlines, undo. One visit to a page."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from interacthuman.interact_core.speech.dialogue import overlaps, pauses, read_dialogue
from interacthuman.tests.browser.window import Window

SRT = """\ufeff1\r
00:00:01,000 --> 00:00:02,500\r
Mira: Have you seen\r
the <i>lamp</i>?\r
\r
2\r
00:00:02,600 --> 00:00:04,000\r
[TOBI] Which lamp?\r
\r
3\r
00:01:04,5 --> 01:00:00,000\r
It is 10:30 already.\r
"""
VTT = """WEBVTT - a talk

NOTE 00:00.000 --> 00:09.000
a comment

STYLE
::cue { color: red }

first
00:01.000 --> 00:02.500 align:start position:10%
<v Mira>Have you <b>seen</b> it?</v>

00:00:02.600 --> 00:00:04.000
<v.loud.first Tobi Fox>No &amp; yes
"""
LABELS = (
    "0.500000\t1.250000\tMira\n\\\t100.0\t2000.0\n1,5\t2,75\tTobi: hello there\n3.0\t3.0\ta point\nno label\n"
)
RTTM = """; made by hand
SPKR-INFO talk 1 <NA> <NA> <NA> unknown spk_0 <NA> <NA>
SPEAKER talk 1 0.50 1.25 <NA> <NA> spk_0 <NA> <NA>
SPEAKER talk 1 2.00 0.50 <NA> <NA> <NA> <NA> <NA>
SPEAKER talk 1 x 1.25 <NA> <NA> spk_1 <NA> <NA>
SPEAKER talk 1 3.00
garbage
"""
CUES = {
    "SRT": (
        SRT,
        [
            (1, 2.5, "Mira", "Have you seen the lamp?"),
            (2.6, 4, "TOBI", "Which lamp?"),
            (64.5, 3600, "", "It is 10:30 already."),
        ],
        0,
    ),
    "WebVTT": (VTT, [(1, 2.5, "Mira", "Have you seen it?"), (2.6, 4, "Tobi Fox", "No & yes")], 0),
    "Audacity": (LABELS, [(0.5, 1.25, "Mira", ""), (1.5, 2.75, "Tobi", "hello there")], 2),
    "RTTM": (RTTM, [(0.5, 1.75, "spk_0", ""), (2, 2.5, "", "")], 3),
    "Chinese": ("1\n00:00:00,0 --> 00:00:01,0\n米拉\uff1a你好\n", [(0, 1, "米拉", "你好")], 0),
    "out of order": (
        "2\n00:00:03.000 --> 00:00:04.000\nb\n\n1\n00:00:01.000 --> 00:00:02.000\na\n",
        [(1, 2, "", "a"), (3, 4, "", "b")],
        0,
    ),
    "bad times": ("1\n00:00:03,000 --> 00:00:01,000\nback\n\n2\nxx --> yy\nno\n", [], 2),
    "empty": ("", [], 0),
    "something else": ("hello\nworld\n", [], 2),
    "binary": ("\x00\x01\x02 --> \x00", [], 1),
}


def part(page: Window, name: str, body: str, argument: Any = None) -> Any:
    return page.js(f'const part = await import("/web/dialogue/{name}.js"); {body}', argument)


def script(*lanes: list[tuple[float, float]], file: str = "a.wav") -> str:
    """Lanes of clips from a start to an end."""
    made = [
        {
            "name": f"{n}",
            "clips": [{"file": file, "in": 0.5, "out": 0.5 + b - a, "start": a} for a, b in clips],
        }
        for n, clips in enumerate(lanes)
    ]
    return json.dumps({"lanes": made})


@pytest.mark.parametrize("kind", CUES)
def test_cues_are_read_and_what_is_none_is_counted(page: Window, kind: str) -> None:
    text, expected, skipped = CUES[kind]
    found = part(page, "cues", "return part.readCues(arg);", text)
    told = [(cue["start"], cue["end"], cue["speaker"], cue["text"]) for cue in found["cues"]]
    assert (told, found["skipped"]) == (expected, skipped)


def test_a_recording_of_two_people_becomes_two_lanes(page: Window) -> None:
    body = """
    const { readCues } = await import("/web/dialogue/cues.js");
    const { emptyDialogue, addClips, makeClip, write } = await import("/web/dialogue/model.js");
    let dialogue = emptyDialogue((number) => `Character ${number}`);
    dialogue = addClips(dialogue, 0, makeClip({ file: "talk.wav", out: 3 }));
    const { cues } = readCues(arg);
    const made = part.cuesToLanes(dialogue, { file: "talk.wav", seconds: 3 }, cues, 10, (n) => `Character ${n}`);
    return { ...made, dialogue: JSON.parse(write(made.dialogue)) };
    """
    made = part(page, "imports", body, SRT)
    assert (made["clips"], made["lanes"], made["left"]) == (2, 2, 1)
    mira, tobi = made["dialogue"]["lanes"]
    assert (mira["name"], tobi["name"]) == ("Mira", "TOBI")
    label = "Have you seen the lamp?"
    assert mira["clips"] == [{"file": "talk.wav", "in": 1, "out": 2.5, "start": 11, "label": label}]
    assert tobi["clips"][0]["in"] == 2.6 and tobi["clips"][0]["out"] == 3  # the recording is over


def test_the_json_is_what_the_node_reads(page: Window) -> None:
    lane = {"name": "Mira", "gain": 0.5, "mute": True, "clips": []}
    clip = {
        "file": "a b/ü.wav",
        "in": 1 / 3,
        "out": 2.0,
        "start": 65 / 24,
        "gain": 2,
        "mute": True,
        "label": "“Hi”",
    }
    text = json.dumps({"lanes": [{**lane, "clips": [clip, {"file": "b"}]}, {}]})
    again = part(page, "model", "return part.write(part.read(arg));", text)
    assert len(again) < 300
    one, other = read_dialogue(text), read_dialogue(again)
    assert [made.name for made in other.lanes] == [made.name for made in one.lanes] == ["Mira", "Character 2"]
    for made, given in zip(other.lanes[0].clips, one.lanes[0].clips, strict=True):
        assert (made.file, made.gain, made.mute, made.label) == (
            given.file,
            given.gain,
            given.mute,
            given.label,
        )
        assert [made.first, made.start] == pytest.approx([given.first, given.start], abs=1e-9)
    for bad in (
        "{",
        "[]",
        '{"lanes": [{"clips": [{}]}]}',
        '{"lanes": [{"clips": [{"file": "a", "start": "1"}]}]}',
    ):
        assert part(page, "model", "return part.read(arg) ?? null;", bad) is None


def test_overlaps_and_pauses_are_those_that_the_node_tells(page: Window) -> None:
    text = script([(0.5, 2), (4, 4.2), (2, 2.5)], [(1, 3), (4.1, 5)], [(4.15, 4.3)])
    body = """
    const { read } = await import("/web/dialogue/model.js");
    const dialogue = read(arg);
    const frames = [part.framesFor(5, 24), part.framesFor(2.6, 25), part.snapFrames(50)];
    return [part.overlaps(dialogue), part.pauses(dialogue, 6.5), ...frames];
    """
    at_once, silent, *frames = part(page, "arrange", body, text)
    lanes = read_dialogue(text).lanes
    assert at_once == [pytest.approx([1, 2.5]), pytest.approx([4.1, 4.3])]
    assert min(span for _, _, spans in overlaps(lanes) for span in spans) == pytest.approx((1, 2.5))
    assert silent == [pytest.approx(list(span)) for span in pauses(lanes, 6.5, 0.5)]
    assert frames == [121, 65, 53]


def test_one_after_another_and_spread(page: Window) -> None:
    text = script([(0.4, 1.41), (5, 6)], [(0.9, 2.0)])
    body = """
    const { read, inOrder, endOf } = await import("/web/dialogue/model.js");
    const places = (made) => inOrder(made).map(({ clip, index }) => [index, clip.start, endOf(clip)]);
    return [part.inTurn(read(arg), 0.2, 25), part.spread(read(arg), 10, 25), part.spread(read(arg), 1, 25)].map(places);
    """
    turn, spread, tight = part(page, "arrange", body, text)
    assert turn == [
        [0, pytest.approx(0.4), pytest.approx(1.41)],
        [1, pytest.approx(1.64), pytest.approx(2.74)],
        [0, pytest.approx(2.96), pytest.approx(3.96)],
    ]
    gaps = [spread[1][1] - spread[0][2], spread[2][1] - spread[1][2], 10 - spread[2][2]]
    assert [lane for lane, _, _ in spread] == [0, 1, 0]
    assert gaps == pytest.approx([3.245, 3.245, 0], abs=0.05)  # to a frame
    assert all(first[2] <= second[1] + 1e-9 for first, second in pairwise(tight))


def test_clips_are_moved_trimmed_split_and_stick_to_ends_and_frames(page: Window) -> None:
    body = """
    const m = await import("/web/dialogue/model.js");
    const s = await import("/web/dialogue/snapping.js");
    const dialogue = m.read(arg);
    const [first, second] = dialogue.lanes[0].clips;
    const of = (made, id) => (({ in: from, out, start }) => [from, out, start])(m.find(made, id).clip);
    const limits = { least: 0.04, longest: 3 };
    const half = m.splitClip(dialogue, first.id, 1.2);
    const times = s.anchors(dialogue, first.id, [7]);
    return {
      lanes: m.moveClip(dialogue, first.id, -1, 9).lanes.map(({ clips }) => clips.length),
      moved: of(m.moveClip(dialogue, first.id, 2.5, 0), first.id),
      start: of(m.trimClip(dialogue, first.id, "start", 1.25, limits), first.id),
      farther: of(m.trimClip(dialogue, first.id, "start", -9, limits), first.id),
      end: of(m.trimClip(dialogue, first.id, "end", 1.75, limits), first.id),
      longest: of(m.trimClip(dialogue, first.id, "end", 99, limits), first.id),
      least: of(m.trimClip(dialogue, first.id, "end", 0, limits), first.id),
      split: half.lanes[0].clips.map(({ id }) => of(half, id)),
      outside: m.splitClip(dialogue, first.id, 2.5) === dialogue,
      untouched: m.moveClip(dialogue, second.id, 5, 0).lanes[1] === dialogue.lanes[1],
      stuck: [4.06, 4.51].map((time) => s.snapped(time, times, 0.1, 25)),
      stuckClip: [2.97, 2.51].map((start) => s.snappedClip(start, 1, times, 0.1, 25)),
    };
    """
    found = part(page, "model", body, script([(1, 2), (4, 5)], []))
    assert found["lanes"] == [1, 1] and found["moved"] == [0.5, 1.5, 2.5]
    assert found["start"] == [0.75, 1.5, 1.25] and found["farther"] == [0, 1.5, 0.5]
    assert found["end"] == [0.5, 1.25, 1] and found["longest"] == [0.5, 3, 1]
    assert found["least"] == [0.5, pytest.approx(0.54), 1]
    assert found["split"] == [[0.5, pytest.approx(0.7), 1], [pytest.approx(0.7), 1.5, 1.2], [0.5, 1.5, 4]]
    assert found["outside"] and found["untouched"]
    assert found["stuck"] == [{"time": 4, "anchor": 4}, {"time": 4.52, "anchor": None}]
    assert found["stuckClip"] == [{"time": 3, "anchor": 4}, {"time": 2.52, "anchor": None}]


def test_undo_goes_back_by_edits_and_a_drag_is_one(page: Window) -> None:
    body = """
    const history = new part.History(0);
    history.push(1); history.push(2, "drag"); history.push(3, "drag"); history.settle(); history.push(4, "drag");
    const back = [history.undo(), history.undo(), history.undo(), history.undo() ?? null];
    const forth = [history.redo(), history.redo()];
    history.push(9);
    return [back, forth, history.redo() ?? null, history.undo()];
    """
    assert part(page, "history", body) == [[3, 1, 0, None], [1, 3], None, 3]


def test_outlines_hold_the_extremes_at_every_zoom(page: Window) -> None:
    body = """
    const samples = new Float32Array(100_000);
    samples[12_345] = 0.5; samples[70_000] = -0.25; samples[99_999] = 3;
    const pyramid = part.pyramidOf(samples, 1000);
    const ends = pyramid.levels.map(({ pairs }) => [Math.min(...pairs), Math.max(...pairs)]);
    const level = part.levelFor(pyramid, 1);
    const sheet = new part.WaveSheet();
    sheet.begin(100, 201);
    sheet.trace(pyramid, { x: 0, width: 100, middle: 100, half: 100 }, 0, 1, 1, [9, 8, 7, 255]);
    const canvas = Object.assign(document.createElement("canvas"), { width: 100, height: 201 }).getContext("2d");
    sheet.lay(canvas, 100, 201);
    const { data } = canvas.getImageData(0, 0, 100, 201);
    const ink = (x) => Array.from({ length: 201 }, (_, y) => y).filter((y) => data[4 * (100 * y + x) + 3]);
    const loud = Object.fromEntries([12, 50, 70, 99].map((x) => [x, [ink(x)[0], ink(x).at(-1)]]));
    return [pyramid.seconds, ends, level.size, [...data.slice(40_000, 40_004)], loud];
    """
    seconds, ends, size, colour, loud = part(page, "peaks", body)
    assert seconds == 100 and all(pair == [-32, 127] for pair in ends)
    assert size == 256  # the coarsest level below a pixel of 1000 samples
    assert colour == [9, 8, 7, 255]
    assert loud == {"12": [50, 100], "50": [100, 100], "70": [100, 125], "99": [0, 100]}


def test_a_take_is_a_wav_that_is_read_again(page: Window) -> None:
    body = """
    const { decoded } = await import("/web/dialogue/sounds.js");
    const samples = Float32Array.from({ length: 24_000 }, (_, at) => 0.5 * Math.sin(at / 7));
    const buffer = await decoded(await part.wavOf(samples, 24_000).arrayBuffer());
    const again = buffer.getChannelData(0);
    return [buffer.duration, Math.max(...samples.map((value, at) => Math.abs(value - again[at])))];
    """
    seconds, away = part(page, "wav", body)
    assert seconds == 1 and away < 1 / 16384


def test_lanes_change_places_and_their_links_go_with_them(page: Window) -> None:
    """On a node of plain objects, as LiteGraph has it; of a graph in API form links come before values."""
    found = page.js(
        """
        const { moveLane, makeLane } = await import("/web/dialogue/model.js");
        const { growForLinks, keepLanes, linksOf } = await import("/web/dialogue/sockets.js");
        const links = new Map(), others = [1, 2, 3].map((id) => ({ id }));
        const graph = { links, getNodeById: (id) => others.find((one) => one.id === id) };
        class Output { constructor(from) { Object.assign(this, from); } }
        const node = {
          graph, outputs: ["audio", "length", "fps"].map((name) => new Output({ name, links: [] })),
          addOutput(name, type) { this.outputs.push(new Output({ name, type, links: [] })); },
          removeOutput(slot) { this.outputs.splice(slot, 1); },
          connect(slot, other, at) {
            const id = links.size + 1;
            links.set(id, { target_id: other.id, target_slot: at });
            this.outputs[slot].links.push(id);
          },
          disconnectOutput(slot) { this.outputs[slot].links = []; },
        };
        const ends = () => linksOf(node).map((lane) => lane.map(({ target }) => target).join());
        keepLanes(node, [makeLane({ name: "1" }), makeLane({ name: "2" })]);
        growForLinks(node);
        others.forEach((other, at) => node.connect(3 + at, other, 0));
        const early = ends();
        const lanes = ["A", "B", "C"].map((name) => makeLane({ name }));
        keepLanes(node, lanes);
        const moved = moveLane({ lanes }, 0, 2);
        keepLanes(node, moved.lanes);
        return [early, ends(), node.outputs.slice(3).map(({ label }) => label),
          moveLane({ lanes }, 1, 9).lanes.map(({ name }) => name), moveLane(moved, 0, -4) === moved];
        """
    )
    assert found == [["1", "2", "3"], ["2", "3", "1"], ["B", "C", "A"], ["A", "C", "B"], True]
