"""Whether a start image fits the video that it is to begin."""

from typing import Any

from torch import Tensor

from ...errors import InteractError
from ...frames import TEMPORAL_STRIDE
from ...guidance import Cast
from ...guidance.layout import LATENT_PIXELS


def check_start_images(noise: Tensor, conds: list[dict[str, Any]], cast: Cast) -> None:
    """Raise InteractError for a start image of another length or size than the video.

    noise: [B, C, T, h, w], the latent that is sampled. Core would crash on another length. Another size it scales in
    latent space (comfy/model_base.py, WAN21.concat_cond), which blurs the picture, and people are no longer where
    their regions are. Compared is what was made, whatever ComfyUI and this pack rounded on the way.
    """
    frames = noise.shape[2]
    for image in (
        cond["concat_latent_image"] for cond in conds if cond.get("concat_latent_image") is not None
    ):
        if image.shape[2] != frames:
            found, wanted = (TEMPORAL_STRIDE * (count - 1) + 1 for count in (image.shape[2], frames))
            raise InteractError(
                f"WanImageToVideo is set to {found} frames, but the video has {wanted}: set its "
                f"length to {wanted}, as on InterAct Encode Characters."
            )
        height, width = (LATENT_PIXELS * cells for cells in image.shape[-2:])
        if (width, height) != (cast.width, cast.height):
            raise InteractError(
                f"The start image was prepared at {width}x{height}, but the video is {cast.width}x{cast.height}: set "
                f"width to {cast.width} and height to {cast.height} on WanImageToVideo, the size that InterAct Encode "
                "Characters has made of its own width and height."
            )
        if image.shape[-2:] != noise.shape[-2:]:
            found, wanted = (
                f"{LATENT_PIXELS * s[-1]}x{LATENT_PIXELS * s[-2]}" for s in (noise.shape, image.shape)
            )
            raise InteractError(
                f"The latent is {found}, but the start image was prepared at {wanted}: connect the LATENT of InterAct "
                "Encode Characters to the sampler."
            )
