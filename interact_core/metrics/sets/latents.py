"""Features of a video for the Frechet distance: its latent, token by token, and how it changes.

No network but the video autoencoder is asked, so that the features are fixed as long as it is. FVD's own are
those of a network trained on people's actions (I3D), which knows nothing of puppets.
"""

from __future__ import annotations

import numpy as np

CELLS = 2  # latent cells along each side of a token


def token_features(latent: np.ndarray) -> np.ndarray:
    """One row for each token of all frames but the last: [(T - 1) * h * w, 2 C].

    latent: [C, T, H8, W8], as the diffusion model sees it (deviation about 1 in every channel). The first C
    numbers are the token's mean, its look; the others how that changes to the next latent frame, its motion.
    """
    channels, frames, height, width = latent.shape
    cells = np.asarray(latent, np.float64).reshape(
        channels, frames, height // CELLS, CELLS, width // CELLS, CELLS
    )
    tokens = cells.mean((3, 5)).reshape(channels, frames, -1)
    both = np.concatenate([tokens[:, :-1], np.diff(tokens, axis=1)])  # [2 C, T - 1, h * w]
    return both.reshape(2 * channels, -1).T
