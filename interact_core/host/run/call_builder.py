"""Builds the state of each call of the diffusion model within a sampling run."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ...adapter import SpeechAdapter
from ...adapter.affinity import LikenessHead
from ...adapter.families import LayersByBlock
from ...errors import InteractError
from ...guidance import Cast, GuidanceSettings, MaskMemory
from ...guidance.affinity_recipe import HIDDEN, AffinityRecipe
from ..forward.attention import adapter_attention
from ..forward.binding import Binding
from ..forward.call import AudioRole, CallState, Voices, mute_weights, row_index
from ..forward.finite import FiniteProbe
from ..forward.null_audio import NullTrack
from ..forward.voice_tracks import VoiceTracks
from ..tokens.geometry import Geometry
from ..tokens.likeness import likeness_of, shows_examples
from ..tokens.reference_cache import CachedReferences, ReferenceCache
from ..tokens.sequence import can_weight_attention

REPEATED = "repeated"
"""Beside the uuids of conds that are evaluated once more in one evaluation (Evaluation.first_pass)."""


@dataclass
class Evaluation:
    """One evaluation of the model, which may take several calls (conds, context windows, devices).

    number: counted from 1 within the run; sigma: its noise level; latent: [B, C, T, H, W], its input;
    weights: [S + 1, B or 1, L or 1], the share of each track for each video token, mute last; None: inject nothing.
    probes: of its calls.
    predicted: which conds have predicted masks for which frames (`first_pass`).
    """

    number: int
    sigma: float
    latent: Tensor
    weights: Tensor | None
    probes: list[FiniteProbe] = field(default_factory=list)
    predicted: set[tuple[object, tuple[int, ...]]] = field(default_factory=set)

    def first_pass(self, uuid: object, frames: tuple[int, ...]) -> bool:
        """Whether these frames of the cond are evaluated for the first time.

        Nodes such as SkipLayerGuidanceDiT and PerturbedAttentionGuidance evaluate the positive once more, with blocks
        or attention taken out (comfy_extras/nodes_slg.py, nodes_pag.py), after the plain pass of the same evaluation.
        Masks of such a pass are worse on purpose. uuid: None where ComfyUI gives conds none.
        """
        key = (uuid, frames)
        if uuid is not None and key in self.predicted:
            return False
        self.predicted.add(key)
        return True


class CallBuilder:
    """Builds the calls of one run, and holds what stays the same in all of them.

    Several calls may be built at once, one thread per device.
    """

    def __init__(
        self,
        binding: Binding,
        cast: Cast,
        settings: GuidanceSettings,
        references: Tensor | None,
        memory: MaskMemory,
    ) -> None:
        """references: [1, C, N, H, W] in the model's scale; memory: gets drawn regions where no head predicts masks."""
        self._binding = binding
        self._cast = cast
        self._settings = settings
        self._references = references
        self._memory = memory
        self._roles: dict[object, AudioRole] = {}  # by cond uuid
        self._tokens: dict[tuple[object, torch.device, torch.dtype], Tensor] = {}  # [S + 1, 1, T, n, context]
        self._positions: dict[tuple[int, torch.device], tuple[Tensor, Tensor]] = {}  # by frames in a call
        self._affinity: LikenessHead | None = None
        self._reference_cache = ReferenceCache(cast, settings)
        self._lock = threading.Lock()

    def references_for(self, time_dim_concat: Tensor | None, options: dict[str, Any]) -> Tensor | None:
        """The references of one call, [B, C, N, H, W].

        A context window slices every cond whose frame axis is as long as the video
        (comfy/context_windows.py, slice_cond): as many references as latent frames would be sliced like the
        video.
        """
        window = options.get("context_window")
        if window is None or time_dim_concat is None or self._references is None:
            return time_dim_concat
        if self._references.shape[2] != window.total_frames:
            return time_dim_concat
        return self._references.to(time_dim_concat).expand(time_dim_concat.shape[0], -1, -1, -1, -1)

    def shorten(
        self, geometry: Geometry, options: dict[str, Any], device: torch.device, evaluation: Evaluation
    ) -> tuple[Geometry, CachedReferences | None]:
        """Geometry and cache of a call whose blocks take a shorter sequence: ReferenceCache.of_call."""
        proportional = can_weight_attention(options)
        uuids = options.get("uuids")
        with self._lock:
            repeated = any((uuid, geometry.frames) in evaluation.predicted for uuid in uuids or ())
        if uuids is not None and repeated:
            uuids = [*uuids, REPEATED]  # what a degraded pass stores is its own
        return self._reference_cache.of_call(geometry, uuids, device, evaluation.number, proportional)

    @property
    def cached_tokens_each(self) -> int:
        """Tokens of each reference whose keys and values stay in memory through the run."""
        return self._reference_cache.tokens_each(self._cast.grid[1] * self._cast.grid[2])

    @property
    def audio_tokens(self) -> Sequence[Tensor]:
        """Every cond's projected audio, of the whole video."""
        return list(self._tokens.values())

    def open_call(
        self,
        evaluation: Evaluation,
        geometry: Geometry,
        x: Tensor,
        audio: Tensor | None,
        flag: Tensor,
        options: dict[str, Any],
        cached: CachedReferences | None,
    ) -> CallState:
        """As ForwardRun.open_call."""
        tracks = None if audio is None else VoiceTracks.unpack(audio)
        self._check_call(geometry, tracks)
        uuids = options.get("uuids") or [None] * x.shape[0]
        each = x.shape[0] // len(uuids)
        roles = [self._role(uuid, flag, number * each) for number, uuid in enumerate(uuids)]
        with self._lock:
            plain = [evaluation.first_pass(uuid, geometry.frames) for uuid in uuids]
        predicts = [role is AudioRole.VOICES and first for role, first in zip(roles, plain, strict=True)]
        predicting = [row for row in range(x.shape[0]) if predicts[row // each]]
        heads = self._mask_heads(geometry, evaluation.latent.shape[0]) if predicting else {}
        compares = bool(predicting) and self._affinity is not None and shows_examples(self._cast, geometry)
        adapter = self._binding.adapter_in(options)
        shares = [self._share(role, evaluation.weights, tracks, geometry, x) for role in roles]
        null = self._null_track(adapter, geometry, x)
        probe = FiniteProbe(self._binding.config.model_blocks)
        with self._lock:
            evaluation.probes.append(probe)
        return CallState(
            geometry=geometry,
            positions=self._positions_of(geometry, x.device),
            adapter=adapter,
            attention=adapter_attention(x.device),
            voices=self._voices(adapter, shares, geometry, x, tracks, uuids, null),
            mask_heads=heads,
            mask_rows=row_index(predicting, x.shape[0], x.device),
            cached=cached,
            likeness=self._affinity if compares else None,
            compared_heads=self._compared_heads if compares else {},
            probe=probe,
            unvoiced=None if null is None else _unvoiced(null, shares, geometry, x),
        )

    def release(self) -> None:
        """Drop every tensor, in case something keeps a reference to the run."""
        self._tokens.clear()
        self._positions.clear()
        self._reference_cache.release()
        self._references = self._affinity = None

    def _mask_heads(self, geometry: Geometry, batch: int) -> LayersByBlock:
        """The mask heads by block number. With fixed masks or none, their predictions are only displayed.

        Regions are tracked from the first latent frame, and in a window without it they stay where they were drawn;
        where they are those of a picture that follows the video (S2V), every window sees it.
        """
        settings, binding = self._settings, self._binding
        if self._cast.regions is None and settings.mask_source != "affinity":
            return binding.mask_heads
        if not shows_examples(self._cast, geometry):
            assert self._cast.layouts is not None, "assemble_cast makes layouts of the regions"
            drawn = self._cast.layouts[:, list(geometry.frames)]
            self._memory.add(drawn.expand(batch, *drawn.shape), geometry.frames)
            return {}
        if self._affinity is None:
            temperature = self._recipe.temperature or settings.affinity_temperature
            self._affinity = likeness_of(self._cast, geometry, temperature)
        return {str(one.block): self._affinity for one in self._recipe.places if one.features == HIDDEN}

    @cached_property
    def _recipe(self) -> AffinityRecipe:
        return self._settings.recipe(self._binding.config.model_blocks)

    @cached_property
    def _compared_heads(self) -> dict[int, list[int | None]]:
        """Attention heads by block, whose queries and keys are compared."""
        found: dict[int, list[int | None]] = {}
        for place in self._recipe.attention_places:
            found.setdefault(place.block, []).append(place.head)
        return found

    def _check_call(self, geometry: Geometry, tracks: VoiceTracks | None) -> None:
        if geometry.references != self._cast.references:
            raise InteractError(
                f"The conditioning has {geometry.references} reference pictures, but the cast has "
                f"{self._cast.references} characters with a picture: connect positive, negative and cast "
                "from the same InterAct Encode Characters or InterAct Next Part node."
            )
        if tracks is None:
            return
        config, count = self._binding.config, sum(self._cast.speaking) + 1
        frames = config.temporal_stride * (self._cast.latent_frames - 1) + 1
        if (tracks.count, tracks.frames) != (count, frames):
            raise InteractError(
                f"The conditioning has {tracks.count - 1} voices over {tracks.frames} frames, but the cast has "
                f"{count - 1} over {frames}: connect positive, negative and cast from the same "
                "InterAct Encode Characters or InterAct Next Part node."
            )
        layers, channels = tracks.features.shape[3:]
        if (layers, channels) != (config.audio_layers, config.audio_width):
            raise InteractError(
                f"The speech was encoded into {layers} layers of {channels} channels, but the "
                f"adapter was trained on {config.audio_layers} of {config.audio_width}: load {config.encoder} "
                "and encode every voice with it."
            )

    def _role(self, uuid: object, flag: Tensor, row: int) -> AudioRole:
        """Which audio a cond gets; copied from the device once per cond and run."""
        if uuid is None:
            return AudioRole.of(float(flag[row, 0]))
        if uuid not in self._roles:
            self._roles[uuid] = AudioRole.of(float(flag[row, 0]))
        return self._roles[uuid]

    def _voices(
        self,
        adapter: SpeechAdapter,
        shares: Sequence[Tensor | None],
        geometry: Geometry,
        x: Tensor,
        tracks: VoiceTracks | None,
        uuids: Sequence[object],
        null: NullTrack | None,
    ) -> Voices | None:
        """The audio of the conds that hear any; all rows of a cond get the same. shares: one for each cond."""
        strength = self._binding.strength
        each = x.shape[0] // len(uuids)
        # Without it the shares add up to 1: nothing is left for the null track then.
        changed = strength != 1.0 or any(one != 1.0 for one in self._cast.strengths)
        parts: list[tuple[Tensor, Tensor]] = []
        for number, (uuid, own) in enumerate(zip(uuids, shares, strict=True)):
            if own is None or tracks is None:
                continue
            share, first = own, number * each
            audio = self._audio_tokens(adapter, uuid, tracks.rows(slice(first, first + 1)), geometry)
            if null is not None and (changed or null.references):
                audio, share = null.behind(audio, share, strength)
            parts.append((audio.expand(-1, each, -1, -1, -1), share.expand(-1, each, -1)))
        if not parts:
            return None
        length = max(share.shape[-1] for _, share in parts)
        rows = _rows_of([share is not None for share in shares], each)
        return Voices(
            tokens=torch.cat([audio for audio, _ in parts], dim=1),
            weights=torch.cat([share.expand(-1, -1, length) for _, share in parts], dim=1),
            rows=row_index(rows, x.shape[0], x.device),
            strength=strength if null is None else 1.0,  # it is in the shares of a null track
        )

    def _share(
        self,
        role: AudioRole,
        weights: Tensor | None,
        tracks: VoiceTracks | None,
        geometry: Geometry,
        x: Tensor,
    ) -> Tensor | None:
        """Of a cond: `_shares`, or None where it hears nothing for another reason."""
        if tracks is None or self._binding.strength == 0.0:
            return None
        return _shares(role, weights, geometry, x.device)

    def _null_track(self, adapter: SpeechAdapter, geometry: Geometry, x: Tensor) -> NullTrack | None:
        """For a base model that always gets audio; made in every call, as it is one frame of zeros."""
        if not adapter.config.null_features:
            return None
        return NullTrack.of(adapter, x, geometry.references, geometry.frame_tokens)

    def _audio_tokens(
        self, adapter: SpeechAdapter, uuid: object, tracks: VoiceTracks, geometry: Geometry
    ) -> Tensor:
        """Tracks of one row -> tokens [S + 1, 1, T, n, context] of this call's frames.

        The projector runs once per cond and device: its input does not change during a run.
        """
        key = (uuid, tracks.features.device, tracks.features.dtype)
        tokens = self._tokens.get(key) if uuid is not None else None
        if tokens is None:
            tokens = tracks.project(adapter)
            if uuid is not None:
                self._tokens[key] = tokens
        return tokens if geometry.whole_video else tokens[:, :, list(geometry.frames)]

    def _positions_of(self, geometry: Geometry, device: torch.device) -> tuple[Tensor, Tensor]:
        """Made once per window length, as copying them to a device waits for the device."""
        key = (len(geometry.frames), device)
        if key not in self._positions:
            self._positions[key] = geometry.positions(device)
        return self._positions[key]


def _rows_of(conds: Sequence[bool], each: int) -> list[int]:
    """The rows of the chosen conds, `each` rows of a cond."""
    return [
        row
        for number, chosen in enumerate(conds)
        if chosen
        for row in range(number * each, (number + 1) * each)
    ]


def _unvoiced(
    null: NullTrack, shares: Sequence[Tensor | None], geometry: Geometry, x: Tensor
) -> Voices | None:
    """The null track alone, for the rows whose conds hear nothing else."""
    rows = _rows_of([share is None for share in shares], x.shape[0] // len(shares))
    if not rows:
        return None
    tokens, share = null.alone(len(geometry.frames))
    tokens = tokens.expand(-1, len(rows), -1, -1, -1)
    return Voices(tokens, share, row_index(rows, x.shape[0], x.device), strength=1.0)


def _shares(
    role: AudioRole, weights: Tensor | None, geometry: Geometry, device: torch.device
) -> Tensor | None:
    """[S + 1, b or 1, T*h*w or 1] for a cond of this role in this call; None: inject nothing."""
    if role is AudioRole.NONE or weights is None:
        return None
    if role is AudioRole.MUTE:
        return mute_weights(weights.shape[0], device)
    if weights.shape[-1] > 1 and not geometry.whole_video:
        frames = weights.unflatten(-1, (geometry.total_frames, geometry.frame_tokens))
        return frames[:, :, list(geometry.frames)].flatten(2).to(device)
    return weights.to(device)
