"""What a training step costs: tokens per second, FLOPs utilisation, and the share of time spent waiting for
data.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import nn

from ..adapter import AdapterConfig
from ..host.forward.voice_tracks import VoiceTracks
from .config import TrainingConfig
from .data.samples import TrainingBatch

MATMUL_SIZE = {"cpu": 1024, "cuda": 8192}  # rows and columns of the square matrices whose product is timed
MATMUL_SECONDS = {"cpu": 0.3, "cuda": 1.0}


@dataclass(frozen=True)
class ForwardFlops:
    """Floating-point operations of one forward pass; a multiply-add counts as two."""

    base: float
    audio: float  # projector and cross-attentions
    heads: float


def forward_flops(base: nn.Module, adapter: AdapterConfig, batch: TrainingBatch) -> ForwardFlops:
    """The matrix products of one forward pass (a test compares them with torch's FlopCounterMode).

    A Wan block on L tokens with M text tokens has 4 projections of self-attention, its scores and weighted
    sums, 2 + 2 projections of the cross-attention to text, its scores and weighted sums, and 2 layers of FFN.
    """
    rows, _, frames, height, width = batch.clean.shape
    concepts, frame_tokens = batch.references.shape[2], (height // 2) * (width // 2)
    video, length, text = frames * frame_tokens, (frames + concepts) * frame_tokens, batch.text.shape[1]
    dim, ffn = base.dim, base.blocks[0].ffn[0].out_features
    block = 2 * length * (6 * dim**2 + 2 * dim * ffn) + 2 * text * 2 * dim**2
    block += 4 * length**2 * dim + 4 * length * text * dim
    patch = 2 * length * dim * (base.patch_embedding.weight.shape[1:].numel() + base.head.head.out_features)
    text_embedding = 2 * text * dim * (base.text_embedding[0].in_features + dim)
    time_embedding = 2 * dim * (base.freq_dim + dim + 6 * dim)
    audio_rows = int((batch.flag > 0).sum())
    mask, reference = adapter.mask_width, concepts * frame_tokens
    video_features = video * dim * mask + video * mask**2
    reference_features = reference * (dim * mask + 2 * mask**2)
    attention = concepts * video * (2 * mask**2 + mask) + concepts * 2 * video * frame_tokens * mask
    return ForwardFlops(
        base=rows * (len(base.blocks) * block + patch + text_embedding + time_embedding),
        audio=audio_rows * _audio_flops(dim, adapter, batch, frames, video),
        heads=rows * len(adapter.mask_blocks) * 2 * (video_features + reference_features + attention),
    )


def _audio_flops(dim: int, adapter: AdapterConfig, batch: TrainingBatch, frames: int, video: int) -> float:
    """Projector and cross-attentions of all blocks, for one row of the batch that has audio."""
    voices = VoiceTracks.unpack(batch.audio)
    tracks, video_frames = voices.count, voices.frames
    tokens, context = frames * adapter.audio_tokens, adapter.audio_context_width
    features = video_frames * adapter.audio_layers * adapter.audio_width * adapter.audio_frame_width
    windows = frames * adapter.window_frames * adapter.audio_frame_width * adapter.audio_hidden
    projector = 2 * tracks * (features + windows + tokens * adapter.audio_hidden * context)
    keys_and_values = 2 * tokens * 2 * context * dim
    cross_attention = 2 * video * 2 * dim**2 + tracks * (
        keys_and_values + 4 * video * adapter.audio_tokens * dim
    )
    return projector + adapter.model_blocks * cross_attention


def training_flops(forward: ForwardFlops, config: TrainingConfig) -> float:
    """The operations that a training step needs ("model FLOPs": recomputation by gradient checkpointing not
    counted).

    Gradients of activations cost as much as the forward pass, wherever they are needed; gradients of weights
    cost as much again, for the parts that are trained.
    """
    parts = config.adapter
    through_base = config.trains_base or parts.audio_projector or parts.audio_blocks
    base = 1 + through_base + (config.base.train == "full")
    audio = 1 + through_base + (parts.audio_projector or parts.audio_blocks)
    heads = 1 + (through_base or parts.mask_heads) + parts.mask_heads
    return forward.base * base + forward.audio * audio + forward.heads * heads


def measure_matmul_rate(device: torch.device, precision: str) -> float:
    """Operations per second of a large matrix product on this device, in the forward pass's precision."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    kind = "cuda" if device.type == "cuda" else "cpu"
    a = torch.randn(MATMUL_SIZE[kind], MATMUL_SIZE[kind], device=device).to(dtype)
    products, began = 0, 0.0
    for warm_up in (True, False):
        products, began = 0, time.perf_counter()
        while time.perf_counter() - began < MATMUL_SECONDS[kind] / (5 if warm_up else 1):
            for _ in range(5):
                torch.mm(a, a)
                products += 1
            if kind == "cuda":
                torch.cuda.synchronize(device)
    return products * 2 * MATMUL_SIZE[kind] ** 3 / (time.perf_counter() - began)


class ThroughputMeter:
    """Throughput since the last `read` or `reset`, of all processes together."""

    def __init__(self, matmul_rate: float, processes: int) -> None:
        """matmul_rate: of one device, operations per second; 0: not measured."""
        self._matmul_rate, self._processes = matmul_rate, processes
        self.reset(0.0)

    def reset(self, seconds_waited: float) -> None:
        self._began, self._seconds_waited = time.perf_counter(), seconds_waited
        self._tokens, self._flops = 0, 0.0

    def add(self, tokens: int, flops: float) -> None:
        """Count one forward and backward pass of this process."""
        self._tokens += tokens
        self._flops += flops

    def read(self, seconds_waited: float) -> tuple[float, float, float]:
        """Tokens per second, FLOPs utilisation (0 if the matmul rate was not measured), share of time spent
        waiting.

        seconds_waited: of the prefetcher, since the run began.
        """
        seconds = max(time.perf_counter() - self._began, 1e-9)
        utilisation = self._flops / seconds / self._matmul_rate if self._matmul_rate else 0.0
        waiting = (seconds_waited - self._seconds_waited) / seconds
        figures = self._tokens * self._processes / seconds, utilisation, waiting
        self.reset(seconds_waited)
        return figures
