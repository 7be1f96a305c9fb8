"""bfloat16 autocast only where the device multiplies bfloat16 fast."""

from __future__ import annotations

import pytest
import torch
from interacthuman.interact_core.theatre.training.devices import bfloat16_autocast

CHECKS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


@pytest.mark.parametrize("supported", [(True, False), (False, True), (False, False)])
def test_a_cpu_autocasts_to_bfloat16_only_with_instructions_for_it(
    supported: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in zip(CHECKS, supported):
        monkeypatch.setattr(torch.cpu, name, lambda value=value: value, raising=False)
    with bfloat16_autocast(torch.device("cpu")):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if any(supported) else torch.float32)


def test_a_torch_without_these_checks_trains_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CHECKS:
        monkeypatch.delattr(torch.cpu, name, raising=False)
    with bfloat16_autocast(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
