"""The alternative to masks in InterActHuman's ablation: an ID embedding binds each voice to its person.

Each identity's audio and its reference carry the same embedding, and every video token attends to all voices
at once (arXiv 2506.09984, ablation "ID embedding", Sync-D 8.627). The paper does not say where the embedding
is added. Here, each slot has one vector that is added to the voice's audio tokens and one that is added to
the reference latent. One softmax goes over the audio tokens of all voices and of silence, so that a video
token can choose by its own reference's slot.

The variant "id" is trained on from the shipped weights. The control "masks" has the same initial weights,
batches and number of steps, with masks.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...adapter import AdapterConfig
from ...host.forward.call import CallState, Voices
from ...host.forward.training_run import training_options
from ...host.keys import CALL_KEY
from .batches import Batch
from .clips import ClipGroup, SpeechBank
from .models import ADAPTER, DIT
from .train_dit import AdaptedDiT, DiTRecipe, export, sizes_in, train_loop

KEY = "interact_identity"
SLOTS = 4  # the largest number of puppets in a training clip
VARIANTS = ("id", "masks")
EMBEDDING_FILE = "identity.safetensors"
DOCUMENT = "TRAINED.md"
"""File beside a variant's weights that says how they were trained; the ablation quotes it."""


class IdentityEmbedding(nn.Module):
    """For each slot a vector for the voice and one for the reference. Slot k is the k-th character;
    characters who speak have to come before those who do not.
    """

    def __init__(self, context: int, channels: int = 16) -> None:
        super().__init__()
        self.pictures = nn.Parameter(0.3 * torch.randn(SLOTS, channels))
        self.voices = nn.Parameter(0.3 * torch.randn(SLOTS, context))

    def wrapper(
        self,
        executor: WrapperExecutor,
        x: Tensor,
        timestep: Tensor,
        context: Tensor,
        clip_fea: Tensor | None = None,
        time_dim_concat: Tensor | None = None,
        transformer_options: dict[str, Any] = {},  # noqa: B006 - core's own signature
        **kwargs: Any,
    ) -> Tensor:
        """A DIFFUSION_MODEL wrapper, to run inside the pack's own, which opens the call."""
        call: CallState | None = transformer_options.get(CALL_KEY)
        if call is not None and time_dim_concat is not None:
            embeddings = self.pictures[: time_dim_concat.shape[2]].T[None, :, :, None, None]
            time_dim_concat = time_dim_concat + embeddings.to(time_dim_concat)
        if call is not None and call.voices is not None:
            call.voices = self.joint_track(call.voices)
        return executor(x, timestep, context, clip_fea, time_dim_concat, transformer_options, **kwargs)

    def joint_track(self, voices: Voices) -> Voices:
        """One track of the audio tokens of all voices, with their embeddings, and of silence; muted rows keep
        silence alone.
        """
        tokens = voices.tokens  # [S + 1, R, T, n, context]
        embeddings = torch.cat((self.voices[: len(tokens) - 1], torch.zeros_like(self.voices[:1])))
        marked = tokens + embeddings.view(len(tokens), 1, 1, 1, -1).to(tokens)
        muted = (voices.weights[-1] == 1).all(-1).expand(tokens.shape[1])  # [R]
        tracks = torch.where(muted.view(1, -1, 1, 1, 1), tokens[-1:], marked)
        joint = tracks.permute(1, 2, 0, 3, 4).flatten(2, 3)[None]  # [1, R, T, (S + 1) n, context]
        return replace(voices, tokens=joint, weights=voices.weights.new_ones(1, 1, 1))

    def apply_to(self, model: ModelPatcher) -> ModelPatcher:
        """A clone of a MODEL with an adapter, with the embedding added inside the adapter's hooks."""
        model = model.clone()
        model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, KEY, self.wrapper)
        return model

    def save(self, path: Path) -> None:
        save_file({name: value.detach().contiguous() for name, value in self.state_dict().items()}, path)

    @classmethod
    def read(cls, path: Path) -> IdentityEmbedding:
        weights = load_file(path)
        embedding = cls(weights["voices"].shape[1], weights["pictures"].shape[1])
        embedding.load_state_dict(weights)
        return embedding.requires_grad_(False)


@dataclass(frozen=True)
class IdentityRecipe(DiTRecipe):
    """Settings of `train identity`, for both variants."""

    steps: int = 600
    rate: float = 4e-4
    warmup: int = 50
    cooldown: int = 400
    average: float = 0.99
    save_every: int = 100
    seed: int = 11


class IdentityDiT(AdaptedDiT):
    """DiT, adapter and, for the variant "id", its embedding."""

    def __init__(
        self, seed: int, variant: str, sizes: Mapping[str, int] = DIT, config: AdapterConfig = ADAPTER
    ) -> None:
        super().__init__(seed, sizes, config)
        self.identity = IdentityEmbedding(config.audio_context_width) if variant == "id" else None

    def options(self, batch: Batch) -> dict[str, Any]:
        """As AdaptedDiT's, with the embedding's wrapper."""
        if self.identity is None:
            return super().options(batch)
        options = training_options(self.adapter, uniform_weights(batch))
        options["wrappers"][WrappersMP.DIFFUSION_MODEL][KEY] = [self.identity.wrapper]
        return options


def uniform_weights(batch: Batch) -> Tensor:
    """[1, N + 1, 1]: the same share for every voice at every token, and none for the mute track."""
    tracks = batch.weights.shape[1]
    weights = batch.weights.new_full((1, tracks, 1), 1 / (tracks - 1))
    weights[:, -1] = 0.0
    return weights


def train_identity(
    recipe: IdentityRecipe,
    variant: str,
    folder: Path,
    clips: dict[int, ClipGroup],
    bank: SpeechBank,
    models: Path,
) -> Path:
    """Train one of VARIANTS, or resume; returns its models folder, folder/models/VARIANT (the ablation's
    --trained).
    """
    torch.manual_seed(recipe.seed)
    model = IdentityDiT(recipe.seed, variant, *sizes_in(models)).train()
    model.load_weights(models)
    average = train_loop(model, recipe, folder / variant, clips, bank, lambda average: None)
    return export_folder(average, folder / "models" / variant, models, training_note(recipe, clips))


def training_note(recipe: IdentityRecipe, clips: dict[int, ClipGroup]) -> str:
    """The content of DOCUMENT."""
    count = sum(len(group.latents) for group in clips.values())
    return (
        f"Both had {recipe.steps} steps of {recipe.batch} whole clips, or of more that are cut short, "
        f"out of {count} clips.\n"
    )


def export_folder(model: IdentityDiT, folder: Path, models: Path, document: str) -> Path:
    """Write a copy of the folder `models` with these weights and `document`; it gets its name when it is
    complete.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(models, partial)
    export(model, partial)
    if model.identity is not None:
        model.identity.save(partial / EMBEDDING_FILE)
    (partial / DOCUMENT).write_text(document, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    return partial.rename(folder)
