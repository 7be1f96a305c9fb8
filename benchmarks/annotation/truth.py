"""The same clips as the pipeline's shards, as they were drawn: true masks, each voice by itself, drawn portraits.

An adapter that is trained on these stands beside one that is trained on what the pipeline made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...interact_core.annotation.people.captions import read_caption
from ...interact_core.annotation.pipeline.record import FPS, RATE, Places
from ...interact_core.metrics.puppets.drawing import portrait
from ...interact_core.theatre.raw_films import HEIGHT, WIDTH
from ...interact_core.theatre.training.clips import REFERENCE_VIEWS, reference_pose
from ...interact_core.training.data.shards import Sample, writing_shards
from .figures import Clip


def write_truth(clips: Sequence[Clip], places: Places, folder: Path, seed: int) -> list[Path]:
    """Shards of the windows of these clips, which passed all stages; the shards' paths."""
    with writing_shards(folder, "truth") as writer:
        for number, clip in enumerate(clips):
            writer.write(_sample(clip, places, np.random.default_rng([seed, number])))
    return writer.paths


def _sample(clip: Clip, places: Places, rng: np.random.Generator) -> Sample:
    record, shot, fps = clip.record, clip.shot, clip.film.fps
    assert shot.scene is not None
    first, last = (round(record.figures[f"window_{end}"] * FPS) for end in ("start", "end"))
    shown = clip.frames()[first:last]
    drawn = [shot.drawn(fps, range(frame, frame + 1)) for frame in shown]
    masks = np.stack([one.masks[:, 0] for one in drawn], 1)
    begin = record.start + first / FPS - shot.begin / fps  # seconds of the shot at which the window begins
    part = slice(round(begin * RATE), round((begin + len(shown) / FPS) * RATE))
    voices = [track[part] for track in shot.tracks[:-1]]
    return Sample(
        key=record.id,
        frames=np.concatenate([one.frames for one in drawn]),
        fps=float(FPS),
        references=tuple(
            tuple(portrait(look, WIDTH, HEIGHT, reference_pose(rng)) for _ in range(REFERENCE_VIEWS))
            for look in shot.scene.looks
        ),
        masks=(masks * 255).round().astype(np.uint8),
        confidence=np.ones(masks.shape[:2], np.float32),
        speech={number: (voice, RATE) for number, voice in enumerate(voices) if voice.any()},
        starts={number: 0.0 for number, voice in enumerate(voices) if voice.any()},
        caption=read_caption(places.folder(record)),
    )
