"""Making ComfyUI's operations differentiable for training."""

from collections.abc import Iterator
from contextlib import contextmanager

import comfy.model_management


@contextmanager
def differentiable_host() -> Iterator[None]:
    """Within this context ComfyUI picks differentiable kernels; afterwards everything is as it was.

    Its rotary embedding otherwise runs in comfy_kitchen, which has no backward (comfy/ldm/flux/math.py). The
    backward pass may lie outside. Training only: the switch is the process's, as ComfyUI's own training node
    uses it.
    """
    before = comfy.model_management.in_training
    comfy.model_management.in_training = True
    try:
        yield
    finally:
        comfy.model_management.in_training = before
