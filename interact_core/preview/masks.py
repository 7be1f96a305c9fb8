"""Masks of one step, off the token grid and onto video frames."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InteractError
from ..frames import latent_frame_of
from ..guidance import MaskHistory


def recorded_step(history: MaskHistory, step: int) -> int:
    """Index into history.masks of the step that an artist means: counted from 1, 0 for the last.

    Long runs are thinned: the nearest step that was kept is taken. Raises InteractError where there are no
    masks at all or the run was shorter.
    """
    if not history.steps:
        raise InteractError(
            "These masks are empty, because nothing was sampled (denoise 0) or nothing predicted: sample at "
            "least one step."
        )
    if step == 0:
        return len(history.steps) - 1
    if not 1 <= step <= history.total_steps:
        raise InteractError(
            f"There is no step {step} in these masks, the sampler took {history.total_steps}: choose 1 to "
            f"{history.total_steps}, or 0 for the last."
        )
    return min(range(len(history.steps)), key=lambda index: abs(history.steps[index] + 1 - step))


def enlarge(masks: Tensor, width: int, height: int) -> Tensor:
    """masks [..., h, w] bilinearly to [..., height, width] float32."""
    flat = masks.float().reshape(-1, 1, *masks.shape[-2:])
    large = F.interpolate(flat, size=(height, width), mode="bilinear", align_corners=False)
    return large.reshape(*masks.shape[:-2], height, width)


@torch.no_grad()
def masks_as_video(history: MaskHistory, name: str, step: int = 0, threshold: float | None = None) -> Tensor:
    """One character's masks as MASK [frames, height, width] in 0..1; everybody's together if `name` is empty.

    threshold: None keeps them soft, else 1 above it and 0 elsewhere. Raises InteractError for an unknown
    name or step.
    """
    masks = history.masks[recorded_step(history, step)].float()  # [N, T, h, w]
    chosen = masks[history.index(name.strip())] if name.strip() else masks.amax(0)
    large = enlarge(chosen, history.width, history.height)  # [T, H, W]
    if threshold is not None:
        large = (large > threshold).float()
    return large[[latent_frame_of(frame) for frame in range(history.frames)]]


def frame_pictures(history: MaskHistory, image: Tensor | None) -> Tensor | None:
    """The picture under every frame, [frames, H, W, 3], from a video of that length or from one still.

    Of a batch of videos it is the first one, whose masks the history holds.

    Raises InteractError for a video of another length.
    """
    if image is None:
        return None
    if history.batch > 1 and image.shape[0] == history.batch * history.frames:
        image = image[: history.frames]  # a batch is decoded one video after the other; masks are the first's
    if image.shape[0] not in (1, history.frames):
        raise InteractError(
            f"The image has {image.shape[0]} frames, but the masks are of a video of {history.frames}: "
            "connect the decoded video of the same sampler, or one picture."
        )
    return image[..., :3].expand(history.frames, -1, -1, -1)
