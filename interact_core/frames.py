"""The lengths that a Wan video can have; speech and guidance both count by it."""

TEMPORAL_STRIDE = 4  # video frames per latent frame, after a first one that stands alone (Wan's causal VAE)


def snap_frames(frames: int) -> int:
    """The nearest length 4n+1 that is not shorter than `frames` (so that no speech is cut), at least 1."""
    return max(0, -(-(frames - 1) // TEMPORAL_STRIDE)) * TEMPORAL_STRIDE + 1


def latent_frame_of(frame: int) -> int:
    """The latent frame of a video frame: t covers 4t-3 .. 4t, the first frame 0 alone (Wan's causal VAE)."""
    return (frame + TEMPORAL_STRIDE - 1) // TEMPORAL_STRIDE
