"""The DIFFUSION_MODEL wrapper: it opens a call's state, runs the model with it, and passes on the masks."""

from typing import Any

import torch
import torch.nn.functional as F
from comfy.ldm.wan.model import HumoWanModel
from comfy.patcher_extension import WrapperExecutor
from torch import Tensor

from ..keys import BASE_KEY, CALL_KEY, PROBE_KEY, ROLE_COND, RUN_KEY, TRACKS_COND
from ..tokens.geometry import geometry_of_call
from ..tokens.sequence import can_shorten_sequence, with_shorter_sequence
from .call import CallProbe, ForwardRun
from .humo import placeholder_audio, references_of_width
from .query_key import rotation_of


@torch.compiler.disable(recursive=False)  # as the patches; the model itself is compiled all the same
def diffusion_model_wrapper(
    executor: WrapperExecutor,
    x: Tensor,
    timestep: Tensor,
    context: Tensor,
    clip_fea: Tensor | None = None,
    time_dim_concat: Tensor | None = None,
    transformer_options: dict[str, Any] = {},  # noqa: B006 - core's own signature
    **kwargs: Any,
) -> Tensor:
    """DIFFUSION_MODEL: open the call's state, run the model with it, pass the predicted masks to the run.

    The positional order is core's and must stay: EasyCache reads the last positional argument.
    Calls whose conditioning has no characters are passed on unchanged.
    """
    run: ForwardRun | None = transformer_options.get(RUN_KEY)
    audio, flag = kwargs.pop(TRACKS_COND, None), kwargs.pop(ROLE_COND, None)
    model: Any = executor.class_obj
    transformer_options[BASE_KEY] = model
    if run is None or flag is None:
        return executor(x, timestep, context, clip_fea, time_dim_concat, transformer_options, **kwargs)
    time_dim_concat = run.references_for(time_dim_concat, transformer_options)
    geometry = geometry_of_call(model, x, time_dim_concat, transformer_options, kwargs)
    cached = None
    if can_shorten_sequence(model, timestep):
        geometry, cached = run.shorten(geometry, transformer_options, x.device)
    if geometry.references and "vace_context" in kwargs:
        # VACE adds its control to the whole sequence and has none for the references: pad it with zeros.
        kwargs["vace_context"] = F.pad(kwargs["vace_context"], (0, 0, 0, 0, 0, geometry.references))
    if isinstance(model, HumoWanModel):
        time_dim_concat = references_of_width(time_dim_concat, model.in_dim)
        kwargs["audio_embed"] = placeholder_audio(model, x)
    call = run.open_call(geometry, x, audio, flag, transformer_options, cached)
    transformer_options[CALL_KEY] = call
    probe: CallProbe | None = transformer_options.get(PROBE_KEY)
    if probe is not None:
        call.judge = probe.judge_of(call, transformer_options)
    if call.compared_heads or (call.judge is not None and call.judge.compares_heads):
        call.rotation = rotation_of(model, geometry, x, transformer_options)
    if geometry.shortened or cached is not None:
        transformer_options.update(
            with_shorter_sequence(transformer_options, geometry, cached, len(model.blocks))
        )
    output = executor(x, timestep, context, clip_fea, time_dim_concat, transformer_options, **kwargs)
    run.close_call(call)
    return output
