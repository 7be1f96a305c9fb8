"""What a run hands to the diffusion model, call by call."""

from __future__ import annotations

from typing import Any

from interacthuman.tests.support.models import tiny_wan  # noqa: F401 - before anything of comfy
from torch import Tensor

from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy.patcher_extension import WrappersMP  # isort: skip

from interacthuman.interact_core.host.forward.call import CallState
from interacthuman.interact_core.host.keys import CALL_KEY


class Spy:
    """Records every call of the diffusion model that really happens, inside all other wrappers.

    calls: their states; references: what each was given as `time_dim_concat`; model: the clone to sample with.
    """

    def __init__(self, model: ModelPatcher) -> None:
        self.calls: list[CallState] = []
        self.references: list[Tensor] = []
        self.model = model.clone()
        self.model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "spy", self)

    def __call__(self, executor: Any, *args: Any, **kwargs: Any) -> Tensor:
        self.calls.append(args[5][CALL_KEY])
        self.references.append(args[4])
        return executor(*args, **kwargs)
