"""The state of one sampling run. It is made when sampling starts and gone when it ends, however it ends."""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import comfy.model_base
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...adapter import SpeechAdapter
from ...adapter.affinity import AffinityHead, RegionHead, foreground_of
from ...errors import InteractError
from ...guidance import (
    Cast,
    GuidanceSettings,
    MaskHistory,
    MaskMemory,
    StageClock,
    blend_weights,
    guiding_masks,
)
from ...guidance.history import masks_steer
from ...speech.from_core import SPEECH_KEY
from ...speech.peaks import peaks_on_timeline
from ..forward.attention import adapter_attention
from ..forward.binding import Binding
from ..forward.call import AudioRole, CallState, MaskHead, Voices, mute_weights, project_tracks, row_index
from ..forward.finite import FiniteProbe, describe_breakdown
from ..forward.null_audio import NullTrack
from ..tokens.layout import Geometry
from ..tokens.reference_cache import ReferenceView, SeenReferences
from ..tokens.sequence import can_weigh
from .latent_preview import LatentColours
from .live import MaskStream

logger = logging.getLogger(__name__)

FPS_TOLERANCE = 0.1  # 23.976 is 24


class InteractRun:
    """Masks, stage and caches of one sampling run.

    The wrappers of hooks.py call it in this order: `begin_evaluation`, any number of `open_call` and
    `close_call` (several conds, context windows, one thread per device), `end_evaluation`; and `end_step`
    after each sampler step.
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
    ) -> None:
        """sigmas: [steps + 1], the sampler's schedule. references: [1, C, N, H, W] as the model sees them.

        stream: told of every step; the caller ends it.
        """
        self._binding = binding
        self._cast = cast
        self._settings = settings
        self._patcher = model_patcher
        self._references = references
        self._stream = stream
        self._colours = LatentColours(model_patcher.model.latent_format)
        self._memory = MaskMemory(cast.latent_frames, settings)
        config = binding.config
        if abs(config.fps - cast.fps) > FPS_TOLERANCE:
            logger.warning(
                "The adapter was trained at %g frames per second but the video has %g: mouths may lag.",
                config.fps,
                cast.fps,
            )
        # The model's OWN schedule: a node that shifts it must not move the boundary (method.md, "a place").
        base = model_patcher.model
        own = comfy.model_base.model_sampling(base.model_config, base.model_type)
        self._clock = StageClock(settings.boundary, own.percent_to_sigma)
        self._scheduled_steps = len(sigmas) - 1
        self._step = 0
        self._sigma = float("inf")
        # Of the evaluation under way: shares [S + 1, B or 1, L or 1] (None: inject nothing), and its start.
        self._weights: Tensor | None = None
        self._latent: Tensor | None = None
        self._probes: list[FiniteProbe] = []
        self._roles: dict[object, AudioRole] = {}  # by cond uuid
        self._tokens: dict[tuple[object, torch.device, torch.dtype], Tensor] = {}  # [S + 1, 1, T, n, context]
        self._positions: dict[tuple[int, torch.device], tuple[Tensor, Tensor]] = {}  # by frames in a call
        self._affinity: AffinityHead | RegionHead | None = None
        self._view = ReferenceView(cast, settings)
        self._evaluation = 0
        self._lock = threading.Lock()

    def begin_evaluation(self, sigma: float, latent: Tensor) -> None:
        """A model evaluation starts at `sigma` from `latent` [B, C, T, H, W]: fix what it is guided by."""
        self._sigma, self._latent = sigma, latent
        self._evaluation += 1
        self._probes = []
        stage_two = self._clock.observe(sigma, self._step)
        cast = self._cast
        masks = guiding_masks(stage_two, self._settings, self._memory.masks, cast.layouts, cast.part)
        weights = blend_weights(masks, cast.speaking, self._settings)
        if weights is not None and any(strength != 1.0 for strength in self._cast.strengths):
            # Not a share any more: a character's voice alone is heard more or less, mute stays what it was.
            factors = torch.tensor([*self._cast.strengths, 1.0], device=weights.device)
            weights = weights * factors[:, None]
        if weights is not None:  # [S + 1, L] for the whole batch or [B, S + 1, L] for each item
            weights = weights.unsqueeze(1) if weights.ndim == 2 else weights.transpose(0, 1)
        self._weights = weights
        self._memory.begin_evaluation()

    def end_evaluation(self, output: Tensor) -> None:
        """Commit the masks that the evaluation predicted. Raises InteractError if `output` is not finite."""
        if not bool(torch.isfinite(output).all()):
            raise InteractError(self._describe_breakdown())
        self._memory.commit()

    def end_step(self, predicted: Tensor | None = None) -> None:
        """The sampler reports one step done; predicted: [B, C, T, H, W], the clean latent as it expects it."""
        pictures = None if predicted is None else self._colours.pictures(predicted)
        masks, pictures = self._memory.record(self._step, self._sigma, pictures)
        source = self._settings.mask_source
        steered = masks_steer(self._step, self._clock.boundary_step, source, self._cast.carried(source))
        self._stream.step(self._step, self._sigma, steered, masks, pictures)
        self._step += 1

    def finish(self) -> MaskHistory:
        """The history of a run that has come to its end."""
        if self._step == 0:  # a sampler without callbacks: keep what there is
            self._memory.record(0, self._sigma)
        return self._memory.history(
            self._cast,
            self._clock.boundary_step,
            self._step or self._scheduled_steps,
            self._stream.run,
            _loudness(self._cast),
        )

    def references_for(self, time_dim_concat: Tensor | None, options: dict[str, Any]) -> Tensor | None:
        """The references of one call, [B, C, N, H, W].

        A context window slices every cond whose frame axis is as long as the video
        (comfy/context_windows.py, slice_cond): as many references as latent frames would be taken for the
        video.
        """
        window = options.get("context_window")
        if window is None or time_dim_concat is None or self._references is None:
            return time_dim_concat
        if self._references.shape[2] != window.total_frames:
            return time_dim_concat
        return self._references.to(time_dim_concat).expand(time_dim_concat.shape[0], -1, -1, -1, -1)

    def view(
        self, geometry: Geometry, options: dict[str, Any], device: torch.device
    ) -> tuple[Geometry, SeenReferences | None]:
        """What a call whose blocks can do with fewer tokens sees of the references: ReferenceView.of_call."""
        return self._view.of_call(
            geometry, options.get("uuids"), device, self._evaluation, weigh=can_weigh(options)
        )

    @property
    def recalled_each(self) -> int:
        """Tokens of each reference whose keys and values stay in memory through the run."""
        return self._view.recalled_each(self._cast.grid[1] * self._cast.grid[2])

    @torch.compiler.disable  # see patches.py
    def open_call(
        self,
        geometry: Geometry,
        x: Tensor,
        audio: Tensor | None,
        flag: Tensor,
        options: dict[str, Any],
        seen: SeenReferences | None = None,
    ) -> CallState:
        """State for one call on x [B, C, T, H, W], whose rows are the conds of options["uuids"], b rows each.

        audio: [B, S + 1, F + 1, L, C] or None (nobody speaks); flag: [B, 1], an AudioRole value per row; seen: of `view`.
        """
        self._check_call(geometry, audio)
        uuids = options.get("uuids") or [None] * x.shape[0]
        each = x.shape[0] // len(uuids)
        roles = [self._role(uuid, flag, number * each) for number, uuid in enumerate(uuids)]
        listening = [row for row in range(x.shape[0]) if roles[row // each] is AudioRole.VOICES]
        adapter = self._binding.adapter_in(options)
        voices = self._voices(adapter, geometry, x, audio, uuids, roles)
        probe = FiniteProbe(self._binding.config.model_blocks)
        with self._lock:
            self._probes.append(probe)
        return CallState(
            geometry=geometry,
            positions=self._positions_of(geometry, x.device),
            adapter=adapter,
            attention=adapter_attention(x.device),
            voices=voices,
            mask_heads=self._mask_heads(geometry) if listening else {},
            mask_rows=row_index(listening, x.shape[0], x.device),
            seen=seen,
            probe=probe,
        )

    @torch.compiler.disable
    def close_call(self, call: CallState) -> None:
        """Add the masks that the call predicted, averaged over its mask blocks, to this evaluation's."""
        if not call.mask_logits:
            return
        geometry = call.geometry
        masks = torch.stack([logits.sigmoid() for logits in call.mask_logits]).mean(0)  # [R, N, T*h*w]
        masks = masks.unflatten(-1, (len(geometry.frames), geometry.height, geometry.width))
        frames = geometry.frames[geometry.anchors :]
        batch = self._latent.shape[0]
        for part in masks[:, :, geometry.anchors :].split(batch):  # one part per cond that hears the voices
            self._memory.add(part, frames)

    def release(self) -> None:
        """Let go of every tensor, for the case that something keeps the run."""
        self._tokens.clear()
        self._positions.clear()
        self._view.release()
        self._probes = []
        self._weights = self._latent = self._references = self._affinity = None

    def _mask_heads(self, geometry: Geometry) -> Mapping[str, MaskHead]:
        """What finds the characters, by block number. With fixed masks or none heads only show what they see.

        Regions are followed from the first latent frame; in a window that lacks it they are where they were
        drawn.
        """
        settings, binding = self._settings, self._binding
        if self._cast.regions is None and settings.mask_source != "affinity":
            return binding.mask_heads
        if self._cast.regions is not None and geometry.frames[0] != 0:
            drawn = self._cast.layouts[:, list(geometry.frames)]
            self._memory.add(drawn.expand(self._latent.shape[0], *drawn.shape), geometry.frames)
            return {}
        if self._affinity is None:
            temperature = settings.affinity_temperature
            if self._cast.regions is None:
                self._affinity = AffinityHead(foreground_of(self._references), temperature)
            else:
                self._affinity = RegionHead(self._cast.regions, temperature)
        block = settings.affinity_block
        return {str(binding.config.model_blocks // 2 if block < 0 else block): self._affinity}

    def _check_call(self, geometry: Geometry, audio: Tensor | None) -> None:
        if geometry.references != self._cast.references:
            raise InteractError(
                f"The conditioning shows {geometry.references} reference pictures but the cast has "
                f"{self._cast.references} characters with one: use the conditioning and the cast of one and the "
                "same node."
            )
        if audio is None:
            return
        config, tracks = self._binding.config, sum(self._cast.speaking) + 1
        frames = config.temporal_stride * (self._cast.latent_frames - 1) + 1
        if audio.shape[1] != tracks or audio.shape[2] != frames + 1:
            raise InteractError(
                f"The conditioning carries {audio.shape[1] - 1} voices over {audio.shape[2] - 1} frames but "
                f"the cast has {tracks - 1} over {frames}: use the conditioning and the cast of one and the "
                "same node."
            )
        if tuple(audio.shape[3:]) != (config.audio_layers, config.audio_width):
            raise InteractError(
                f"The speech was encoded into {audio.shape[3]} layers of {audio.shape[4]} channels but the "
                f"adapter was trained on {config.audio_layers} of {config.audio_width}: load {config.encoder}."
            )

    def _role(self, uuid: object, flag: Tensor, row: int) -> AudioRole:
        """What a cond hears; read off the device once per cond and run."""
        if uuid is None:
            return AudioRole.of(float(flag[row, 0]))
        if uuid not in self._roles:
            self._roles[uuid] = AudioRole.of(float(flag[row, 0]))
        return self._roles[uuid]

    def _voices(
        self,
        adapter: SpeechAdapter,
        geometry: Geometry,
        x: Tensor,
        audio: Tensor | None,
        uuids: Sequence[object],
        roles: Sequence[AudioRole],
    ) -> Voices | None:
        """The audio of the conds that hear any; all rows of a cond hear the same."""
        strength = self._binding.strength * self._settings.audio_strength
        each = x.shape[0] // len(uuids)
        null = self._null_track(adapter, geometry, x)
        tokens, weights, hearing = [], [], []
        for number, (uuid, role) in enumerate(zip(uuids, roles)):
            share = None if audio is None else self._shares(role, geometry, x.device)
            first = number * each
            if share is None or strength == 0.0:
                if null is None:
                    continue
                heard, share = null.alone(1 if audio is None else audio.shape[1], len(geometry.frames))
            else:
                heard = self._audio_tokens(adapter, uuid, audio[first : first + 1], geometry)
                if null is not None:
                    heard, share = null.behind(heard, share, strength)
            tokens.append(heard.expand(-1, each, -1, -1, -1))
            weights.append(share.expand(-1, each, -1))
            hearing.extend(range(first, first + each))
        if not hearing:
            return None
        length = max(share.shape[-1] for share in weights)
        return Voices(
            tokens=torch.cat(tokens, dim=1),
            weights=torch.cat([share.expand(-1, -1, length) for share in weights], dim=1),
            rows=row_index(hearing, x.shape[0], x.device),
            strength=strength if null is None else 1.0,  # null tracks hold it in their shares
        )

    def _shares(self, role: AudioRole, geometry: Geometry, device: torch.device) -> Tensor | None:
        """[S + 1, b or 1, T*h*w or 1] for a cond of this role in this call; None: inject nothing."""
        if role is AudioRole.NONE or self._weights is None:
            return None
        if role is AudioRole.MUTE:
            return mute_weights(self._weights.shape[0], device)
        weights = self._weights
        if weights.shape[-1] > 1 and not geometry.whole_video:
            frames = weights.unflatten(-1, (geometry.total_frames, geometry.frame_tokens))
            weights = frames[:, :, list(geometry.frames)].flatten(2)
        return weights.to(device)

    def _null_track(self, adapter: SpeechAdapter, geometry: Geometry, x: Tensor) -> NullTrack | None:
        """For a base that always hears something; made in every call, as it is one frame of zeros."""
        if not adapter.config.null_features:
            return None
        return NullTrack.of(adapter, x, geometry.references, geometry.frame_tokens)

    def _audio_tokens(
        self, adapter: SpeechAdapter, uuid: object, audio: Tensor, geometry: Geometry
    ) -> Tensor:
        """audio [1, S + 1, F + 1, L, C], whole -> tokens [S + 1, 1, T, n, context] of this call's frames.

        The projector runs once per cond and device: its input does not change during a run.
        """
        key = (uuid, audio.device, audio.dtype)
        tokens = self._tokens.get(key) if uuid is not None else None
        if tokens is None:
            tokens = project_tracks(adapter, audio)
            if uuid is not None:
                self._tokens[key] = tokens
        return tokens if geometry.whole_video else tokens[:, :, list(geometry.frames)]

    def _positions_of(self, geometry: Geometry, device: torch.device) -> tuple[Tensor, Tensor]:
        """Made once per length of window, as copying them to a device waits for it."""
        key = (len(geometry.frames), device)
        if key not in self._positions:
            self._positions[key] = geometry.positions(device)
        return self._positions[key]

    def _describe_breakdown(self) -> str:
        return describe_breakdown(
            step=self._step,
            total_steps=self._scheduled_steps,
            latent=self._latent,
            probes=self._probes,
            audio=list(self._tokens.values()),
            blocks=self._binding.config.model_blocks,
            half_precision=self._patcher.model.get_dtype_inference() == torch.float16,
            patched=bool(self._patcher.patches),
        )


def _loudness(cast: Cast) -> tuple[Tensor | None, ...]:
    """MaskHistory.voices. Core's own audio encoder does not pass the sound on: None for its speech too."""
    speeches = [(character.speech or {}).get(SPEECH_KEY) for character in cast.characters]
    return tuple(
        None if speech is None else peaks_on_timeline(speech, cast.frames, cast.fps) for speech in speeches
    )
