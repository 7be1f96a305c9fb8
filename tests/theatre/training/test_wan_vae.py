"""The one-pass VAE against ComfyUI's chunks, the folded latent format, the initial colours."""

from __future__ import annotations

import pytest
import torch
from interacthuman.interact_core.theatre.training.wan_vae import (
    build_wan_vae,
    decode,
    encode,
    fold_latent_format,
)


@pytest.mark.parametrize("frames", [1, 5, 13])
@torch.no_grad()
def test_one_pass_equals_cores_chunks(vae, frames: int) -> None:
    clip = torch.rand(1, 3, frames, 32, 48) * 2 - 1
    ours, core = encode(vae, clip), vae.encode(clip)
    torch.testing.assert_close(ours, core, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(decode(vae, core), vae.decode(core), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_folding_gives_unit_latents_and_the_same_pictures(vae) -> None:
    import copy

    from comfy.latent_formats import Wan21

    folded, clip = copy.deepcopy(vae), torch.rand(2, 3, 9, 64, 64) * 2 - 1
    z = encode(vae, clip)
    fold_latent_format(folded, z.mean((0, 2, 3, 4)), z.std((0, 2, 3, 4)))
    latents = Wan21().process_in(encode(folded, clip))
    torch.testing.assert_close(latents.mean((0, 2, 3, 4)), torch.zeros(16), rtol=0, atol=1e-4)
    torch.testing.assert_close(latents.std((0, 2, 3, 4)), torch.ones(16), rtol=1e-4, atol=0)
    torch.testing.assert_close(decode(folded, encode(folded, clip)), decode(vae, z), rtol=1e-3, atol=1e-3)


def test_a_fresh_vae_already_carries_colours() -> None:
    torch.manual_seed(0)
    vae = build_wan_vae(8).eval()
    red, blue = (torch.full((1, 3, 5, 32, 32), -0.6) for _ in range(2))
    red[:, 0], blue[:, 2] = 0.8, 0.8
    with torch.no_grad():
        out_red, out_blue = (decode(vae, encode(vae, x)).mean((0, 2, 3, 4)) for x in (red, blue))
    assert out_red.argmax() == 0 and out_blue.argmax() == 2
