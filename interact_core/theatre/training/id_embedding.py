"""The paper's other way to tie a voice to its person, to compare masks with: an ID embedding, and no mask.

Each identity's audio carries an embedding that its reference carries too, and every video token hears all
voices at once (method.md, "ID embedding", Sync-D 8.627). The paper does not say where the embedding goes in.
Here: one vector a slot added to the voice's audio tokens, one added to the reference's latent, and one softmax
over the tokens of all voices and of silence, so that a token can choose by what its own picture's slot says.

The variant is trained from the weights that there are. Beside it goes a control: the same weights and batches, the
same number of further steps, with masks as ever.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...host.forward.call import CALL_KEY, CallState, Voices
from ...host.forward.hooks import training_options
from .batches import Batch
from .clips import ClipGroup, SpeechBank
from .models import ADAPTER
from .train_dit import DiTRecipe, TheatreModel, export, fit

KEY = "interact_identity"
SLOTS = 4  # as many puppets as the theatre trains on
VARIANTS = ("id", "masks")
EMBEDDING_FILE = "identity.safetensors"
DOCUMENT = "TRAINED.md"
"""Beside a variant's weights: how long they were trained, for the bench's tables to say so."""


class IdentityEmbedding(nn.Module):
    """A vector for each slot in both places; slot k is the k-th character, who has to speak if a later one does."""

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
        """DIFFUSION_MODEL, behind the pack's own, which has opened the call."""
        call: CallState | None = transformer_options.get(CALL_KEY)
        if call is not None and time_dim_concat is not None:
            marks = self.pictures[: time_dim_concat.shape[2]].T[None, :, :, None, None]
            time_dim_concat = time_dim_concat + marks.to(time_dim_concat)
        if call is not None and call.voices is not None:
            call.voices = self.joint_track(call.voices)
        return executor(x, timestep, context, clip_fea, time_dim_concat, transformer_options, **kwargs)

    def joint_track(self, voices: Voices) -> Voices:
        """One track of the tokens of all voices, marked, and of silence; rows that hear silence alone go on so."""
        tokens = voices.tokens  # [S + 1, R, T, n, context]
        marks = torch.cat((self.voices[: len(tokens) - 1], torch.zeros_like(self.voices[:1])))
        marked = tokens + marks.view(len(tokens), 1, 1, 1, -1).to(tokens)
        muted = (voices.weights[-1] == 1).all(-1).expand(tokens.shape[1])  # [R]
        heard = torch.where(muted.view(1, -1, 1, 1, 1), tokens[-1:], marked)
        joint = heard.permute(1, 2, 0, 3, 4).flatten(2, 3)[None]  # [1, R, T, (S + 1) n, context]
        return replace(voices, tokens=joint, weights=voices.weights.new_ones(1, 1, 1))

    def apply_to(self, model: ModelPatcher) -> ModelPatcher:
        """A clone of a MODEL that carries an adapter, with the embedding behind the adapter's hooks."""
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
    """What `train identity` can be told; both variants follow it."""

    steps: int = 600
    rate: float = 4e-4
    warmup: int = 50
    cooldown: int = 400
    average: float = 0.99
    save_every: int = 100
    seed: int = 11


class IdentityModel(TheatreModel):
    """Base model, adapter and, for the variant "id", its embedding."""

    def __init__(self, seed: int, variant: str) -> None:
        super().__init__(seed)
        self.identity = IdentityEmbedding(ADAPTER.audio_context_width) if variant == "id" else None

    def options(self, batch: Batch) -> dict[str, Any]:
        """As TheatreModel's, the embedding's hook among the others."""
        if self.identity is None:
            return super().options(batch)
        options = training_options(self.adapter, uniform_weights(batch))
        options["wrappers"][WrappersMP.DIFFUSION_MODEL][KEY] = [self.identity.wrapper]
        return options


def uniform_weights(batch: Batch) -> Tensor:
    """[1, N + 1, 1]: all voices, wherever; which the token hears is not a mask's to say."""
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
    """Train one of VARIANTS, or go on; returns its models folder, folder/models/VARIANT, for the bench's --trained."""
    torch.manual_seed(recipe.seed)
    puppeteer = IdentityModel(recipe.seed, variant).train()
    puppeteer.load_weights(models)
    average = fit(puppeteer, recipe, folder / variant, clips, bank, lambda average: None)
    return export_folder(average, folder / "models" / variant, models, in_words(recipe, clips))


def in_words(recipe: IdentityRecipe, clips: dict[int, ClipGroup]) -> str:
    count = sum(len(group.latents) for group in clips.values())
    return (
        f"Both had {recipe.steps} steps of {recipe.batch} whole clips, or of more that are cut short, out of {count} "
        "clips.\n"
    )


def export_folder(puppeteer: IdentityModel, folder: Path, models: Path, document: str) -> Path:
    """A models folder with everything in it, and what `document` says of it; it appears whole."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(models, partial)
    export(puppeteer, partial)
    if puppeteer.identity is not None:
        puppeteer.identity.save(partial / EMBEDDING_FILE)
    (partial / DOCUMENT).write_text(document, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    return partial.rename(folder)
