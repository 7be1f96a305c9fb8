"""The theatre's shards contain its true masks and speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from interacthuman.interact_core.theatre.training.shards import theatre_samples, write_theatre_shards
from interacthuman.interact_core.training.data.shards import decode_sample, raw_samples


def test_the_theatre_writes_shards_with_its_truth(tmp_path: Path) -> None:
    (path,) = write_theatre_shards(tmp_path, 7, 2, puppets=(2, 1), frames=5)
    read = [decode_sample(*sample) for sample in raw_samples(path)]
    assert [sample.concepts for sample in read] == [2, 1]
    again = next(theatre_samples(7, 1, (2, 1), 5))
    assert np.array_equal(read[0].frames, again.frames) and np.array_equal(read[0].masks, again.masks)
    for sample in read:
        assert sample.frames.shape == (5, 128, 192, 3) and sample.masks.max() == 255
        assert all(len(pictures) == 3 for pictures in sample.references)
        assert sample.focus.max() == 255 and set(sample.starts) == set(sample.speech)
