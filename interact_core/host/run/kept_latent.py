"""A schedule split between two samplers, where a noise mask keeps a part of the latent.

Core's KSamplerX0Inpaint keeps what the sampler gets as its latent (comfy/samplers.py). The second of two samplers gets
the first one's result, noise and all, and no noise to add: it would keep that noise, too. So a run's record holds the
latent that its noise mask kept, and the sampler that goes on from there gets it back, with the noise that is left.
"""

from typing import Any

import comfy.samplers
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

NOTHING = 1e-3  # share of a latent that nobody would see


def goes_on(noise: Tensor, denoise_mask: Tensor | None) -> bool:
    """Whether a run keeps a part of its latent and adds no noise: it takes over another one's steps."""
    return denoise_mask is not None and bool((denoise_mask < 1.0).any()) and not bool(noise.any())


def is_covered(latent: Tensor, noise: Tensor, sigmas: Tensor, model: ModelPatcher) -> bool:
    """Whether a latent was given of which the first step's noise leaves nothing, as at denoise 1 of a flow model."""
    if len(sigmas) < 2 or not bool(latent.any()) or not bool(noise.any()):
        return False
    one = torch.ones(1)
    sampling: Any = model.get_model_object("model_sampling")
    left = sampling.noise_scaling(sigmas[:1].cpu(), 0.0 * one, one)
    return float(left) < NOTHING


class OnwardSampler(comfy.samplers.Sampler):
    """`sampler`, which goes on from noise that is left on `source`, a latent in the VAE's scale.

    It starts from the same noisy latent as `sampler` would: only what the noise mask keeps is another. It stands around
    the sampler and not around the run, as FreeNoise (comfy/context_windows.py) would move this noise.
    """

    def __init__(self, sampler: Any, source: Tensor) -> None:
        self._sampler = sampler
        self._source = source

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sampler, name)

    def max_denoise(self, model_wrap: Any, sigmas: Tensor) -> bool:
        return self._sampler.max_denoise(model_wrap, sigmas)

    def sample(
        self,
        model_wrap: Any,
        sigmas: Tensor,
        extra_args: Any,
        callback: Any,
        noise: Tensor,
        latent_image: Tensor,
        *rest: Any,
        **more: Any,
    ) -> Tensor:
        if not self.max_denoise(model_wrap, sigmas):
            source = model_wrap.inner_model.process_latent_in(self._source).to(latent_image)
            sampling = model_wrap.inner_model.model_sampling
            noise, latent_image = noise_left(sampling, sigmas[0], latent_image, source), source
        return self._sampler.sample(
            model_wrap, sigmas, extra_args, callback, noise, latent_image, *rest, **more
        )


def noise_left(sampling: Any, sigma: Tensor, latent: Tensor, source: Tensor) -> Tensor:
    """The noise on `source` with which a sampler begins as it would without noise on `latent`, at `sigma`.

    sampling: a MODEL's model_sampling, whose noise_scaling is linear in noise and latent.
    """
    nothing = torch.zeros_like(latent)
    begun = sampling.noise_scaling(sigma, nothing, latent)
    clean = sampling.noise_scaling(sigma, nothing, source)
    return (begun - clean) / sampling.noise_scaling(sigma, torch.ones_like(latent), nothing)
