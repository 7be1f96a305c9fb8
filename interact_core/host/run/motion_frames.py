"""What a part of a film sees of its finished frames, beside the noise mask that keeps them.

The mask puts what is known under the noise of every step. That noise is the film's, which every part has its piece
of: known frames are then under the noise that they were made from, on the way by which they came, and not on one
that the model would never have sent them.

At the first step it is noise alone: new frames then begin as if nothing went before, and few-step schedules have
decided by the next who stands where. So new frames begin with a trace of the last finished one in their noise
(ConsistI2V's FrameInit has a like idea).

InfiniteTalk was trained on known frames without any noise and needs neither: core's nodes write them into the
model's input (comfy/ldm/wan/model_multitalk.py, InfiniteTalkOuterSampleWrapper), which is done here likewise, for
context windows as well.
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

# Of the last finished latent frame in the noise of the first new one. In the theatre, in 4 steps and from the
# same noise, two puppets changed places at the cut without it (heads from x 41 and 122 to 129 and 60) and stood
# where they were with it (47 and 129); the picture's change at the cut went from 15.4 to 7.0 of 255.
TRACE = 0.1
FADE = 0.8  # how much of that every further frame has, as people may have gone elsewhere by then


def noise_of_film(noise: Tensor, part: Part, seed: int | None) -> Tensor:
    """The part's piece of the noise that the whole film has from `seed`, in place of core's [B, C, T, H, W].

    Parts that are sampled with one seed have the same noise where they overlap. A part that is the whole film keeps
    core's, and so does noise that did not come of core's own prepare_noise (comfy/sample.py) with this seed; it is
    not called itself, for it seeds torch as a whole.
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
        next_frame()  # of parts before this one; drawn one by one, as a film may be long
    return torch.stack([next_frame() for _ in range(noise.shape[2])], dim=2).to(noise)


def with_trace(noise: Tensor, known: Tensor) -> Tensor:
    """Noise [B, C, T, H, W] with a trace of the last of the K known latent frames in the frames after them.

    known: [b, C, K, H, W] in the model's scale. Noise that is none (a sampler that goes on with what another
    began) stays none.
    """
    frames = known.shape[2]
    if frames == 0 or not bool(noise.any()):
        return noise
    share = TRACE * FADE ** torch.arange(noise.shape[2] - frames, dtype=torch.float32)
    share = share.view(1, 1, -1, 1, 1).to(noise)
    last = known[:, :, -1:].to(noise)
    new = noise[:, :, frames:] * (1 - share**2).sqrt() + last * share  # as much of it as noise alone would be
    return torch.cat((noise[:, :, :frames], new), dim=2)


def show_clean(model: ModelPatcher, frames: int) -> None:
    """Have `model` (a clone of the caller's own) see the first latent frames of what it samples without noise."""
    model.remove_wrappers_with_key(WrappersMP.OUTER_SAMPLE, CLEAN_FRAMES_KEY)
    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, CLEAN_FRAMES_KEY, _CleanRun(frames))


@dataclass(frozen=True)
class _CleanRun:
    """OUTER_SAMPLE: the LATENT that is sampled begins with the known frames."""

    frames: int

    def __call__(
        self, executor: WrapperExecutor, noise: Tensor, latent_image: Tensor, *args: Any, **kwargs: Any
    ) -> Tensor:
        guider = executor.class_obj
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
    """APPLY_MODEL: known [b, C, K, H, W], in the model's scale, in place of the call's own first frames."""

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
