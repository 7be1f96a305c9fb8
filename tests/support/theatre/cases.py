"""A scene as the benches run one."""

from __future__ import annotations

import numpy as np
from interacthuman.benchmarks.scenes.held_out import Case
from interacthuman.interact_core.metrics.puppets.drawing import random_looks
from interacthuman.interact_core.theatre import voices
from interacthuman.interact_core.theatre.pipeline import AudioExcerpt


def case_of(seed: int = 3) -> Case:
    """Two puppets who speak at once, each a babble of its own."""
    rng = np.random.default_rng(seed)
    parts = [AudioExcerpt(voices.babble(rng, 2.0), voices.RATE, begin=0.4) for _ in range(2)]
    return Case(seed, random_looks(rng, 2), tuple(parts))
