"""MFCC against python_speech_features, which SyncNet was trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from interacthuman.interact_core.metrics.sync import mfcc as ours
from interacthuman.tests.support.syncnet.other_syncnet import import_other


@pytest.fixture
def theirs(root: Path, monkeypatch: pytest.MonkeyPatch):
    import_other(root, monkeypatch)
    import python_speech_features

    return python_speech_features.mfcc


def sound(samples: int, seed: int = 0) -> np.ndarray:
    """A buzz that swells, some noise, and digital silence in its middle; float, full scale 1."""
    rng = np.random.default_rng(seed)
    at = np.arange(samples) / 16000
    voice = 0.4 * np.sin(2 * np.pi * 140 * at + 3 * np.sin(2 * np.pi * 3 * at)) * (0.5 - 0.5 * np.cos(9 * at))
    voice += rng.normal(0, 0.02, samples)
    voice[samples // 3 : samples // 2] = 0
    return voice.astype(np.float32)


@pytest.mark.parametrize("samples", [100, 400, 401, 560, 16000, 16077, 4096 * 160 + 5000])
def test_equal_to_python_speech_features(theirs, samples: int) -> None:
    """One column, a whole number of them, a rest, and more than one block."""
    voice = sound(samples)
    expected = theirs(np.round(voice * 32768).astype(np.int16), 16000)
    found = ours.mfcc(voice)
    assert found.shape == expected.shape and found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-5  # float32 of numbers up to 60


def test_what_is_louder_than_full_scale_is_clipped_as_16_bits_are(theirs) -> None:
    loud = np.full(800, 1.5, np.float32) * np.where(np.arange(800) % 40 < 20, 1, -1)
    expected = theirs(np.where(loud > 0, 32767, -32768).astype(np.int16), 16000)
    assert np.abs(ours.mfcc(loud) - expected).max() < 1e-5


def test_four_columns_for_each_frame_less_one() -> None:
    """Windows begin at columns 4 v and hold 20, so that the last of n frames' windows is n - 6."""
    assert [len(ours.mfcc(np.zeros(640 * n, np.float32))) for n in (6, 25, 126)] == [23, 99, 503]
