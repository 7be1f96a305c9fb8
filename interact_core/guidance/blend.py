"""From masks to the share of each voice track at each token."""

import torch
from torch import Tensor

from .settings import GuidanceSettings


@torch.no_grad()
def blend_weights(
    masks: Tensor | None, speaking: tuple[bool, ...], settings: GuidanceSettings, tokens: int | None = None
) -> Tensor | None:
    """Shares of the S speakers' tracks, in cast order, and of mute, which is last.

    masks [..., N, T, h, w] in 0..1, one per character of the cast (silent ones too), or None in stage one and
    wherever no mask exists yet; speaking[N]. Returns float32 [..., S + 1, T * h * w], every entry within 0..1
    and each column summing to 1. Where the shares are the same everywhere (`masks` None or mask_source "none")
    the result is [S + 1, tokens], or [S + 1, 1] for broadcasting if `tokens` is not given. None means: inject
    nothing.

    InterActHuman sec. 3 with all speakers at once: w_i = m_i, w_mute = 1 - sum w_i. Where masks overlap and sum
    to more than 1 they are divided by the sum. The mask of a silent character counts too, and its share goes to
    mute, so that no voice enters its place. The result carries no gradient.
    """
    speakers = sum(speaking)
    if settings.mask_source == "none" or masks is None:
        if settings.mask_source != "none" and settings.stage_one_audio == "none":
            return None
        everywhere = speakers > 0 and (settings.mask_source == "none" or settings.stage_one_audio == "all")
        shares = torch.zeros(speakers + 1, 1)
        if everywhere:
            shares[:-1] = 1.0 / speakers
        else:
            shares[-1] = 1.0
        return shares if tokens is None else shares.repeat(1, tokens)
    claims = settings.sharpen(masks).flatten(-3)  # [..., N, L]
    claims = claims / claims.sum(-2, keepdim=True).clamp(min=1.0)
    # Row numbers and not a boolean mask, which would halt the device to count its hits.
    rows = torch.tensor([row for row, speaks in enumerate(speaking) if speaks], dtype=torch.long)
    voices = claims.index_select(-2, rows.to(claims.device))
    mute = (1.0 - voices.sum(-2, keepdim=True)).clamp(min=0.0)
    return torch.cat((voices, mute), dim=-2)
