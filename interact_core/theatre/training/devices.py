"""Where the theatre trains, and in which precision."""

from __future__ import annotations

import torch


def training_device() -> torch.device:
    """A GPU if there is one. Noise is drawn on the CPU all the same, so that a run draws the same numbers
    everywhere.
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices faster than float32 ones: a GPU, or a CPU with
    AVX512_BF16 or AMX.

    Other CPUs convert to float32 and back: one with AVX-512 alone reached 0.16 TFLOP/s in float32 and 0.047
    in bfloat16. torch has no public name for the two checks, so they may be missing in another version.
    """
    if device.type != "cpu":
        return True
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name)() for name in checks if hasattr(torch.cpu, name))


def bfloat16_autocast(device: torch.device) -> torch.autocast:
    """Autocast to bfloat16 on a device that multiplies it fast; elsewhere everything stays float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device))
