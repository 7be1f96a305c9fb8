"""The figures of a token of a latent."""

from __future__ import annotations

import numpy as np
from interacthuman.interact_core.metrics.sets.latents import token_features


def test_a_token_is_its_cells_mean_and_its_change():
    latent = np.zeros((2, 3, 4, 6))
    latent[1] = 5.0
    latent[0, 0, 2:, 4:] = [[1, 2], [3, 6]]  # the last token of the first frame, mean 3
    latent[0, 2] = 8.0
    rows = token_features(latent)
    assert rows.shape == (2 * 2 * 3, 4)
    first, second = rows.reshape(2, 6, 4)
    assert first[5].tolist() == [3, 5, -3, 0] and (first[:5] == [0, 5, 0, 0]).all()
    assert (second == [0, 5, 8, 0]).all()
