"""A film made in parts: where a part begins, and what it takes over from the finished frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InteractError
from ..frames import TEMPORAL_STRIDE, latent_frame_of, snap_frames
from .history import MaskHistory


@dataclass(frozen=True, eq=False)  # tensors have no truth value: compare by identity
class Part:
    """Consecutive frames of a longer film. The first of them may be known: finished already.

    start: frame of the film at which it begins.
    known: how many of its first frames are finished, 4k+1, or 0 where the film begins. 4k+1 because Wan's VAE is
        causal: encoded anew, the first of them has a latent frame of its own and every four that follow share one,
        so that k + 1 latent frames hold these frames and no others.
    frames: its length, 4n+1.
    film: frames of the whole film.
    masks: [N, T, h, w] in 0..1, the masks carried over from the finished part, or None.
    clean: whether the model gets the known frames without noise (InfiniteTalk) and not with each step's noise.
    """

    start: int
    known: int
    frames: int
    film: int
    masks: Tensor | None = None
    clean: bool = False

    @property
    def end(self) -> int:
        """Frames of the film that are finished once this part is; the part itself may be up to three longer."""
        return min(self.start + self.frames, self.film)

    @property
    def finished(self) -> int:
        """Frames of the film that are finished before this part."""
        return self.start + self.known

    @property
    def known_latents(self) -> int:
        return latent_frame_of(self.known - 1) + 1 if self.known else 0


def plan_part(film: int, finished: int, length: int, overlap: int) -> Part:
    """The part that follows `finished` frames of a film.

    length, overlap: frames, rounded up to 4n+1. The last part is as long as the others and overlaps by more,
    because a model works best at the length that it was trained at. Raises InteractError if the film is finished,
    the overlap leaves no new frames, or fewer frames are finished than the overlap.
    """
    length, overlap = snap_frames(length), snap_frames(overlap)
    if finished == 0:
        return Part(0, 0, min(length, film), film)
    if finished >= film:
        raise InteractError(
            f"The film is {film} frames long and {finished} are finished, so there is no next part: remove "
            "this part's nodes, or give the film more speech or a greater length."
        )
    if overlap >= length:
        raise InteractError(
            f"Parts of {length} frames with an overlap of {overlap} add no new frames: set overlap to at most "
            f"{max(1, length - TEMPORAL_STRIDE)}, or make the parts longer."
        )
    if finished < overlap:
        raise InteractError(
            f"Only {finished} frames are finished, but the overlap is {overlap}: connect the whole film so far, "
            f"or set overlap to {finished - (finished - 1) % TEMPORAL_STRIDE}."
        )
    start = finished - overlap
    frames = min(length, snap_frames(film - start))
    earlier = min(length - frames, start - start % TEMPORAL_STRIDE)
    return Part(start - earlier, overlap + earlier, frames + earlier, film)


def carried_masks(history: MaskHistory, part: Part) -> Tensor:
    """The masks of the finished part on the frames of the next, [N, T, h, w] float32.

    Known latent frames keep the mask that was predicted for them last; those after them get the mask of the last
    known one, as people are near where they have just been.
    """
    last = history.masks[-1].float()
    # The last video frame of each known latent frame.
    ends = [part.start + TEMPORAL_STRIDE * latent for latent in range(part.known_latents)]
    places = [min(max(0, latent_frame_of(frame - history.start)), last.shape[1] - 1) for frame in ends]
    rest = latent_frame_of(part.frames - 1) + 1 - len(places)
    return last[:, places + places[-1:] * rest]


def with_carried(predicted: Tensor | None, part: Part | None) -> Tensor | None:
    """The masks that steer a part: `predicted` [B, N, T, h, w] or None, with the carried ones put in.

    Known frames keep their carried masks; before the first prediction all frames have the carried ones.
    """
    if part is None or part.masks is None:
        return predicted
    if predicted is None:
        return part.masks
    known = part.masks[:, : part.known_latents].to(predicted).expand(predicted.shape[0], -1, -1, -1, -1)
    return torch.cat((known, predicted[:, :, part.known_latents :]), dim=2)
