"""What viewers play: every voice's sound as a file of its own, whose sum is the mixed dialogue."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import torch
from interacthuman.interact_core.preview.sounds import FULL_SCALE, film_sounds, write_sounds
from interacthuman.interact_core.speech.timeline import mix_dialogue, sound_on_timeline
from interacthuman.interact_core.speech.types import Sound

RATE, FRAMES, FPS = 8000, 17, 25.0


def tone(hertz: float, seconds: float, height: float = 0.4) -> torch.Tensor:
    return height * torch.sin(2 * torch.pi * hertz * torch.arange(round(seconds * RATE)) / RATE)[None]


def read(place: Path) -> tuple[np.ndarray, int]:
    with av.open(str(place)) as file:
        frames = [frame.to_ndarray()[0] for frame in file.decode(audio=0)]
        return np.concatenate(frames), file.streams.audio[0].rate


def test_the_files_sum_up_to_the_mixed_dialogue_and_are_written_once(tmp_path: Path) -> None:
    """Also where it was turned down, as it is here: three times 0.4 is above full scale."""
    sounds = [Sound(tone(200, 0.3), RATE, -0.1), Sound(tone(200, 9), RATE, 0.05), Sound(tone(200, 9), RATE)]
    tracks = [sound_on_timeline(sound, FRAMES, FPS, RATE) for sound in sounds]
    made = film_sounds([tracks[0], None, tracks[1]], tracks[2], RATE)
    names = write_sounds(made, tmp_path)
    assert names["voices"][1] is None and sorted(tmp_path.iterdir()) == sorted(
        tmp_path / name for name in (names["voices"][0], names["voices"][2], names["scene"])
    )
    heard = [read(tmp_path / name) for name in (names["voices"][0], names["voices"][2], names["scene"])]
    assert {rate for _, rate in heard} == {RATE}
    dialogue = mix_dialogue(sounds, FRAMES, FPS)
    assert dialogue.peak > 1.05
    total = sum(samples.astype(np.float64) for samples, _ in heard) / FULL_SCALE
    assert np.abs(total - dialogue.waveform[0].numpy()).max() < 3 / FULL_SCALE
    times = {place: place.stat().st_mtime_ns for place in tmp_path.iterdir()}
    assert write_sounds(made, tmp_path) == names
    assert {place: place.stat().st_mtime_ns for place in tmp_path.iterdir()} == times


def test_nothing_that_is_heard_is_no_file(tmp_path: Path) -> None:
    assert film_sounds([None, None], None, RATE) is None
    assert write_sounds(None, tmp_path) is None and not list(tmp_path.iterdir())
