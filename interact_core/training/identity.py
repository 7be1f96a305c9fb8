"""The paper's other way to tie a voice to its person, to compare masks with: an ID embedding, and no mask.

Each identity's audio carries an embedding that its reference carries too, and every video token hears all
voices at once (method.md, "ID embedding", Sync-D 8.627). The paper does not say where the embedding goes in.
Here: one vector a slot added to the voice's audio tokens, one added to the reference's latent, and one softmax
over the tokens of all voices and of silence, so that a token can choose by what its own picture's slot says.

The variant is trained from the weights that there are. Beside it goes a control: the same weights and batches, the
same number of further steps, with masks as ever.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..adapter import read_adapter
from ..host.call import CALL_KEY, CallState, Voices
from ..host.differentiable import differentiable_host
from ..host.hooks import training_options
from .batches import Batch, BatchRecipe, make_batch
from .checkpoint import load_checkpoint, save_checkpoint
from .clips import ClipGroup, SpeechBank
from .curves import Curves
from .losses import focal_mask_loss, velocity_loss
from .models import ADAPTER, export_adapter, export_dit
from .optimisers import optimisers, rate_at
from .train_dit import SHORT, Puppeteer, fuse_blocks

log = logging.getLogger(__name__)
KEY = "interact_identity"
SLOTS = 4  # as many puppets as the theatre trains on
VARIANTS = ("id", "masks")
DIT_FILE = Path("diffusion_models", "theatre_wan.safetensors")
ADAPTER_FILE = Path("interact", "theatre_adapter.safetensors")
EMBEDDING_FILE = "identity.safetensors"


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
            call.voices = self.all_at_once(call.voices)
        return executor(x, timestep, context, clip_fea, time_dim_concat, transformer_options, **kwargs)

    def all_at_once(self, voices: Voices) -> Voices:
        """One track of the tokens of all voices, marked, and of silence; rows that hear silence alone go on so."""
        tokens = voices.tokens  # [S + 1, R, T, n, context]
        marks = torch.cat((self.voices[: len(tokens) - 1], torch.zeros_like(self.voices[:1])))
        marked = tokens + marks.view(len(tokens), 1, 1, 1, -1).to(tokens)
        muted = (voices.weights[-1] == 1).all(-1).expand(tokens.shape[1])  # [R]
        heard = torch.where(muted.view(1, -1, 1, 1, 1), tokens[-1:], marked)
        joint = heard.permute(1, 2, 0, 3, 4).flatten(2, 3)[None]  # [1, R, T, (S + 1) n, context]
        return replace(voices, tokens=joint, weights=voices.weights.new_ones(1, 1, 1))

    def put_on(self, model: ModelPatcher) -> ModelPatcher:
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
class IdentityRecipe:
    """What `train identity` can be told; both variants follow it."""

    steps: int = 600
    batch: int = 8
    rate: float = 4e-4
    warmup: int = 50
    cooldown: int = 400
    average: float = 0.99
    short: float = 0.6  # as DiTRecipe
    fused: bool = True
    save_every: int = 100
    seed: int = 11
    mix: BatchRecipe = field(default_factory=BatchRecipe)


class IdentityPuppeteer(Puppeteer):
    """Base model, adapter and, for the variant "id", its embedding."""

    def __init__(self, seed: int, variant: str) -> None:
        super().__init__(seed)
        self.identity = IdentityEmbedding(ADAPTER.audio_context_width) if variant == "id" else None

    def forward(self, noisy: Tensor, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """As Puppeteer's, the embedding's hook among the others."""
        if self.identity is None:
            return super().forward(noisy, batch)
        options = training_options(self.adapter, everybody(batch))
        options["wrappers"][WrappersMP.DIFFUSION_MODEL][KEY] = [self.identity.wrapper]
        null_text = noisy.new_zeros(len(noisy), 1, 4096)
        with differentiable_host():
            velocity = self.dit(
                noisy,
                batch.t * 1000,
                null_text,
                time_dim_concat=batch.references,
                transformer_options=options,
                interact_audio=batch.audio,
                interact_flag=batch.flag,
            )
        return velocity, options["interact_call"].mask_logits


def everybody(batch: Batch) -> Tensor:
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
    rng = np.random.default_rng(recipe.seed)
    puppeteer = IdentityPuppeteer(recipe.seed, variant).train()
    puppeteer.dit.load_state_dict(load_file(models / DIT_FILE))
    puppeteer.adapter.load_state_dict(read_adapter(models / ADAPTER_FILE)[1])
    average = torch.optim.swa_utils.AveragedModel(
        puppeteer, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average)
    )
    turned = optimisers(puppeteer, recipe.rate)
    parts = {"puppeteer": puppeteer, "average": average, **turned}
    checkpoint = folder / f"{variant}.pt"
    first = load_checkpoint(checkpoint, parts, rng)
    if recipe.fused:
        fuse_blocks(puppeteer.dit)
    curves = Curves(folder / f"{variant}.csv", ("velocity", "mask", "seconds"), first)
    draw = batches(recipe, rng, clips, bank)
    for step in range(first, recipe.steps):
        began = time.monotonic()
        rate = rate_at(step, recipe.steps, recipe.rate, recipe.warmup, recipe.cooldown)
        for group in (group for optimiser in turned.values() for group in optimiser.param_groups):
            group["lr"] = rate
        flow, mask = losses(puppeteer, draw())
        puppeteer.zero_grad(set_to_none=True)
        (flow + mask).backward()
        nn.utils.clip_grad_norm_([p for p in puppeteer.parameters() if p.requires_grad], 1.0)
        for optimiser in turned.values():
            optimiser.step()
        average.update_parameters(puppeteer)
        curves.add(step, flow.item(), mask.item(), time.monotonic() - began)
        if step % 50 == 49:
            log.info("identity %s step %d/%d  %s", variant, step + 1, recipe.steps, curves.recent(50))
        if (step + 1) % recipe.save_every == 0 or step + 1 == recipe.steps:
            save_checkpoint(checkpoint, parts, rng, step + 1)
    return export(average.module, folder / "models" / variant, models)


def batches(
    recipe: IdentityRecipe, rng: np.random.Generator, clips: dict[int, ClipGroup], bank: SpeechBank
) -> Callable[[], Batch]:
    """The same draws for both variants: nothing else takes from `rng`."""
    numbers, sizes = list(clips), np.array([len(group.latents) for group in clips.values()], float)

    def draw() -> Batch:
        puppets, short = int(rng.choice(numbers, p=sizes / sizes.sum())), rng.random() < recipe.short
        batch = make_batch(rng, clips[puppets], bank, recipe.batch * (2 if short else 1), recipe.mix)
        return batch.beginning(SHORT) if short else batch

    return draw


def losses(puppeteer: Puppeteer, batch: Batch) -> tuple[Tensor, Tensor]:
    """Of the velocity and of the masks, as train_dit's; the heads go on learning in both variants."""
    noise, t = torch.randn_like(batch.clean), batch.t.view(-1, 1, 1, 1, 1)
    with torch.autocast("cpu", torch.bfloat16):
        velocity, logits = puppeteer((1 - t) * batch.clean + t * noise, batch)
    flow = velocity_loss(velocity.float(), batch.clean, noise, batch.emphasis)
    if not batch.shown.any():
        return flow, flow.new_zeros(())
    masks = batch.masks[batch.shown]
    return flow, sum(focal_mask_loss(logit[batch.shown].float(), masks) for logit in logits) / len(logits)


def export(puppeteer: IdentityPuppeteer, folder: Path, models: Path) -> Path:
    """A models folder with everything in it; it appears whole."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(models, partial)
    export_dit(puppeteer.dit, partial / DIT_FILE)
    export_adapter(puppeteer.adapter, partial / ADAPTER_FILE)
    if puppeteer.identity is not None:
        puppeteer.identity.save(partial / EMBEDDING_FILE)
    shutil.rmtree(folder, ignore_errors=True)
    return partial.rename(folder)
