"""Layers whose weights stay as small in memory as in their file, and become numbers for each use.

ComfyUI moves them as it moves any layer's weights, whole models or layer by layer.
"""

from collections.abc import Mapping

import comfy.ops
import comfy.quant_ops
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..adapter.packed.core_quantised import OF_A_LAYER
from ..adapter.packed.unpacking import Packed, unpack

Weights = Mapping[str, Tensor | Packed]


class PackedLinear(nn.Module, comfy.ops.CastWeightBiasOp):
    """A Linear with the bytes of a GGUF file."""

    comfy_cast_weights = True  # so that ComfyUI may leave it where it is and hand it over layer by layer

    def __init__(self, packed: Packed, bias: bool) -> None:
        """Its parameters hold memory only once `load_state_dict(..., assign=True)` gave it the file's own."""
        super().__init__()
        self.kind, self.shape = packed.kind, packed.shape
        self.weight = nn.Parameter(torch.empty_like(packed.data, device="meta"), requires_grad=False)
        self.register_parameter(
            "bias", nn.Parameter(torch.empty(packed.shape[0], device="meta")) if bias else None
        )

    def forward(self, x: Tensor) -> Tensor:
        comfy.ops.run_every_op()
        weight, bias, stream = comfy.ops.cast_bias_weight(
            self, dtype=torch.uint8, device=x.device, bias_dtype=x.dtype, offloadable=True
        )
        found = F.linear(x, unpack(weight, self.kind, x.dtype).reshape(self.shape), bias)
        comfy.ops.uncast_bias_weight(self, weight, bias, stream)
        return found


def _quantised_linear() -> type[nn.Module]:
    """ComfyUI's own quantised Linear, but for its arithmetic: the weight becomes numbers, and x is never rounded."""

    class QuantisedLinear(comfy.ops.mixed_precision_ops().Linear):
        def forward(self, x: Tensor) -> Tensor:
            comfy.ops.run_every_op()
            weight, bias, stream = comfy.ops.cast_bias_weight(
                self, dtype=self.weight.dtype, device=x.device, bias_dtype=x.dtype, offloadable=True
            )
            numbers = weight.to(dtype=x.dtype)
            if isinstance(numbers, comfy.quant_ops.QuantizedTensor):
                numbers = numbers.dequantize()  # pyright: ignore[reportAttributeAccessIssue]
            found = F.linear(x, numbers, bias)
            comfy.ops.uncast_bias_weight(self, weight, bias, stream)
            return found

    return QuantisedLinear


def with_small_layers(module: nn.Module, weights: Weights) -> dict[str, Tensor]:
    """Give `module` layers that keep packed and quantised weights as they are; its state dict to load, with assign.

    What is packed and no Linear's, which public files do not have, is unpacked to float32.
    """
    found: dict[str, Tensor] = {}
    quantised = _quantised_linear() if any(key.endswith(OF_A_LAYER) for key in weights) else None
    for key, value in weights.items():
        name, _, rest = key.rpartition(".")
        layer = module.get_submodule(name)
        if not isinstance(value, Packed):
            found[key] = value
            if quantised and f".{rest}" == OF_A_LAYER and isinstance(layer, nn.Linear):
                bias = f"{name}.bias" in weights
                module.set_submodule(name, quantised(layer.in_features, layer.out_features, bias))
        elif rest == "weight" and isinstance(layer, nn.Linear):
            module.set_submodule(name, PackedLinear(value, f"{name}.bias" in weights))
            found[key] = value.data
        else:
            found[key] = value.numbers()
    return found
