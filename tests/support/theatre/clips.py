"""Random clips, recordings and a random VAE in the shapes of the theatre's training."""

from __future__ import annotations

import numpy as np
import torch
from interacthuman.interact_core.theatre.training.clips import SILENT, ClipGroup, SpeechBank
from interacthuman.interact_core.theatre.training.wan_vae import build_wan_vae


def speech_bank(rng: np.random.Generator, count: int = 3, frames: int = 60) -> SpeechBank:
    features = [
        torch.randn(frames, 4, 96, generator=torch.Generator().manual_seed(k)).half() for k in range(count)
    ]
    return SpeechBank(
        features, [rng.random(frames).astype(np.float32) for _ in range(count)], torch.zeros(4, 96).half()
    )


def clip_group(puppets: int, clips: int = 3) -> ClipGroup:
    g = torch.Generator().manual_seed(puppets)
    return ClipGroup(
        torch.randn(clips, 16, 7, 16, 24, generator=g).half(),
        torch.randn(clips, puppets, 3, 16, 16, 24, generator=g).half(),
        torch.randint(0, 256, (clips, puppets, 7, 8, 12), generator=g, dtype=torch.uint8),
        torch.randint(0, 256, (clips, 1, 7, 8, 12), generator=g, dtype=torch.uint8),
        torch.randint(SILENT, 3, (clips, puppets), generator=g),
        torch.randint(-8, 40, (clips, puppets), generator=g),
        torch.linspace(0, 1, clips),
        192 * torch.rand(clips, puppets, 2, generator=g),
    )


def random_vae() -> torch.nn.Module:
    """A Wan VAE of base width 8, away from its initial colours, so that every layer has an effect."""
    torch.manual_seed(0)
    vae = build_wan_vae(8).eval()
    for parameter in vae.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return vae
