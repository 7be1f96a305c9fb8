"""Roofline of each part: its time beside the least that its FLOPs and bytes can take on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...interact_core.adapter.rope import grid_positions, reference_positions
from ...interact_core.host.forward.attention import adapter_attention
from ..scenes.result import Figure
from .forward import Bench
from .models import FEATURES, TEXT, build_adapter, build_wan
from .timing import alternate, median, timed

SPEAKERS = 2
SQUARE = 4096  # side of the matrices whose product measures this machine's FLOPs
STREAM = 1 << 27  # bytes copied to see what its memory can move


@dataclass(frozen=True)
class Part:
    """What is timed; flops: of its products, a multiplication and an addition each; bytes: read once and
    written once, weights included.
    """

    action: Callable[[], object]
    flops: float
    bytes: float


def roofline(bench: Bench) -> list[Figure]:
    """Time of each part, and over its floor: the greater of what its FLOPs and its bytes take at the
    machine's best.
    """
    best, built = machine(bench), _parts(bench)
    actions = {name: part.action for name, part in (best | built).items()}
    with torch.inference_mode():
        timers = {name: timed(action, bench.device) for name, action in actions.items()}
        found = alternate(timers, bench.repeats)
    flops = best["product"].flops / min(found["product"])
    bytes_ = best["copy"].bytes / min(found["copy"])
    figures = [
        Figure("machine_TFLOPS", flops / 1e12, (flops / 1e12,) * 2, bench.repeats, note=f"{SQUARE} square"),
        Figure("machine_GB_per_s", bytes_ / 1e9, (bytes_ / 1e9,) * 2, bench.repeats, note="copying"),
    ]
    for name, part in built.items():
        floor = max(part.flops / flops, part.bytes / bytes_)
        kind = "products" if part.flops / flops > part.bytes / bytes_ else "memory"
        note = (
            f"{part.flops / 1e9:.1f} GFLOP, {part.bytes / 1e6:.0f} MB; floor {1000 * floor:.1f} ms ({kind})"
        )
        figures.append(Figure(f"{name}_ms", *median(found[name], 1000), note=note))
        figures.append(Figure(f"{name}_over_floor", *median(found[name], 1 / floor)))
    return figures


def machine(bench: Bench) -> dict[str, Part]:
    """The best matrix product and copy of this machine in this precision."""
    a = torch.ones(SQUARE, SQUARE, dtype=bench.dtype, device=bench.device)
    source = torch.ones(STREAM // 2, dtype=torch.bfloat16, device=bench.device)
    target = torch.empty_like(source)
    return {
        "product": Part(lambda: a @ a, 2.0 * SQUARE**3, 0.0),
        "copy": Part(lambda: target.copy_(source), 0.0, 2.0 * STREAM),
    }


def _parts(bench: Bench) -> dict[str, Part]:
    """One block's worth of everything, two speakers with a reference each."""
    shape, grid, device, dtype = bench.shape, bench.grid, bench.device, bench.dtype
    wan = build_wan(shape, 1, device, dtype).model.diffusion_model
    adapter = build_adapter(shape, 1, device, dtype).model
    config, attention = adapter.config, adapter_attention(device)
    frames, height, width = grid.latent[2], grid.height // 16, grid.width // 16
    tracks, each = SPEAKERS + 1, config.audio_tokens

    def drawn(*sizes: int) -> Tensor:
        return torch.randn(sizes, dtype=dtype, device=device)

    video, d, length = drawn(1, grid.tokens, shape.width), shape.width, grid.tokens
    pictures = drawn(1, SPEAKERS, grid.frame_tokens, d)
    both = torch.cat((video, pictures.flatten(1, 2)), dim=1)
    whole = both.shape[1]
    freqs = wan.rope_encode(frames + SPEAKERS, 2 * height, 2 * width, device=device, dtype=dtype)
    vec, text = drawn(1, 1, 6, d), drawn(1, TEXT, d)
    block, audio, head = wan.blocks[0], adapter.audio_blocks["0"], adapter.mask_heads["0"]
    sound = drawn(tracks, grid.frames, *FEATURES)
    tokens = drawn(tracks, 1, frames, each, config.audio_context_width)
    weights = torch.rand(tracks, 1, length, device=device).softmax(0)
    queries = audio.q(video)
    k, v = audio.k(tokens), audio.v(tokens)
    positions = (
        grid_positions(frames, height, width, device),
        reference_positions(SPEAKERS, frames, height, width, device),
    )
    from ...interact_core.adapter.model import mix_tracks

    # Multiplications with an addition each, two FLOPs.
    products = {
        "bare_block": whole * (6 * d * d + 2 * d * shape.ffn + 2 * whole * d + 2 * TEXT * d)
        + 2 * TEXT * d * d,
        "audio_projector": tracks * grid.frames * FEATURES[0] * FEATURES[1] * config.audio_frame_width
        + tracks * frames * config.audio_hidden * config.window_frames * config.audio_frame_width
        + tracks * frames * config.audio_hidden * each * config.audio_context_width,
        "audio_query_or_output": length * d * d,
        "audio_keys_and_values": 2 * tracks * frames * each * config.audio_context_width * d,
        "audio_mix": 2 * length * tracks * each * d,
    }
    m = config.mask_width
    products["mask_head"] = (
        whole * d * m
        + (length + 2 * SPEAKERS * grid.frame_tokens) * m * m
        + SPEAKERS * length * (2 * grid.frame_tokens * m + 2 * m * m)
    )
    products["audio_block"] = (
        2 * products["audio_query_or_output"] + products["audio_keys_and_values"] + products["audio_mix"]
    )
    stream = video.element_size() * length * d  # one pass over the video's tokens
    moved = {
        "bare_block": 2 * both.nbytes + _weights(block),
        "audio_projector": sound.nbytes + tokens.nbytes + _weights(adapter.audio_projector),
        "audio_query_or_output": 2 * stream + _weights(audio.q),
        "audio_keys_and_values": tokens.nbytes + k.nbytes + v.nbytes + _weights(audio.k) + _weights(audio.v),
        "audio_mix": 2 * stream + k.nbytes + v.nbytes + weights.nbytes,
        "audio_block": 2 * stream + tokens.nbytes + _weights(audio),
        "mask_head": both.nbytes + _weights(head),
    }
    actions = {
        "bare_block": lambda: block(both, e=vec, freqs=freqs, context=text, context_img_len=None),
        "audio_projector": lambda: adapter.audio_projector(sound),
        "audio_query_or_output": lambda: audio.q(video),
        "audio_keys_and_values": lambda: (audio.k(tokens), audio.v(tokens)),
        "audio_mix": lambda: mix_tracks(queries, k, v, weights, config.audio_heads, attention),
        "audio_block": lambda: audio(video, tokens, weights, attention),
        "mask_head": lambda: head(video, pictures, *positions, attention),
    }
    return {name: Part(action, 2.0 * products[name], float(moved[name])) for name, action in actions.items()}


def _weights(module: torch.nn.Module) -> int:
    return sum(parameter.nbytes for parameter in module.parameters())
