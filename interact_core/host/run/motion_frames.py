"""The known frames of a part of a film: the noise on them, and their trace in the noise of new frames.

The noise mask of the part's LATENT keeps known frames and adds the noise of every step to them. That noise is a piece
of the whole film's, so known frames get the noise from which they were made, and follow the path that the model itself
has taken with them.

At the first step nothing but noise is visible: new frames would begin as if there were no frames before them, and
few-step schedules settle who is where by the next step. So new frames begin with a trace of the last finished one in
their noise (ConsistI2V's FrameInit is similar).

InfiniteTalk was trained on known frames without noise and needs neither: core's nodes write them into the model's
input (comfy/ldm/wan/model_multitalk.py, InfiniteTalkOuterSampleWrapper). The same is done here, in context windows
as well.
"""

from dataclasses import dataclass
from typing import Any

import comfy.sample
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP
from torch import Tensor

from ...frames import TEMPORAL_STRIDE
from ...guidance import Part
from ..keys import CLEAN_FRAMES_KEY
from ..tokens.geometry import frames_of_call

# Share of the last finished latent frame in the noise of the first new one. In the theatre, in 4 steps from the same
# noise, two puppets changed places at the cut without it (heads from x 41 and 122 to 129 and 60) and kept them with it
# (47 and 129); the mean change of the picture at the cut went from 15.4 to 7.0 of 255.
TRACE = 0.1
FADE = 0.8  # share of that in every further frame, as people may have moved by then


def noise_of_film(noise: Tensor, part: Part, seed: int | None) -> Tensor:
    """The part's piece of the noise of the whole film from `seed`, in place of core's [B, C, T, H, W].

    Parts that are sampled with one seed have the same noise where they overlap. Core's noise is kept for a part that
    is the whole film, and wherever it was not made by core's prepare_noise (comfy/sample.py) with this seed. That
    function is not called here, because it seeds torch globally.
    """
    if seed is None or part.frames >= part.film:
        return noise
    generator = torch.Generator().manual_seed(seed)
    if not torch.equal(noise, comfy.sample.prepare_noise_inner(noise, generator).to(noise)):
        return noise
    generator.manual_seed(seed)

    def next_frame() -> Tensor:
        return torch.randn(noise[:, :, 0].shape, generator=generator)

    for _ in range(part.start // TEMPORAL_STRIDE):
        next_frame()  # noise before this part; drawn one by one, as a film may be long
    return torch.stack([next_frame() for _ in range(noise.shape[2])], dim=2).to(noise)


def with_trace(noise: Tensor, known: Tensor) -> Tensor:
    """Noise [B, C, T, H, W] with a trace of the last of the K known latent frames in the frames after them.

    known: [b, C, K, H, W] in the model's scale. Noise of zeros (a sampler that continues another's run) is kept.
    """
    frames = known.shape[2]
    if frames == 0 or not bool(noise.any()):
        return noise
    share = TRACE * FADE ** torch.arange(noise.shape[2] - frames, dtype=torch.float32)
    share = share.view(1, 1, -1, 1, 1).to(noise)
    last = known[:, :, -1:].to(noise)
    new = noise[:, :, frames:] * (1 - share**2).sqrt() + last * share  # of the same variance as noise alone
    return torch.cat((noise[:, :, :frames], new), dim=2)


def keep_known_frames_clean(model: ModelPatcher, frames: int) -> None:
    """Have `model` (a clone of the caller's own) get the first latent frames of its LATENT without noise."""
    model.remove_wrappers_with_key(WrappersMP.OUTER_SAMPLE, CLEAN_FRAMES_KEY)
    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, CLEAN_FRAMES_KEY, _CleanRun(frames))


@dataclass(frozen=True)
class _CleanRun:
    """OUTER_SAMPLE: takes the known frames from the beginning of the LATENT."""

    frames: int

    def __call__(
        self, executor: WrapperExecutor, noise: Tensor, latent_image: Tensor, *args: Any, **kwargs: Any
    ) -> Tensor:
        guider: Any = executor.class_obj
        known = guider.model_patcher.model.process_latent_in(latent_image[:, :, : self.frames])
        wrappers = guider.model_options["transformer_options"].setdefault("wrappers", {})
        of_calls = wrappers.setdefault(WrappersMP.APPLY_MODEL, {})
        of_calls[CLEAN_FRAMES_KEY] = [_CleanCall(known)]
        try:
            return executor(noise, latent_image, *args, **kwargs)
        finally:
            of_calls.pop(CLEAN_FRAMES_KEY, None)


@dataclass(frozen=True, eq=False)
class _CleanCall:
    """APPLY_MODEL: known [b, C, K, H, W], in the model's scale, replaces the call's own first frames."""

    known: Tensor

    def __call__(
        self,
        executor: WrapperExecutor,
        x: Tensor,
        timestep: Tensor,
        c_concat: Tensor | None = None,
        c_crossattn: Tensor | None = None,
        control: Any = None,
        transformer_options: dict[str, Any] = {},  # noqa: B006 - core's own signature
        **kwargs: Any,
    ) -> Tensor:
        frames, _ = frames_of_call(x.shape[2], transformer_options)
        places = [place for place, frame in enumerate(frames) if frame < self.known.shape[2]]
        if places:
            known = self.known[:, :, [frames[place] for place in places]].to(x)
            x = x.clone()
            x[:, :, places] = known.repeat(x.shape[0] // known.shape[0], 1, 1, 1, 1)
        return executor(x, timestep, c_concat, c_crossattn, control, transformer_options, **kwargs)
