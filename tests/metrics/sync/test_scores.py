"""Sync-D, Sync-C and offset on constructed features, and the original's sign of the offset."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from interacthuman.interact_core.metrics.sync.mfcc import mfcc
from interacthuman.interact_core.metrics.sync.scores import distances, margins, score
from interacthuman.tests.support.syncnet.loudness_net import LoudnessNet, tone
from interacthuman.tests.support.syncnet.other_syncnet import import_other
from scipy.io import wavfile


def unrelated(windows: int, seed: int = 0, width: int = 32) -> torch.Tensor:
    return torch.randn(windows, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("late", [-15, -7, -1, 0, 1, 4, 15])
def test_features_shifted_by_k_windows_give_offset_minus_k(late: int) -> None:
    """The voice of window v is heard at window v + late."""
    voice = unrelated(120)
    heard = torch.roll(voice, late, 0)
    inner = torch.zeros(120, dtype=torch.bool)
    inner[15:105] = True  # what was rolled around the ends is left out
    found = score(distances(voice, heard), inner)
    assert found.offset == -late and found.windows == 90
    assert found.distance == pytest.approx(1e-6 * 32**0.5, rel=1e-3)  # pairwise_distance adds 1e-6
    assert found.confidence == pytest.approx(8, abs=0.5)  # unrelated features are sqrt(2 * 32) apart


def test_beyond_the_ends_the_voice_is_zero() -> None:
    mouths = torch.full((3, 4), 2.0)
    by_shift = distances(mouths, mouths)
    assert by_shift.shape == (3, 31)
    assert by_shift[0, 14] == pytest.approx(4) and by_shift[2, 16] == pytest.approx(4)  # |(2, 2, 2, 2)|
    assert by_shift[1, 14:17] == pytest.approx(0, abs=1e-5)


def test_the_median_of_31_shifts_is_the_sixteenth() -> None:
    by_shift = torch.arange(31.0)[None] + 5
    found = score(by_shift)
    assert (found.distance, found.confidence, found.offset) == (5, 15, 15)


def test_spans_weigh_by_their_windows_and_share_one_offset() -> None:
    voice = unrelated(100, 1)
    mouths = voice.clone()
    mouths[60:] = torch.roll(voice, 6, 0)[60:]  # the second span is six frames off
    spans = torch.zeros(100, dtype=torch.bool)
    spans[15:50] = spans[70:85] = True
    found = score(distances(mouths, voice), spans)
    assert found.windows == 50 and found.offset == 0
    expected = distances(mouths, voice)[spans, 15].mean()
    assert found.distance == pytest.approx(float(expected)) and found.distance == pytest.approx(
        15 / 50 * 8, abs=0.4
    )


def test_no_window_no_score() -> None:
    assert score(distances(unrelated(10), unrelated(10)), torch.zeros(10, dtype=torch.bool)) is None
    assert score(distances(unrelated(0), unrelated(10))) is None


def test_the_shorter_of_both_counts() -> None:
    assert score(distances(unrelated(40), unrelated(30))).windows == 30


def test_shuffled_voices_lose_the_diagonal() -> None:
    voices = [unrelated(80, seed) for seed in range(3)]
    mouths = [voice + 0.5 * unrelated(80, 10 + n) for n, voice in enumerate(voices)]

    def matrix(order: list[int]) -> torch.Tensor:
        heard = [voices[n] for n in order]
        return torch.tensor([[score(distances(m, v)).confidence for v in heard] for m in mouths])

    right, wrong = matrix([0, 1, 2]), matrix([1, 2, 0])
    assert (margins(right) > 3).all() and right.argmax(0).tolist() == [0, 1, 2]
    assert (margins(wrong) < -3).all() and wrong.argmax(0).tolist() == [1, 2, 0]


def test_a_margin_needs_both_sides() -> None:
    nan = float("nan")
    matrix = torch.tensor([[5.0, 1.0, 2.0], [3.0, nan, nan], [4.0, 2.0, 6.0]])
    found = margins(matrix)
    assert found[0] == 1 and found[1].isnan() and found[2] == 4
    assert margins(torch.tensor([[5.0]])).isnan().all()
    assert margins(torch.zeros(0, 0)).shape == (0,)


@pytest.mark.parametrize("late", [-3, 0, 4])
def test_offset_has_the_originals_sign(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """Their evaluate on a film whose voice comes `late` frames after the lips, by a network that is known."""
    other = import_other(root, monkeypatch)
    amplitudes = np.random.default_rng(4).uniform(0, 0.9, 60)
    for number, bright in enumerate(amplitudes):
        frame = np.full((8, 8, 3), round(255 * bright), np.uint8)
        (tmp_path / f"{number:06d}.jpg").write_bytes(cv2.imencode(".png", frame)[1].tobytes())
    voice = tone(np.roll(amplitudes, late))
    wavfile.write(tmp_path / "audio.wav", 16000, np.round(voice * 32768).astype(np.int16))
    options = SimpleNamespace(tmp_dir=str(tmp_path), batch_size=20, vshift=15)
    offset, confidence, distance = other.SyncNetInstance(net=LoudnessNet(), device="cpu").evaluate(options)

    net = LoudnessNet()
    crops = np.repeat(np.round(255 * amplitudes), 8 * 8 * 3).reshape(60, 8, 8, 3).astype(np.uint8)
    by_shift = distances(net.mouths(torch.from_numpy(crops))[:55], net.voices(torch.from_numpy(mfcc(voice))))
    found = score(by_shift)
    assert found.offset == offset == -late
    assert found.distance == pytest.approx(distance, abs=1e-5)
    assert found.confidence == pytest.approx(confidence, abs=1e-5) and confidence > 0.3
