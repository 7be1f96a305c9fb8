"""Frechet distance between two sets of samples, each summed up as a Gaussian; NumPy alone.

Heusel et al. 2017 (arXiv 1706.08500, FID) and Unterthiner et al. 2018 (arXiv 1812.01717, FVD), without their
networks: whoever calls says what a sample is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Moments:
    """What a Gaussian fit needs of a set of samples, so that sets can be put together.

    count: samples; total: their sum [D]; products: sum of their outer products [D, D]; float64.
    """

    count: float
    total: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, samples: np.ndarray) -> Moments:
        """samples: [n, D]."""
        samples = np.asarray(samples, np.float64)
        return cls(float(len(samples)), samples.sum(0), samples.T @ samples)

    @property
    def mean(self) -> np.ndarray:
        return self.total / self.count

    @property
    def covariance(self) -> np.ndarray:
        """Of the samples as they are (divided by their number, not by one less)."""
        return self.products / self.count - np.outer(self.mean, self.mean)


def pooled(parts: Sequence[Moments], weights: Sequence[float] | None = None) -> Moments:
    """The moments of all samples of all parts; weights: how often each part counts (a bootstrap's draws)."""
    counts = np.ones(len(parts)) if weights is None else np.asarray(weights, float)
    return Moments(
        float(counts @ np.array([part.count for part in parts])),
        np.tensordot(counts, np.stack([part.total for part in parts]), 1),
        np.tensordot(counts, np.stack([part.products for part in parts]), 1),
    )


def frechet_distance(a: Moments, b: Moments) -> float:
    """Squared Frechet (2-Wasserstein) distance of the Gaussians of two sets, 0 or more.

    |mean_a - mean_b|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2), Dowson and Landau 1982. It grows with the noise in
    both fits: compare distances only where both sides hold about as many samples.
    """
    root = _square_root(a.covariance)
    cross = np.linalg.eigvalsh(root @ b.covariance @ root)
    spread = np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.sqrt(cross.clip(0)).sum()
    return float(max(0.0, ((a.mean - b.mean) ** 2).sum() + spread))


def _square_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T
