"""Finds out where values stopped being finite, so that sampling ends with an error and not with a black video."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ...adapter.families import SpeechAdapter
from ...adapter.model import sdpa_attention

GROUPS = 3
LARGEST = 65504.0
"""Of float16. What a trained adapter adds to usual tokens is of their own size."""


class FiniteProbe:
    """Records the hidden state's range after each third of the blocks, without waiting for the device.

    One probe per call of the diffusion model; `broken_blocks` is called only after a bad output.
    """

    def __init__(self, blocks: int) -> None:
        self._ends = [-(-blocks * group // GROUPS) - 1 for group in range(1, GROUPS + 1)]
        self._notes: list[tuple[int, Tensor]] = []

    def note(self, block: int, hidden: Tensor) -> None:
        """hidden [B, L, D] after block number `block`."""
        if block in self._ends:
            # Both NaN and infinity show up in the extremes; a sum could overflow in float16 by itself.
            self._notes.append((block, torch.stack(torch.aminmax(hidden.detach()))))

    def broken_blocks(self) -> tuple[int, int] | None:
        """First and last block of the first group whose output is not finite, or None if all are."""
        first = 0
        for end, extremes in self._notes:
            if not bool(extremes.isfinite().all()):
                return first, end
            first = end + 1
        return None


class MaskCheck:
    """Whether the masks of one call are finite, found out without waiting for the device."""

    def __init__(self, blocks: Sequence[int], logits: Sequence[Tensor], trained: bool) -> None:
        """logits: [R, N, T*h*w] of the head behind each block; trained: of an adapter's heads, not of a comparison.

        An infinite logit makes a mask of 0 or 1, so that the masks themselves would not show it.
        """
        self._blocks, self._trained = tuple(blocks), trained
        self._finite = torch.stack([torch.isfinite(each).all() for each in logits])

    def all_finite(self, device: torch.device) -> Tensor:
        """bool [] on `device`."""
        return self._finite.all().to(device, non_blocking=True)

    def describe(self, step: int, total_steps: int) -> str:
        """The error for a step whose output is finite and whose masks are not."""
        block = self._blocks[self._finite.tolist().index(False)]
        where = f"Sampling stopped: the masks of step {step + 1} of {total_steps} are not finite"
        if self._trained:
            return (
                f"{where}, first those of the adapter's mask head behind block {block}: the adapter file is damaged "
                "or its training failed; load it again or choose another adapter."
            )
        return (
            f"{where}, though they are only compared with the pictures after block {block}: most likely float16 has "
            "overflowed; load the model with another weight dtype, or start ComfyUI with --bf16-unet."
        )


@torch.no_grad()
def absurd_audio_block(adapter: SpeechAdapter, audio: Sequence[Tensor], width: int) -> int | None:
    """The first block whose audio layers, alone and given usual video tokens, make what no model can go on with.

    audio: tokens [S, 1, T, n, context] as the run had them; width: of the video tokens. Run only after a breakdown: it
    tells a weight of the adapter that is finite and absurd from a base that is damaged. None if there is no such block,
    and for audio layers that are the base's own.
    """
    if adapter.config.null_features:
        return None
    noise = torch.Generator().manual_seed(0)
    for tokens in audio:
        first = tokens[:, :, :1]
        video = torch.randn(1, 4, width, generator=noise).to(first)
        shares = torch.full((first.shape[0], 1, 1), 1 / first.shape[0]).to(first)
        for block in range(adapter.config.model_blocks):
            if str(block) in adapter.audio_blocks:
                added = adapter.audio_blocks[str(block)](video, first, shares, sdpa_attention)
                if not bool((added.abs() < LARGEST).all()):
                    return block
    return None


def describe_breakdown(
    step: int,
    total_steps: int,
    latent: Tensor,
    probes: Sequence[FiniteProbe],
    audio: Sequence[Tensor],
    absurd: int | None,
    blocks: int,
    half_precision: bool,
    patched: bool,
) -> str:
    """The error for a step whose output is not finite: the step, the block group and the likely cause.

    latent: what the step started from; audio: the projected audio tokens of this run; half_precision: the
    model computes in float16; absurd: of `absurd_audio_block`; patched: the model carries a LoRA or other weight
    patches.
    """
    where = f"Sampling stopped: the output of step {step + 1} of {total_steps} is not finite"
    if not bool(latent.isfinite().all()):
        return (
            f"{where}, and the latent it started from was not either: check the noise, the latent and the "
            "sampler."
        )
    if any(not bool(tokens.isfinite().all()) for tokens in audio):
        return (
            f"{where}; the adapter's audio tokens are the first that are not: the adapter file or the speech "
            "features are damaged, load them again or try another recording."
        )
    if absurd is not None:
        return (
            f"{where}; the adapter's audio layers behind block {absurd} make values without bounds: the adapter file "
            "is damaged or its training failed; load it again or choose another adapter."
        )
    broken = next(filter(None, (probe.broken_blocks() for probe in probes)), None)
    place = f"first in blocks {broken[0]} to {broken[1]} of {blocks}" if broken else "after the last block"
    if half_precision:
        cause = (
            "float16 has most likely overflowed: load the model with another weight dtype, or start ComfyUI "
            "with --bf16-unet"
        )
    elif patched:
        cause = "most likely a LoRA that does not belong to this model or is too strong: try without it"
    else:
        cause = (
            "most likely the model file is damaged or an attention kernel fails: load the file again, or "
            "start ComfyUI with --use-pytorch-cross-attention"
        )
    return f"{where} ({place}); {cause}."
