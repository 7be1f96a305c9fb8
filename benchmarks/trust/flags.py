"""ComfyUI's launch options that change memory, caching, attention or precision: the same result within a tolerance."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from ...interact_core.comfy_client import PromptFailed, ServerDied
from ...interact_core.comfy_server import ComfyServer
from ..scenes.result import Figure, at_most
from .campaign import Order, Tally
from .served import SAVED, people, serve

EXACT, ROUNDING, HALF = 0.0, 1e-4, 0.15
"""Largest differences from the default options, in standard deviations of its latent.

EXACT: the same bits. ROUNDING: float32 sums in another order (tests/host/forward/test_attention_choices.py has the
same). HALF: weights or activations of 8 bits of mantissa through every block and step, on weights drawn at random,
which damp nothing.
"""

SAME_BITS = (
    *("--disable-smart-memory", "--disable-dynamic-vram", "--deterministic", "--fp32-unet", "--force-fp32"),
    *("--dont-upcast-attention", "--disable-metadata"),
)
"""Options of memory and precision that together must not change a bit where there is no GPU.

Without --force-channels-last, with which ComfyUI 0.30 loads no Wan model at all (its weights have five dimensions);
without --fp64-unet, in which none of its models that turn by RoPE runs (its kernels know no float64);
without --fp8_e8m0fnu-unet, whose numbers are powers of two without a sign.
"""

# Each trial is a server of its own, so options that ought not to change a bit share one.
OPTIONS: tuple[tuple[tuple[str, ...], float], ...] = (
    ((), EXACT),  # the default once more, in a process of its own
    (SAME_BITS, EXACT),
    (("--cache-none", "--fast"), EXACT),
    (("--use-split-cross-attention", "--cache-lru", "3"), ROUNDING),
    (("--bf16-unet",), HALF),
    (("--use-pytorch-cross-attention", "--cache-classic"), ROUNDING),
    (("--fp16-unet",), HALF),
    (("--use-quad-cross-attention",), ROUNDING),
    (("--fp8_e4m3fn-unet",), 2 * HALF),
    (
        (
            *("--async-offload", "--disable-pinned-memory", "--disable-mmap", "--high-ram"),
            *("--reserve-vram", "1"),
        ),
        EXACT,
    ),
    (("--force-fp16",), HALF),
    (("--force-upcast-attention",), ROUNDING),
    (("--fp16-intermediates",), HALF),
    (("--bf16-vae",), HALF),
    (("--fp8_e5m2-unet",), 4 * HALF),
    (
        (
            *("--disable-async-offload", "--mmap-torch-files", "--force-non-blocking", "--fast-disk"),
            *("--cache-ram", "1"),
        ),
        EXACT,
    ),
    (("--fp16-vae",), HALF),
    (("--lowvram",), EXACT),
    (("--novram",), EXACT),
    (("--highvram",), EXACT),
    (("--gpu-only",), EXACT),
    (("--enable-dynamic-vram",), EXACT),
)
ON_A_GPU = {"--lowvram", "--novram", "--highvram", "--gpu-only", "--enable-dynamic-vram"}
"""ComfyUI takes the first four not beside --cpu, and the last does nothing there: without a GPU they are not tried."""

TRIALS = len(OPTIONS)


def run(order: Order) -> None:
    tally = order.tally
    expected = _latent(order.folder / "default", ())
    for number in order.left():
        options, tolerance = OPTIONS[number]
        if ON_A_GPU & set(options) and not torch.cuda.is_available():
            continue
        name = " ".join(options) or "the default again"
        try:
            found = _latent(order.folder / str(number), options)
        except (ServerDied, PromptFailed, TimeoutError) as failure:
            tally.fault(number, name, str(failure)[-500:])
            continue
        difference = float((found - expected).abs().max() / expected.std())
        if difference <= tolerance:
            tally.count(
                number, "the same bits" if difference == 0 else "within its tolerance", difference=difference
            )
        else:
            tally.fault(
                number, name, f"differs by {difference:.2g}, may by {tolerance:g}", difference=difference
            )


def figures(tally: Tally) -> list[Figure]:
    """The difference that each of the options makes."""
    return [
        at_most(
            " ".join(OPTIONS[trial.number][0]) or "the default again",
            value,
            (value, value),
            1,
            OPTIONS[trial.number][1],
            "standard deviations of the latent",
        )
        for trial in tally.trials
        for value in [trial.values.get("difference")]
        if value is not None
    ]


def _latent(folder: Path, options: tuple[str, ...]) -> torch.Tensor:
    """What a server with these options makes of one and the same graph, the second time."""
    with serve(folder, *options, cpu=not ON_A_GPU & set(options)) as server:
        _once(server, seed=2)
        return _once(server, seed=1)


def _once(server: ComfyServer, seed: int) -> torch.Tensor:
    outputs = server.run(people(seed=seed))
    return load_file(server.path_of(outputs[SAVED]["latents"][0]))["latent_tensor"]
