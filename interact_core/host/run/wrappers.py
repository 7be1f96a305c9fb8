"""The sampling wrappers: they begin a run, count its steps and end it, whatever sampler drives it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor
from torch import Tensor

from ...errors import InteractError
from ...guidance import Cast, EarlierMasks, GuidanceSettings
from ...preview.record import RunRecord
from ...sentences import sentence
from ..forward.humo import is_humo
from ..keys import ADAPTER_KEY, GUIDANCE_KEY, ROLE_COND, RUN_KEY
from .guests import check_conditioning, check_one_voice_path
from .kept_latent import OnwardSampler, goes_on, is_covered
from .live import DONE, STOPPED, MaskStream, OpenStream
from .memory_estimate import check_memory, shape_to_estimate, shape_with_reference_cache
from .motion_frames import noise_of_film, with_trace
from .sampling_run import SamplingRun
from .start_image import check_people_seen, check_start_images


class MaskHandle:
    """Holds the masks of a guided MODEL's last finished run; Mask Guidance outputs it beside the MODEL.

    `history` is None from the start of a run to its end, so that an interrupted run leaves no masks.
    """

    def __init__(self) -> None:
        self.history: RunRecord | None = None


@dataclass(frozen=True, eq=False)
class Guidance:
    """What `apply_guidance` leaves on a MODEL for its runs."""

    cast: Cast
    settings: GuidanceSettings
    handle: MaskHandle
    open_stream: OpenStream = MaskStream
    earlier: EarlierMasks | None = None  # of the run that the next one continues


def outer_sample_wrapper(
    executor: WrapperExecutor,
    noise: Tensor,
    latent_image: Tensor,
    sampler: Any,
    sigmas: Tensor,
    denoise_mask: Tensor | None = None,
    callback: Callable[..., Any] | None = None,
    disable_pbar: bool = False,
    seed: int | None = None,
    **kwargs: Any,
) -> Tensor:
    """OUTER_SAMPLE: make the run's state, and remove it whatever happens (interrupts included)."""
    rest = [latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed]
    guider: Any = executor.class_obj
    conds = [cond for part in guider.conds.values() for cond in part]
    options = guider.model_options["transformer_options"]
    guidance: Guidance | None = options.get(GUIDANCE_KEY)
    with_cast = [cond for cond in conds if ROLE_COND in cond.get("model_conds", {})]
    if not with_cast and guidance is None:
        return executor(noise, *rest, **kwargs)
    guidance = _checked_guidance(noise, conds, with_cast, guidance)
    check_people_seen(noise, with_cast, guidance.cast, guider)
    check_one_voice_path(guider.model_options)
    check_conditioning(guider.conds, guider, is_humo(guider.model_patcher))
    check_memory(guider.model_patcher, guidance.cast, guider.model_options)
    references = next((cond["time_dim_concat"] for cond in with_cast if "time_dim_concat" in cond), None)
    if references is not None:
        references = guider.model_patcher.model.process_latent_in(references)
    onward = goes_on(noise, denoise_mask)
    kept = _kept(latent_image, guidance.earlier) if onward else latent_image
    said = [sentence("run_keeps_noise")] if kept is None else []
    if denoise_mask is None and is_covered(latent_image, noise, sigmas, guider.model_patcher):
        said.append(sentence("run_latent_unused"))
    stream = guidance.open_stream(guidance.cast, len(sigmas) - 1, guidance.settings.mask_source, seed)
    run = SamplingRun(
        options[ADAPTER_KEY],
        guidance.cast,
        guidance.settings,
        guider.model_patcher,
        sigmas,
        references,
        stream,
        guidance.earlier,
        said,
    )
    if onward and kept is not None:
        rest[1] = OnwardSampler(sampler, kept)
    guidance.handle.history = None
    options[RUN_KEY] = run
    part = guidance.cast.part
    if part is not None and not part.clean:
        noise = noise_of_film(noise, part, seed)
        known = guider.model_patcher.model.process_latent_in(latent_image[:, :, : part.known_latents])
        noise = with_trace(noise, known)
    how = STOPPED
    try:
        output = executor(noise, *rest, **kwargs)
        guidance.handle.history = run.finish(None if denoise_mask is None else kept)
        how = DONE
        return output
    finally:
        options.pop(RUN_KEY, None)
        run.release()
        stream.end(how)


