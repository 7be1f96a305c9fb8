"""What a step costs: tokens per second, share of the device's matrix rate, share of time waiting for clips."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import nn

from ..adapter import AdapterConfig
from .config import TrainingConfig
from .data.samples import TrainingBatch

PEAK_SIDE = {"cpu": 1024, "cuda": 8192}  # of the square matrices whose product is timed
PEAK_SECONDS = {"cpu": 0.3, "cuda": 1.0}


@dataclass(frozen=True)
class ForwardFlops:
    """Floating-point operations of one forward pass, a multiply-add being two."""

    base: float
    audio: float  # projector and cross-attentions
    heads: float


def forward_flops(base: nn.Module, adapter: AdapterConfig, shown: TrainingBatch) -> ForwardFlops:
    """The matrix products of one forward pass (tests count them with torch's FlopCounterMode).

    A Wan block on L tokens with M tokens of text: 4 projections of self-attention, its scores and sums, 2 + 2
    projections and the attention to text, 2 layers of FFN.
    """
    rows, _, frames, height, width = shown.clean.shape
    concepts, cell = shown.references.shape[2], (height // 2) * (width // 2)
    video, length, text = frames * cell, (frames + concepts) * cell, shown.text.shape[1]
    wide, hidden = base.dim, base.blocks[0].ffn[0].out_features
    block = 2 * length * (6 * wide**2 + 2 * wide * hidden) + 2 * text * 2 * wide**2
    block += 4 * length**2 * wide + 4 * length * text * wide
    patch = 2 * length * wide * (base.patch_embedding.weight.shape[1:].numel() + base.head.head.out_features)
    texts = 2 * text * wide * (base.text_embedding[0].in_features + wide)
    times = 2 * wide * (base.freq_dim + wide + 6 * wide)
    tracks, heard = shown.audio.shape[1], frames * adapter.audio_tokens
    context = adapter.audio_context_width
    features = (
        (shown.audio.shape[2] - 1) * adapter.audio_layers * adapter.audio_width * adapter.audio_frame_width
    )
    windows = frames * adapter.window_frames * adapter.audio_frame_width * adapter.audio_hidden
    projected = 2 * tracks * (features + windows + heard * adapter.audio_hidden * context)
    each = 2 * video * 2 * wide**2 + tracks * (
        2 * heard * 2 * context * wide + 4 * video * adapter.audio_tokens * wide
    )
    mask = adapter.mask_width
    seen, known = video * wide * mask + video * mask**2, concepts * cell * (wide * mask + 2 * mask**2)
    compared = concepts * video * (2 * mask**2 + mask) + concepts * 2 * video * cell * mask
    hearing = int((shown.flag > 0).sum())
    return ForwardFlops(
        base=rows * (len(base.blocks) * block + patch + texts + times),
        audio=hearing * (projected + adapter.model_blocks * each),
        heads=rows * len(adapter.mask_blocks) * 2 * (seen + known + compared),
    )


def training_flops(work: ForwardFlops, config: TrainingConfig) -> float:
    """Operations that a training step cannot do without ("model FLOPs": what checkpointing computes again is not
    counted). Gradients of activations cost as much as the forward pass, wherever one flows; those of weights as much
    again, for what is trained.
    """
    parts = config.adapter
    flows = config.trains_base or parts.audio_projector or parts.audio_blocks
    base = 1 + flows + (config.base.train == "full")
    audio = 1 + flows + (parts.audio_projector or parts.audio_blocks)
    heads = 1 + (flows or parts.mask_heads) + parts.mask_heads
    return work.base * base + work.audio * audio + work.heads * heads


def measure_matmul_rate(device: torch.device, precision: str) -> float:
    """Operations per second of a large matrix product on this device, in the precision of the forward pass."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    kind = "cuda" if device.type == "cuda" else "cpu"
    a = torch.randn(PEAK_SIDE[kind], PEAK_SIDE[kind], device=device).to(dtype)
    products, began = 0, 0.0
    for warm in (True, False):
        products, began = 0, time.perf_counter()
        while time.perf_counter() - began < PEAK_SECONDS[kind] / (5 if warm else 1):
            for _ in range(5):
                torch.mm(a, a)
                products += 1
            if kind == "cuda":
                torch.cuda.synchronize(device)
    return products * 2 * PEAK_SIDE[kind] ** 3 / (time.perf_counter() - began)


class ThroughputMeter:
    """Figures of the steps since the last `read`, of all processes together."""

    def __init__(self, rate: float, processes: int) -> None:
        """rate: of one device, operations per second; 0: not measured."""
        self._rate, self._processes = rate, processes
        self.reset(0.0)

    def reset(self, waited: float) -> None:
        self._began, self._waited = time.perf_counter(), waited
        self._tokens, self._work = 0, 0.0

    def add(self, tokens: int, work: float) -> None:
        """One forward and backward pass of this process."""
        self._tokens += tokens
        self._work += work

    def read(self, waited: float) -> tuple[float, float, float]:
        """Tokens per second, FLOPs utilisation (0 where the rate was not measured), share of time waiting."""
        seconds = max(time.perf_counter() - self._began, 1e-9)
        used = self._work / seconds / self._rate if self._rate else 0.0
        figures = self._tokens * self._processes / seconds, used, (waited - self._waited) / seconds
        self.reset(waited)
        return figures
