"""Whether a start image fits the video that it is to begin, and S2V's reference picture and its control video."""

from typing import Any

from torch import Tensor

from ...errors import InteractError
from ...frames import TEMPORAL_STRIDE
from ...guidance import Cast
from ...guidance.layout import LATENT_PIXELS
from ..forward.s2v import is_s2v

SMALLEST_MOTION = 8  # latent cells along a side: one step of the model's coarsest look at motion frames


def check_people_seen(noise: Tensor, with_cast: list[dict[str, Any]], cast: Cast, guider: Any) -> None:
    """Raise InteractError where the picture whose regions the characters are is not the one that the model sees.

    with_cast: the conds with a cast. Where the characters have pictures, too, which no node of the pack makes but
    `bench theatre --sources start_image` does, the model sees them by these, and the video begins with the regions'
    picture.
    """
    if cast.regions is None or cast.references:
        return
    s2v = is_s2v(guider.model_patcher)
    key, node = "concat_latent_image", "WanImageToVideo"
    if s2v:
        key, node = "reference_latents", "WanSoundImageToVideo, with ref_image"
    if any(key not in cond for cond in with_cast):
        what = "Wan2.2 S2V" if s2v else "an image-to-video model"
        raise InteractError(
            f"The characters are regions of a picture that the model does not see: the model is {what}, which takes it "
            f"from ComfyUI's {node}. Connect positive and negative of that node to InterAct Encode Characters."
        )
    if s2v:
        _check_s2v(noise, with_cast, cast, "context_handler" in guider.model_options)


def _check_s2v(noise: Tensor, with_cast: list[dict[str, Any]], cast: Cast, windows: bool) -> None:
    """Raise InteractError for what of WanSoundImageToVideo is of another length or size than the video.

    noise: [B, C, T, h, w]; windows: whether context windows are used, which cut whatever is as long as the video.
    """
    for cond in with_cast:
        picture, control = cond["reference_latents"][-1], cond.get("control_video")
        made = [one for one in (picture, control) if one is not None]
        if any(one.shape[-2:] != noise.shape[-2:] for one in made):
            raise InteractError(
                f"WanSoundImageToVideo is not set to {cast.width}x{cast.height}, the size of the video: set width to "
                f"{cast.width} and height to {cast.height} there."
            )
        if control is not None and control.shape[2] != noise.shape[2]:
            found, wanted = (TEMPORAL_STRIDE * (one.shape[2] - 1) + 1 for one in (control, noise))
            raise InteractError(
                f"WanSoundImageToVideo is set to {found} frames, but the video has {wanted}: set its length to "
                f"{wanted}, as on InterAct Encode Characters."
            )
        motion = cond.get("reference_motion")
        if motion is not None and min(motion.shape[-2:]) < SMALLEST_MOTION:
            raise InteractError(
                f"The video is {cast.width}x{cast.height}, but Wan2.2 S2V takes motion frames only from "
                f"{LATENT_PIXELS * SMALLEST_MOTION}x{LATENT_PIXELS * SMALLEST_MOTION} on: make the video larger."
            )
        if windows and motion is not None and motion.shape[2] == noise.shape[2]:
            raise InteractError(
                f"The video is as long as its motion frames ({cast.frames} frames), and ComfyUI's context windows "
                f"would cut both alike: set length to {cast.frames + TEMPORAL_STRIDE}, or remove the context windows."
            )


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