def prepare_sampling_wrapper(
    executor: WrapperExecutor,
    model: ModelPatcher,
    noise_shape: list[int],
    conds: dict[str, list[dict[str, Any]]],
    model_options: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """PREPARE_SAMPLING: add the references and the reference KV cache to ComfyUI's estimate of the memory."""
    shape = shape_to_estimate(noise_shape, conds, model_options or {})
    run: SamplingRun | None = (model_options or {}).get("transformer_options", {}).get(RUN_KEY)
    if run is not None and run.cached_tokens_each:
        shape = shape_with_reference_cache(model, shape, conds, run.cached_tokens_each)
    return executor(model, shape, conds, model_options=model_options, **kwargs)


def sampler_sample_wrapper(
    executor: WrapperExecutor,
    guider: Any,
    sigmas: Tensor,
    extra_args: dict[str, Any],
    callback: Callable[..., Any] | None,
    *args: Any,
    **kwargs: Any,
) -> Tensor:
    """SAMPLER_SAMPLE: count steps by callbacks, which every sampler makes once a step.

    A sampler reports (step, predicted clean latent, latent, total steps) (comfy/samplers.py, KSAMPLER).
    """
    run: SamplingRun | None = extra_args["model_options"]["transformer_options"].get(RUN_KEY)
    if run is None:
        return executor(guider, sigmas, extra_args, callback, *args, **kwargs)

    def counted(*reported: Any) -> Any:
        run.end_step(reported[1] if len(reported) > 1 else None)
        return callback(*reported) if callback is not None else None

    return executor(guider, sigmas, extra_args, counted, *args, **kwargs)


def predict_noise_wrapper(
    executor: WrapperExecutor,
    x: Tensor,
    timestep: Tensor,
    model_options: dict[str, Any] = {},  # noqa: B006 - core's own signature
    seed: int | None = None,
) -> Tensor:
    """PREDICT_NOISE: one model evaluation, however many conds, windows and devices it takes."""
    run: SamplingRun | None = model_options.get("transformer_options", {}).get(RUN_KEY)
    if run is None:
        return executor(x, timestep, model_options, seed)
    run.begin_evaluation(float(timestep.max()), x)
    output = executor(x, timestep, model_options, seed)
    run.end_evaluation(output)
    return output


def _kept(latent: Tensor, earlier: EarlierMasks | None) -> Tensor | None:
    """What the run that this one continues kept by its noise mask; None where that is not known or of another size."""
    kept = None if earlier is None else earlier.kept
    return kept if kept is not None and kept.shape == latent.shape else None


def _checked_guidance(
    noise: Tensor, conds: list[dict[str, Any]], with_cast: list[dict[str, Any]], guidance: Guidance | None
) -> Guidance:
    """The run's guidance. Raises InteractError, before anything is loaded, for what would fail later."""
    if guidance is None:
        raise InteractError(
            "The conditioning has characters, but the MODEL has no mask guidance: use InterAct Sampler, or put "
            "InterAct Mask Guidance between the MODEL and the sampler."
        )
    if not with_cast:
        raise InteractError(
            "The MODEL has mask guidance, but the conditioning has no characters: connect positive and negative "
            "from InterAct Encode Characters to the sampler."
        )
    if any("area" in cond or cond.get("set_area_to_bounds") for cond in conds):
        raise InteractError(
            "Characters do not work with conditioning that is limited to an area, because reference pictures need "
            "the whole frame: remove the area, or use a mask with 'set cond area' on 'default'."
        )
    grid = (noise.shape[2], -(-noise.shape[3] // 2), -(-noise.shape[4] // 2)) if noise.ndim == 5 else None
    if grid != guidance.cast.grid:
        cast = guidance.cast
        raise InteractError(
            f"The latent has shape {list(noise.shape)}, but the cast is for {cast.width}x{cast.height} and "
            f"{cast.frames} frames: connect the LATENT of InterAct Encode Characters to the sampler."
        )
    check_start_images(noise, conds, guidance.cast)
    return guidance
