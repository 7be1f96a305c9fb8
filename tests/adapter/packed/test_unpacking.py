"""Packed weights against the package gguf, which follows ggml."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import torch
from interacthuman.interact_core.adapter.packed import unpacking
from interacthuman.interact_core.adapter.packed.unpacking import KINDS, Packed

ROWS, BLOCKS = 3, 5


def drawn(kind: str) -> np.ndarray:
    """Rows of any bytes, but for scales, which are finite and of both signs."""
    generator, layout = np.random.default_rng(1), KINDS[kind]
    blocks = generator.integers(0, 256, (ROWS * BLOCKS, layout.size), dtype=np.uint8)
    for place in layout.halves:
        scales = generator.uniform(-0.1, 0.1, (len(blocks), 1)).astype(np.float16)
        blocks[:, place : place + 2] = scales.view(np.uint8)
    return blocks.reshape(ROWS, -1)


@pytest.mark.parametrize("at_once", [2**22, 512])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_what_the_package_reads(
    kind: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "VALUES_AT_ONCE", at_once)
    data, layout = drawn(kind), KINDS[kind]
    assert (layout.values, layout.size) == gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    expected = torch.from_numpy(gguf.quants.dequantize(data, gguf.GGMLQuantizationType[kind]))
    weight = Packed(torch.from_numpy(data), kind, torch.Size((BLOCKS * layout.values, ROWS)))
    assert weight.is_finite()
    assert torch.equal(weight.numbers(), expected.reshape(weight.shape))
    assert torch.equal(weight.numbers(torch.bfloat16), expected.bfloat16().reshape(weight.shape))


@pytest.mark.parametrize("kind", KINDS)
def test_a_scale_that_is_not_finite_is_found(kind: str) -> None:
    for place in KINDS[kind].halves:
        data = torch.from_numpy(drawn(kind))
        data.reshape(-1, KINDS[kind].size)[4, place : place + 2] = torch.tensor([0, 0x7C], dtype=torch.uint8)
        assert not Packed(data, kind, torch.Size((1,))).is_finite()
