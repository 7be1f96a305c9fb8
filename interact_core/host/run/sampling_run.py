"""The state of one sampling run, from its start to its end, however it ends."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import comfy.model_base
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...adapter.families import SpeechAdapter
from ...errors import InteractError
from ...guidance import (
    Cast,
    EarlierMasks,
    GuidanceSettings,
    MaskMemory,
    StageClock,
    blend_weights,
    guiding_masks,
)
from ...preview.record import RunRecord
from ...preview.recorder import RunRecorder
from ...sentences import Sentence
from ..forward.binding import Binding
from ..forward.call import CallState
from ..forward.finite import MaskCheck, absurd_audio_block, describe_breakdown
from ..tokens.geometry import Geometry
from ..tokens.reference_cache import CachedReferences
from .call_builder import CallBuilder, Evaluation
from .cast_view import fixed_masks, loudness_of, sounds_of
from .latent_preview import LatentPreview
from .live import MaskStream
from .notices import after_run, before_run

logger = logging.getLogger(__name__)

NO_BLOCKS = (
    "No mask was predicted, as the model's blocks were never shown to the mask heads: ComfyUI before 0.30 does not "
    "show them, so update it; if it is newer, another pack runs the blocks in its own way: take it out of the graph, "
    "or set mask_source to 'fixed' and connect layouts."
)


class SamplingRun:
    """Stage, masks and record of one sampling run; a ForwardRun, whose calls a CallBuilder builds.

    The wrappers call it in this order: `begin_evaluation`, any number of `open_call` and `close_call` (several
    conds, context windows, one thread per device), `end_evaluation`; and `end_step` after each sampler step.
    """

    def __init__(
        self,
        binding: Binding,
        cast: Cast,
        settings: GuidanceSettings,
        model_patcher: ModelPatcher,
        sigmas: Tensor,
        references: Tensor | None,
        stream: MaskStream,
        earlier: EarlierMasks | None = None,
        said: Sequence[Sentence] = (),
    ) -> None:
        """sigmas: [steps + 1], the sampler's schedule. references: [1, C, N, H, W] in the model's scale.

        stream: gets every step; the caller ends it. earlier: masks of the run that this one continues. said: what is
        to be said of the latent and its noise mask.
        """
        self._binding = binding
        self._cast = cast
        self._settings = settings
        self._patcher = model_patcher
        self._stream = stream
        self._preview = LatentPreview(model_patcher.model.latent_format)
        self._recorder = RunRecorder()
        self._memory = MaskMemory(cast.latent_frames, settings)
        # The model's OWN schedule: a node that shifts it must not move the boundary (StageClock).
        base = model_patcher.model
        own = comfy.model_base.model_sampling(base.model_config, base.model_type)
        begun = earlier is not None and earlier.stage_two
        self._clock = StageClock(settings.stage_boundary, own.percent_to_sigma, begun)
        self._earlier = earlier
        self._first_steered = -1
        self._batch = 1
        self._scheduled_steps = len(sigmas) - 1
        self._step = 0
        self._evaluation: Evaluation | None = None
        self._builder = CallBuilder(binding, cast, settings, references, self._memory)
        self._mask_checks: list[MaskCheck] = []  # of the evaluation in progress
        self._told: list[Sentence] = []
        self._adapter: SpeechAdapter | None = None  # of the latest call
        self._unasked = False  # a call wanted masks, and no block came by its mask heads
        options = model_patcher.model_options.get("transformer_options", {})
        self._tell([*said, *before_run(binding, cast, settings, options)])

    def begin_evaluation(self, sigma: float, latent: Tensor) -> None:
        """A model evaluation starts at `sigma` from `latent` [B, C, T, H, W]: set the shares that guide it."""
        if self._evaluation is None:
            self._batch = latent.shape[0]
            if self._earlier is not None:
                self._memory.start_from(self._earlier.masks, self._batch)
        stage_two = self._clock.observe(sigma, self._step)
        number = 1 if self._evaluation is None else self._evaluation.number + 1
        self._evaluation = Evaluation(number, sigma, latent, self._track_weights(stage_two))
        self._memory.begin_evaluation()
        self._mask_checks = []

    def _track_weights(self, stage_two: bool) -> Tensor | None:
        """[S + 1, B or 1, L or 1], the share of each track for each video token; None: inject nothing."""
        cast = self._cast
        masks = guiding_masks(stage_two, self._settings, self._memory.masks, cast.layouts, cast.part)
        if masks is not None and self._first_steered < 0:
            self._first_steered = self._step
        weights = blend_weights(masks, cast.speaking, self._settings)
        if weights is None:
            return None
        if any(strength != 1.0 for strength in cast.strengths):
            # Not a share any more: one character's voice is stronger or weaker, mute stays what it was.
            factors = torch.tensor([*cast.strengths, 1.0], device=weights.device)
            weights = weights * factors[:, None]
        # [S + 1, L] for the whole batch or [B, S + 1, L] for each item
        return weights.unsqueeze(1) if weights.ndim == 2 else weights.transpose(0, 1)

    def end_evaluation(self, output: Tensor) -> None:
        """Commit the masks that the evaluation predicted. Raises InteractError if they or `output` are not finite."""
        first = self._current.number == 1
        if first and self._unasked and not self._mask_checks and self._settings.mask_source != "fixed":
            raise InteractError(NO_BLOCKS)
        # One wait for the device for both, so that masks are checked without another.
        checks = [
            torch.isfinite(output).all(),
            *(check.all_finite(output.device) for check in self._mask_checks),
        ]
        whole, *masks = torch.stack(checks).tolist()
        if not whole:
            raise InteractError(self._describe_breakdown())
        if not all(masks):
            broken = self._mask_checks[masks.index(False)]
            raise InteractError(broken.describe(self._step, self._scheduled_steps))
        self._memory.commit()

    def end_step(self, predicted: Tensor | None = None) -> None:
        """The sampler reports one step done; predicted: [B, C, T, H, W], its estimate of the clean latent."""
        pictures = None if predicted is None else self._preview.pictures(predicted)
        sigma = self._sigma
        masks, pictures = self._recorder.record(self._step, sigma, self._memory.prediction, pictures)
        steered = 0 <= self._first_steered <= self._step
        missing = self._stream.step(self._step, sigma, steered, masks, pictures)
        if missing is not None:
            self._tell([missing])
        self._step += 1

    def finish(self, kept: Tensor | None = None) -> RunRecord:
        """The record of a finished run; kept: the latent of which a noise mask kept a part, if there is one."""
        if self._step == 0:  # a sampler without callbacks: record its last masks
            self._recorder.record(0, self._sigma, self._memory.prediction)
        record = self._recorder.finish(
            self._cast,
            self._settings,
            self._clock.boundary_step,
            self._step or self._scheduled_steps,
            self._stream.run,
            loudness_of(self._cast),
        )
        self._tell(
            after_run(
                self._cast,
                self._settings,
                self._first_steered >= 0,
                record.total_steps,
                self._memory.prediction,
            )
        )
        latest = None if self._memory.masks is None else self._memory.masks.float().cpu()
        return replace(
            record,
            seed=self._stream.seed,
            first_steered=self._first_steered,
            batch=self._batch,
            latest=latest,
            kept=None if kept is None else kept.float().cpu(),
            said=tuple(self._told),
            sounds=sounds_of(self._cast),
            fixed=fixed_masks(self._cast, self._settings.mask_source),
        )

    def _tell(self, sentences: list[Sentence]) -> None:
        """Say sentences in the log, and all so far under the node; without any, those of an earlier run go away."""
        for sentence in sentences:
            logger.warning("%s", sentence)
        self._told += sentences
        self._stream.say(self._told)

    def references_for(self, time_dim_concat: Tensor | None, options: dict[str, Any]) -> Tensor | None:
        return self._builder.references_for(time_dim_concat, options)

    def shorten(
        self, geometry: Geometry, options: dict[str, Any], device: torch.device
    ) -> tuple[Geometry, CachedReferences | None]:
        return self._builder.shorten(geometry, options, device, self._current)

    @property
    def cached_tokens_each(self) -> int:
        """Tokens of each reference whose keys and values stay in memory through the run."""
        return self._builder.cached_tokens_each

    @torch.compiler.disable  # see patches.py
    def open_call(
        self,
        geometry: Geometry,
        x: Tensor,
        audio: Tensor | None,
        flag: Tensor,
        options: dict[str, Any],
        cached: CachedReferences | None = None,
    ) -> CallState:
        return self._builder.open_call(self._current, geometry, x, audio, flag, options, cached)

    @torch.compiler.disable
    def close_call(self, call: CallState) -> None:
        """Add the masks that the call predicted, averaged over its mask blocks, to this evaluation's."""
        self._adapter = call.adapter
        if not call.mask_logits:
            self._unasked = self._unasked or bool(call.mask_heads or call.compared_heads)
            return
        geometry = call.geometry
        trained = call.mask_heads is call.adapter.mask_heads
        self._mask_checks.append(MaskCheck(call.mask_blocks, call.mask_logits, trained))
        masks = torch.stack([logits.sigmoid() for logits in call.mask_logits]).mean(0)  # [R, N, T*h*w]
        masks = masks.unflatten(-1, (len(geometry.frames), geometry.height, geometry.width))
        frames = geometry.frames[geometry.anchors :]
        batch = self._current.latent.shape[0]
        for rows in masks[:, :, geometry.anchors :].split(batch):  # one cond with voices each
            self._memory.add(rows, frames)

    def release(self) -> None:
        """Drop every tensor, in case something keeps a reference to the run."""
        self._builder.release()
        self._adapter = None
        self._evaluation = None
        self._mask_checks = []

    @property
    def _current(self) -> Evaluation:
        """The evaluation in progress: calls are made within one."""
        assert self._evaluation is not None, "begin_evaluation comes first"
        return self._evaluation

    @property
    def _sigma(self) -> float:
        """Noise level of the latest evaluation, infinite before the first."""
        return float("inf") if self._evaluation is None else self._evaluation.sigma

    def _describe_breakdown(self) -> str:
        audio, width = self._builder.audio_tokens, self._binding.config.model_width
        return describe_breakdown(
            step=self._step,
            total_steps=self._scheduled_steps,
            latent=self._current.latent,
            probes=self._current.probes,
            audio=audio,
            absurd=None if self._adapter is None else absurd_audio_block(self._adapter, audio, width),
            blocks=self._binding.config.model_blocks,
            half_precision=self._patcher.model.get_dtype_inference() == torch.float16,
            patched=bool(self._patcher.patches),
        )
