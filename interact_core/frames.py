"""The lengths that a Wan video can have; speech and guidance both count by it."""

TEMPORAL_STRIDE = 4  # video frames per latent frame, after a first one that stands alone (Wan's causal VAE)


def snap_frames(frames: int) -> int:
    """The nearest length 4n+1 that is not shorter than `frames` (so that no speech is cut), at least 1."""
    return max(0, -(-(frames - 1) // TEMPORAL_STRIDE)) * TEMPORAL_STRIDE + 1
