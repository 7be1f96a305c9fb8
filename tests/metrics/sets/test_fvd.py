"""FVD's arithmetic, clips and refusals; I3D's own weights are nowhere in here."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.metrics.sets.fvd import (
    LEAST_CLIPS,
    LOGITS,
    clip_features,
    clips_of,
    fvd,
    sampling_bias,
)
from interacthuman.interact_core.metrics.types import Film
from scipy.linalg import sqrtm


def film(frames=40, height=90, width=160) -> Film:
    rng = np.random.default_rng(0)
    return Film.of_frames(rng.integers(0, 256, (frames, height, width, 3), np.uint8), 25.0)


def test_equal_sets_have_none_whatever_their_order():
    features = np.random.default_rng(0).normal(size=(90, 30))
    found = fvd(features, features[::-1], least=4)
    assert found.value == pytest.approx(0, abs=1e-6) and found.clips == (90, 90)


def test_gaussians_have_their_closed_form():
    """(mean difference)^2 + (difference of the deviations)^2, for each of three independent numbers."""
    rng = np.random.default_rng(1)
    unit = rng.normal(size=(2000, 3))
    unit = (unit - unit.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(unit.T, bias=True))).T
    shift, scales = np.array([1.0, -2.0, 0.5]), np.array([1.0, 2.0, 3.0])
    assert fvd(scales * unit + shift, unit, least=4).value == pytest.approx(5.25 + 0 + 1 + 4)


def test_it_is_cd_fvds_arithmetic():
    """Its compute_fvd_from_stats: covariances divided by the number of clips, the root of their product."""
    rng = np.random.default_rng(2)
    a = rng.normal(size=(300, 24)) @ rng.normal(size=(24, 24))
    b = rng.normal(size=(250, 24)) @ rng.normal(size=(24, 24)) + 0.3
    means, covariances = zip(*((x.mean(0), np.cov(x.T, bias=True)) for x in (a, b)), strict=True)
    root = sqrtm(covariances[1] @ covariances[0])
    expected = ((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root.real)
    assert fvd(a, b, least=4).value == pytest.approx(float(expected), rel=1e-6)


def test_small_sets_are_refused_and_said():
    few, many = np.zeros((LEAST_CLIPS - 1, LOGITS)), np.zeros((LEAST_CLIPS, LOGITS))
    with pytest.raises(InteractError, match="The films give 400 clips, and FVD needs 401 of each set"):
        fvd(few, many)
    with pytest.raises(InteractError, match="The reference films give 400 clips"):
        fvd(many, few)


def test_the_bias_is_what_equal_films_would_have():
    """As large as a second draw's own distance, and smaller with more clips."""
    rng = np.random.default_rng(3)
    reference, other = rng.normal(size=(2, 1200, 40))
    bias = sampling_bias(reference, 300)
    true = fvd(other[:300], reference[:300], least=4).value
    assert bias == pytest.approx(true, rel=0.1) and sampling_bias(reference, 600) < 0.7 * bias
    assert sampling_bias(reference, 5000) == sampling_bias(reference, 600)
    assert sampling_bias(reference[:3], 300) is None
    moved = fvd(other[:300] + 1.0, reference, least=4)
    assert moved.bias == pytest.approx(bias) and moved.value > 10 * moved.bias


def test_clips_are_whole_and_one_after_the_other():
    clips = list(clips_of(film(40), length=16))
    assert [tuple(clip.shape) for clip in clips] == [(3, 16, 224, 224)] * 2
    assert list(clips_of(film(15), length=16)) == []
    with pytest.raises(InteractError, match="clips of 9 frames are too short for I3D"):
        next(clips_of(film(40), length=9))


def test_frames_are_cropped_or_squashed_as_said():
    frames = film(10)
    picture = torch.from_numpy(frames.pick([3])).permute(0, 3, 1, 2).float()
    (squashed,) = clips_of(frames, length=10, fit="squash")
    expected = F.interpolate(picture, size=(224, 224), mode="bilinear", align_corners=False)[0]
    assert torch.allclose(squashed[:, 3], 2 * expected / 255 - 1, atol=1e-5)
    (cropped,) = clips_of(frames, length=10)
    wide = F.interpolate(picture, size=(224, 398), mode="bilinear", align_corners=False)[0]
    assert torch.allclose(cropped[:, 3], 2 * wide[:, :, 87:311] / 255 - 1, atol=1e-5)


def test_features_come_in_batches_and_in_order():
    clips = [torch.full((3, 10, 2, 2), float(k)) for k in range(7)]
    sizes = []

    def network(batch):
        sizes.append(len(batch))
        return batch.mean((1, 2, 3, 4))[:, None].expand(-1, LOGITS)

    found = clip_features(clips, network, batch=3)
    assert found[:, 0].tolist() == list(range(7)) and sizes == [3, 3, 1]
    assert clip_features([], network).shape == (0, LOGITS)
    with pytest.raises(InteractError, match=r"answers \[2, 1024\] to 2 clips, expected \[2, 400\]"):
        clip_features(clips[:2], lambda batch: torch.zeros(len(batch), 1024))
