"""Other mask caches than the method's, and a probe of every mask head: hooks on a clone of the theatre's
MODEL.

The pack itself has one cache, the previous step's masks. These belong to the bench and change nothing in the
pack.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ...interact_core.host.standalone import prepare_comfy

prepare_comfy()

from comfy.model_patcher import ModelPatcher  # noqa: E402  (comfy has to be configured first)
from comfy.patcher_extension import WrapperExecutor, WrappersMP  # noqa: E402

from ...interact_core.guidance import GuidanceSettings, blend_weights  # noqa: E402
from ...interact_core.host.forward.call import CallState  # noqa: E402
from ...interact_core.host.keys import CALL_KEY, WRAPPER_KEY  # noqa: E402

KEY = "interact_ablation"


def in_two_passes(model: ModelPatcher) -> ModelPatcher:
    """A clone that evaluates each step twice: the first pass only predicts the masks that steer the second."""
    model = model.clone()
    kind = WrappersMP.PREDICT_NOISE
    ours = model.get_wrappers(kind, WRAPPER_KEY)
    model.remove_wrappers_with_key(kind, WRAPPER_KEY)
    model.add_wrapper_with_key(
        kind, KEY, _twice
    )  # in front of the run's own: each pass is an evaluation to it
    for wrapper in ours:
        model.add_wrapper_with_key(kind, WRAPPER_KEY, wrapper)
    return model


def _twice(executor: WrapperExecutor, *args: Any, **kwargs: Any) -> Tensor:
    executor(*args, **kwargs)
    return executor(*args, **kwargs)


def within_the_step(
    model: ModelPatcher, speaking: tuple[bool, ...], settings: GuidanceSettings
) -> ModelPatcher:
    """A clone without a cache: in stage two every block is steered by the mask heads of the blocks before it.

    Blocks before the first head get the audio of stage one.
    """
    model, steering = model.clone(), _WithinStep(speaking, settings)
    model.add_wrapper_with_key(
        WrappersMP.DIFFUSION_MODEL, KEY, steering.begin
    )  # behind the one that opens the call
    model.set_model_double_block_patch(steering)
    return model


@dataclass(frozen=True)
class _WithinStep:
    speaking: tuple[bool, ...]
    settings: GuidanceSettings

    def begin(self, executor: WrapperExecutor, *args: Any, **kwargs: Any) -> Tensor:
        """Take the cached masks away. Only where masks steer do the shares depend on the token."""
        options = next(argument for argument in args if isinstance(argument, dict) and CALL_KEY in argument)
        call: CallState = options[CALL_KEY]
        options[KEY] = call.voices is not None and call.voices.weights.shape[-1] > 1
        if options[KEY]:
            shares = blend_weights(None, self.speaking, self.settings)
            if shares is None:  # stage one injects nothing
                shares = torch.zeros(sum(self.speaking) + 1, 1)
            self._steer(call, shares[None])
        return executor(*args, **kwargs)

    def __call__(self, args: dict[str, Any]) -> dict[str, Any]:
        """`double_block`, after the adapter's own patch has read its head."""
        options = args["transformer_options"]
        if options.get(KEY) and options[CALL_KEY].mask_logits:
            call: CallState = options[CALL_KEY]
            masks = torch.stack([logits.sigmoid() for logits in call.mask_logits]).mean(0)  # [R, N, L]
            masks = masks.unflatten(-1, _grid(call))
            self._steer(call, blend_weights(masks, self.speaking, self.settings))
        return args

    @staticmethod
    def _steer(call: CallState, shares: Tensor) -> None:
        """Give the rows with voices these shares [R or 1, S + 1, L or 1]; muted rows keep theirs."""
        voices, rows = call.voices, call.voices.tokens.shape[1]
        weights = voices.weights.expand(-1, rows, -1).clone()
        with_audio = list(range(rows)) if voices.rows is None else voices.rows.tolist()
        steered = with_audio if call.mask_rows is None else call.mask_rows.tolist()
        weights[:, [with_audio.index(row) for row in steered]] = shares.transpose(0, 1).to(weights)
        call.voices = replace(voices, weights=weights)


@dataclass(frozen=True)
class LayerProbe:
    """Keeps the prediction of every mask head at every step: in `found` one [heads, N, T, h, w] float16 a
    step.

    For samplers with one evaluation a step and videos without context windows; otherwise it stays empty.
    """

    blocks: tuple[int, ...]  # that have a head
    found: list[Tensor] = field(default_factory=list)

    @classmethod
    def put_on(cls, model: ModelPatcher, blocks: tuple[int, ...]) -> tuple[ModelPatcher, LayerProbe]:
        model, probe = model.clone(), cls(blocks)
        model.set_model_double_block_patch(probe)
        return model, probe

    def __call__(self, args: dict[str, Any]) -> dict[str, Any]:
        call: CallState | None = args["transformer_options"].get(CALL_KEY)
        done = call is not None and call.mask_logits and args["block_index"] == self.blocks[-1]
        if done and call.geometry.whole_video:
            heads = torch.stack([logits[0].sigmoid() for logits in call.mask_logits])
            self.found.append(heads.unflatten(-1, _grid(call)).half().cpu())
        return args


def _grid(call: CallState) -> tuple[int, int, int]:
    return len(call.geometry.frames), call.geometry.height, call.geometry.width
