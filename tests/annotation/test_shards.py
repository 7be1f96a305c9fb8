"""Which clips share a shard, and that what is written is what the trainer reads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from interacthuman.interact_core.annotation.film.decoding import ClipWriter, write_wav
from interacthuman.interact_core.annotation.people.captions import CAPTION_FILE
from interacthuman.interact_core.annotation.people.masks import write_masks
from interacthuman.interact_core.annotation.people.voices import VOICE_FILE
from interacthuman.interact_core.annotation.pipeline.manifest import Done, Manifest
from interacthuman.interact_core.annotation.pipeline.record import FPS, RATE, Places, Record
from interacthuman.interact_core.annotation.shards import SHARDS, GroupKeys, ShardKeys, group_clips
from interacthuman.interact_core.training.data.shards import decode_sample, raw_samples
from PIL import Image

CLIPS = [
    Record(f"f{film}-{n}", f"f{film}.mp4", float(n), n + 5.0, key=f"{film}{n}")
    for film in range(12)
    for n in range(3)
]


def groups_of(rows: list[Record], places: Places, keys: GroupKeys) -> list[list[str]]:
    groups = group_clips(rows, keys, places)
    Manifest(places.out).write("groups", [Done(group.key, (group,), 0.0) for group in groups])
    return [
        [group.id[:5], *(member["id"] for member in json.loads(group.texts["members"]))] for group in groups
    ]


def test_films_are_held_out_whole_and_new_clips_make_new_shards(tmp_path: Path) -> None:
    places, keys = Places(tmp_path, tmp_path), GroupKeys(clips=4, validation=0.3)
    first = groups_of(CLIPS[:-3], places, keys)
    held_out = {name.split("-")[0] for kind, *names in first if kind == "valid" for name in names}
    trained = {name.split("-")[0] for kind, *names in first if kind == "train" for name in names}
    assert held_out and trained and not held_out & trained
    assert sorted(name for _, *names in first for name in names) == sorted(clip.id for clip in CLIPS[:-3])
    later = groups_of(CLIPS, places, keys)
    assert [group for group in later if group not in first] == [
        [later_kind(later, first), "f11-0", "f11-1", "f11-2"]
    ]
    assert groups_of(CLIPS, places, keys) == later

    before = {group.id for group in group_clips(CLIPS, keys, places)}
    stale = tmp_path / "shards" / f"{_holding(CLIPS[0], places, keys)}-00000.tar"
    stale.parent.mkdir()
    stale.touch()
    changed = [replace(CLIPS[0], key="other"), *CLIPS[1:]]
    assert len(before - {group.id for group in group_clips(changed, keys, places)}) == 1
    assert not stale.exists()


def _holding(clip: Record, places: Places, keys: GroupKeys) -> str:
    return next(g.id for g in group_clips(CLIPS, keys, places) if f'"{clip.id}"' in g.texts["members"])


def later_kind(later: list[list[str]], first: list[list[str]]) -> str:
    return next(group[0] for group in later if group not in first)


def test_a_shard_holds_the_window_alone(tmp_path: Path) -> None:
    """Frame n is of grey n; person 0 speaks from 1 s to 3 s, person 1 never; the window is 2 s to 3.2 s."""
    folder = tmp_path / "clips" / "a"
    (folder / "references").mkdir(parents=True)
    writer = ClipWriter(folder / "video.mp4", 4)
    for number in range(100):
        writer.add(np.full((32, 48, 3), 50 + number, np.uint8))
    writer.finish()
    write_wav(folder / "sound.wav", np.arange(4 * RATE).astype(np.int16))
    masks = np.zeros((2, 100, 32, 48), bool)
    masks[0, 60, :16], masks[1, :, :, :8] = True, True
    write_masks(folder, masks, np.linspace(0, 1, 200).reshape(2, 100))
    (folder / CAPTION_FILE).write_text(json.dumps({"caption": "Two.", "people": []}))
    spans = {"people": [[[1.0, 3.0]], []], "overlap": [], "off_screen": []}
    (folder / VOICE_FILE).write_text(json.dumps(spans))
    for name in ("0_face_0", "0_whole_1", "1_half_0"):
        Image.new("RGBA", (8, 8), (int(name[0]), 0, 0, 255)).save(folder / "references" / f"{name}.png")
    clip = Record("a", "a.mp4", 0.0, 4.0, "clips/a", {"window_start": 2.0, "window_end": 3.2}, key="a")
    places = Places(tmp_path, tmp_path)
    (group,) = group_clips(
        [clip, replace(clip, id="gone", folder="clips/gone")], GroupKeys(validation=0), places
    )
    row = SHARDS.make(ShardKeys(crf=4))(group, places)
    assert row.figures["left_out"] == 1 and row.texts["left_out"].startswith("gone: ")

    ((name, parts),) = raw_samples(tmp_path / row.texts["shard"])
    sample = decode_sample(name, parts)
    assert (name, sample.caption, sample.fps, sample.concepts) == ("a", "Two.", FPS, 2)
    assert np.abs(sample.frames.mean((1, 2, 3)) - (100 + np.arange(30))).max() < 4
    assert np.array_equal(sample.masks, masks[:, 50:80] * 255)
    assert np.allclose(sample.confidence, np.linspace(0, 1, 200).reshape(2, 100)[:, 50:80])
    assert [len(views) for views in sample.references] == [2, 1] and sample.references[1][0][0, 0, 0] == 1
    sound, rate = sample.speech[0]
    assert set(sample.speech) == {0} and rate == RATE and len(sound) == round(1.2 * RATE)
    expected = np.arange(4 * RATE).astype(np.int16)[2 * RATE : 3 * RATE]
    assert np.array_equal(np.round(sound[:RATE] * 32768), expected) and not sound[RATE:].any()
