"""Training of the theatre's small wav2vec2, whose hidden states encode loudness and the energy of frequency
bands.

Public wav2vec2 models learn far more, by masked prediction on thousands of hours. Puppets only need loudness,
so the target is the spectrum itself: from every hidden state a linear readout predicts loudness and band
energies of the normalised waveform. The readouts are discarded; the audio features are ordinary wav2vec2
hidden states.
"""

from __future__ import annotations

import itertools
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..voices import RATE, training_recordings

log = logging.getLogger(__name__)
BANDS = 8


@dataclass(frozen=True)
class SpeechRecipe:
    """Settings of `train speech`; `--set NAME=VALUE` changes them."""

    steps: int = 1000
    batch: int = 8
    seconds: float = 2.0
    recordings: int = 240
    rate: float = 1e-3
    seed: int = 0


def build_wav2vec2() -> nn.Module:
    """A wav2vec2 of 0.33M parameters: width 96, 3 layers, the convolution strides of the public models."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    return Wav2Vec2Model(
        Wav2Vec2Config(
            hidden_size=96,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=192,
            conv_dim=(64,) * 7,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
            mask_time_prob=0.0,
            layerdrop=0.0,
            hidden_dropout=0.0,
            attention_dropout=0.0,
            activation_dropout=0.0,
            feat_proj_dropout=0.0,
            final_dropout=0.0,
        )
    )


def spectrum_targets(waves: Tensor, count: int) -> Tensor:
    """waves [B, samples], normalised -> [B, count, 1 + BANDS]: log loudness and log band energies around each
    state (one in 20 ms).
    """
    window = 640
    spectrum = (
        torch.stft(waves, window, 320, window=torch.hann_window(window), return_complex=True)
        .abs()
        .transpose(1, 2)
    )
    edges = np.unique(np.round(np.geomspace(4, spectrum.shape[-1], BANDS + 1)).astype(int))
    bands = torch.stack([spectrum[..., a:b].pow(2).mean(-1).sqrt() for a, b in itertools.pairwise(edges)], -1)
    whole = spectrum.pow(2).mean(-1, keepdim=True).sqrt()
    return torch.log1p(torch.cat([whole, bands], -1) * 0.2)[:, 1 : count + 1]


def train_speech(recipe: SpeechRecipe, folder: Path) -> nn.Module:
    """Train and write `folder` as transformers reads it (config.json, model.safetensors,
    preprocessor_config.json).
    """
    from transformers import Wav2Vec2FeatureExtractor

    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    recordings = training_recordings(rng, recipe.recordings)
    model = build_wav2vec2().train()
    states = model.config.num_hidden_layers + 1
    readout = nn.ModuleList(nn.Linear(model.config.hidden_size, 1 + BANDS) for _ in range(states))
    parameters = [*model.parameters(), *readout.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=recipe.rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, recipe.steps, pct_start=0.05)
    length, began = int(recipe.seconds * RATE), time.monotonic()
    for step in range(recipe.steps):
        waves = torch.from_numpy(np.stack([_excerpt(rng, recordings, length) for _ in range(recipe.batch)]))
        hidden = model(waves, output_hidden_states=True).hidden_states
        target = spectrum_targets(waves, hidden[0].shape[1])
        loss = (
            sum(F.mse_loss(read(h)[:, : target.shape[1]], target) for read, h in zip(readout, hidden))
            / states
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            log.info(
                "speech step %d/%d  %.0f s  loss %.4f (variance of targets %.3f)",
                step + 1,
                recipe.steps,
                time.monotonic() - began,
                loss.item(),
                target.var().item(),
            )
    model.eval().save_pretrained(folder, safe_serialization=True)
    Wav2Vec2FeatureExtractor(do_normalize=True, sampling_rate=RATE).save_pretrained(folder)
    return model


def _excerpt(rng: np.random.Generator, recordings: list[np.ndarray], length: int) -> np.ndarray:
    """[length] samples of a random recording, perhaps with silence before or after, normalised as the feature
    extractor does.
    """
    wave = recordings[int(rng.integers(len(recordings)))]
    wave = np.pad(wave, (int(rng.integers(0, RATE // 2)), length))
    start = int(rng.integers(0, max(1, len(wave) - 2 * length + 1)))
    cut = wave[start : start + length]
    return ((cut - cut.mean()) / np.sqrt(cut.var() + 1e-7)).astype(np.float32)
