"""A loader in the manner of ComfyUI-GGUF: packed weights in a tensor subclass, unpacked by ops of its own.

What such loaders do to a core MODEL, and what the hooks must live with: `Linear.weight` is None until it is
loaded, its bytes are uint8 and say nothing, its `.shape` is that of the weight they stand for, copies keep both,
and only the layer itself can turn it into numbers (city96/ComfyUI-GGUF, ops.py). Import tiny_wan first.
"""

from __future__ import annotations

from typing import Any

import comfy.ops
import comfy.sd
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn

BLOCK = 16  # values that share a scale (32 in GGUF's Q8_0; tiny Wans are 48 wide)
SCALE = 2  # bytes of a block's float16 scale, which stands in front of its int8 values


class PackedWeight(Tensor):
    """uint8 [rows, columns / BLOCK * (SCALE + BLOCK)] that calls itself [rows, columns]."""

    @staticmethod
    def of(weight: Tensor) -> PackedWeight:
        """weight: float [rows, columns], columns a multiple of BLOCK."""
        blocks = weight.detach().unflatten(1, (-1, BLOCK))
        scale = (blocks.abs().amax(-1, keepdim=True) / 127).clamp(min=1e-6).half()
        values = (blocks / scale.float()).round().clamp(-127, 127).to(torch.int8)
        packed = torch.cat((scale.view(torch.uint8), values.view(torch.uint8)), -1).flatten(1)
        return packed.as_subclass(PackedWeight)._called(tuple(weight.shape))

    def numbers(self) -> Tensor:
        """float32 of the shape that it calls itself."""
        blocks = self.as_subclass(Tensor).unflatten(1, (-1, SCALE + BLOCK))
        scale = blocks[..., :SCALE].contiguous().view(torch.float16).float()
        return (blocks[..., SCALE:].contiguous().view(torch.int8).float() * scale).flatten(1)

    def _called(self, shape: tuple[int, ...]) -> PackedWeight:
        self.called = torch.Size(shape)
        return self

    @property
    def shape(self) -> torch.Size:
        return getattr(self, "called", self.size())

    def to(self, *args: Any, **kwargs: Any) -> PackedWeight:
        return super().to(*args, **kwargs)._called(self.shape)

    def clone(self, *args: Any, **kwargs: Any) -> PackedWeight:
        return self

    def detach(self) -> PackedWeight:
        return self


class PackedOps(comfy.ops.manual_cast):
    """`custom_operations` that unpack a Linear's weight in every forward pass."""

    class Linear(comfy.ops.manual_cast.Linear):
        def __init__(
            self,
            in_features: int,
            out_features: int,
            bias: bool = True,
            device: Any = None,
            dtype: Any = None,
        ) -> None:
            nn.Module.__init__(self)
            self.in_features, self.out_features = in_features, out_features
            self.weight = self.bias = None

        def _load_from_state_dict(self, weights: dict[str, Tensor], prefix: str, *others: Any) -> None:
            self.weight = nn.Parameter(weights[f"{prefix}weight"], requires_grad=False)
            if f"{prefix}bias" in weights:
                self.bias = nn.Parameter(weights[f"{prefix}bias"], requires_grad=False)

        def forward_comfy_cast_weights(self, x: Tensor) -> Tensor:
            weight = self.weight.to(x.device)
            numbers = weight.numbers() if isinstance(weight, PackedWeight) else weight
            bias = None if self.bias is None else self.bias.to(x)
            return nn.functional.linear(x, numbers.to(x), bias)


class PackedPatcher(ModelPatcher):
    """A patcher of their own, as such loaders make: by cloning the core's."""

    def clone(self, *args: Any, **kwargs: Any) -> ModelPatcher:
        clone = ModelPatcher.clone(self, *args, **kwargs)  # `self` may be the core's
        clone.__class__ = PackedPatcher
        return clone


def pack(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every weight of a Linear packed, the rest as it is."""
    return {key: PackedWeight.of(value) if is_matrix(key, value) else value for key, value in weights.items()}


def unpack(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        key: value.numbers() if isinstance(value, PackedWeight) else value for key, value in weights.items()
    }


def is_matrix(key: str, value: Tensor) -> bool:
    """Whether it is the weight of a Linear."""
    return value.ndim == 2 and key.endswith(".weight")


def load_packed(weights: dict[str, Tensor], header: dict[str, str]) -> ModelPatcher:
    """The MODEL that such a loader yields."""
    model = comfy.sd.load_diffusion_model_state_dict(
        dict(weights), model_options={"custom_operations": PackedOps()}, metadata=dict(header)
    )
    return PackedPatcher.clone(model)
