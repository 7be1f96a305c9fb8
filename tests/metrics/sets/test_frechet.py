"""The Fréchet distance against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from interacthuman.interact_core.metrics.sets.frechet import Moments, frechet_distance, pooled


def gaussian(mean: np.ndarray, covariance: np.ndarray) -> Moments:
    """The moments of an endless sample of this Gaussian."""
    mean, covariance = np.asarray(mean, float), np.asarray(covariance, float)
    return Moments(1.0, mean, covariance + np.outer(mean, mean))


def test_the_same_gaussian_is_at_distance_0_and_a_shift_counts_squared():
    covariance = np.array([[2.0, 0.6], [0.6, 1.0]])
    a, b = gaussian([1.0, -2.0], covariance), gaussian([4.0, 2.0], covariance)
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-12)
    assert frechet_distance(a, b) == pytest.approx(25.0)


def test_one_dimension_is_the_difference_of_deviations():
    a, b = gaussian([0.5], [[9.0]]), gaussian([2.5], [[1.0]])
    assert frechet_distance(a, b) == pytest.approx((3 - 1) ** 2 + 2**2)


def test_covariances_that_do_not_commute():
    """In the plane tr (AB)^1/2 = (tr AB + 2 (det AB)^1/2)^1/2, which needs no roots of matrices."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = (m @ m.T for m in rng.normal(size=(2, 2, 2)))
        trace = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a @ b)))
        expected = np.trace(a) + np.trace(b) - 2 * trace
        found = frechet_distance(gaussian([0, 0], a), gaussian([0, 0], b))
        assert found == pytest.approx(expected, abs=1e-9)
        assert found == pytest.approx(frechet_distance(gaussian([0, 0], b), gaussian([0, 0], a)), abs=1e-9)


def test_a_degenerate_covariance_is_no_trouble():
    flat = gaussian([0, 0, 0], np.diag([1.0, 0.0, 0.0]))
    assert frechet_distance(flat, gaussian([0, 0, 0], np.diag([0.0, 4.0, 0.0]))) == pytest.approx(5.0)


def test_moments_of_parts_are_those_of_the_whole():
    samples = np.random.default_rng(1).normal(size=(60, 3)) * [1, 2, 3] + [4, 5, 6]
    whole = Moments.of(samples)
    np.testing.assert_allclose(whole.mean, samples.mean(0))
    np.testing.assert_allclose(whole.covariance, np.cov(samples.T, bias=True))
    parts = [Moments.of(part) for part in np.split(samples, [10, 25])]
    together, twice = pooled(parts), pooled(parts, [2, 0, 1])
    np.testing.assert_allclose(together.covariance, whole.covariance)
    doubled = np.concatenate([samples[:10], samples[:10], samples[25:]])
    assert twice.count == 55
    np.testing.assert_allclose(twice.mean, doubled.mean(0))
    np.testing.assert_allclose(twice.covariance, np.cov(doubled.T, bias=True))
