"""Broken wav2vec2 files and folders: each is refused in one sentence, or gives finite features, or the sentence that
names the encoder. A file with its configuration in the header, one of public shape without, and a folder.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import torch

from ...interact_core.errors import InteractError
from ...interact_core.host.encode.audio_encoder import load_audio_encoder
from ...interact_core.speech.from_core import SPEECH_KEY
from ...tests.support.models import tiny_wav2vec2
from .campaign import Order
from .damage import DAMAGES, Contents, with_odd_fields
from .watch import Hangs, Watch, end, fault_of_sentence, figures, watching

__all__ = ["TRIALS", "figures", "run"]

TRIALS = 300
RATE = 16000
PUBLIC = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 192,
    "conv_dim": (32,) * 7,
}
"""The shape by which a file without configuration is known, thinner."""

ODD_TEXTS = (
    "",
    "{",
    "null",
    "[]",
    "3",
    "[" * 100000,
    '{"a":' * 100000,
    "9" * 10000,
    '"' + "x" * 5_000_000 + '"',
)
ENCODER = "The audio encoder makes NaN"  # how the sentence begins that the features are checked by


class Whole:
    """The encoder in its three layouts."""

    def __init__(self, folder: Path) -> None:
        small = tiny_wav2vec2.random_wav2vec2(**tiny_wav2vec2.SMALL)
        config = json.dumps({**small.config.to_dict(), "do_normalize": True})
        self.file = Contents(tiny_wav2vec2.plain_weights(small), {"config": config})
        public = tiny_wav2vec2.older_names(
            tiny_wav2vec2.plain_weights(tiny_wav2vec2.random_wav2vec2(**PUBLIC))
        )
        self.bare = Contents(public, {})
        self.weights = Contents(self.file.weights, {})
        self.config: dict[str, Any] = json.loads(config)
        self.preprocessor = {"do_normalize": True, "sampling_rate": RATE}
        self.folder = folder

    def write(self, chance: random.Random | None) -> tuple[str, Path]:
        """A broken one; whole ones without `chance`. Returns what was done, and where it is."""
        layout = "folder" if chance is None else chance.choice(("file", "bare", "folder", "folder"))
        damage = None if chance is None else chance.choice(sorted(DAMAGES))
        if layout != "folder":
            path, contents = self.folder / "encoder.safetensors", getattr(self, layout)
            path.write_bytes(DAMAGES[damage](contents, chance) if damage else contents.packed())
            return f"{layout}: {damage}", path
        path = self.folder / "wav2vec2"
        path.mkdir(exist_ok=True)
        texts = {
            "config.json": json.dumps(self.config),
            "preprocessor_config.json": json.dumps(self.preprocessor),
        }
        packed, tried = self.weights.packed(), "whole"
        if chance is not None and damage is not None:
            name = chance.choice(("config.json", "config.json", "preprocessor_config.json", "weights"))
            if name == "weights":
                packed, tried = DAMAGES[damage](self.weights, chance), damage
            elif chance.random() < 0.3:
                texts[name], tried = chance.choice(ODD_TEXTS), f"odd text in {name}"
            else:
                fields = json.loads(texts[name])
                texts[name], tried = json.dumps(with_odd_fields(fields, chance)), f"odd fields in {name}"
        for name, text in texts.items():
            (path / name).write_text(text, encoding="utf-8")
        (path / "model.safetensors").write_bytes(packed)
        return f"folder: {tried}", path


def run(order: Order) -> None:
    whole = Whole(order.folder)
    _, path = whole.write(None)
    assert _encoded(path)[0] == FINITE  # and transformers has been imported
    for number in order.left():
        tried, path = whole.write(order.draw(number))
        ended, watch = _encoded(path)
        end(order.tally, (REFUSED, FINITE, NAMED), number, tried, ended, watch, size_of(path))


REFUSED, FINITE, NAMED = "refused in a sentence", "accepted, finite", "accepted, the sentence that names it"


def size_of(path: Path) -> int:
    """Bytes of a file or of all files of a folder."""
    files = path.iterdir() if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files)


def _encoded(path: Path) -> tuple[str, Watch]:
    """How loading and encoding half a second ended, and the watch of the loading."""
    encoder, ended = None, ""
    with watching() as watch:
        try:
            encoder = load_audio_encoder(path)
        except InteractError as error:
            ended = fault_of_sentence(str(error), path) or REFUSED
        except Hangs:
            ended = "hangs"
        except Exception as error:  # whatever it is, it is what the trial found
            ended = f"{type(error).__name__}: {str(error)[:200]}"
    if encoder is None:
        return ended, watch
    sound = torch.randn(1, 1, RATE // 2, generator=torch.Generator().manual_seed(3)) * 0.1
    try:
        speech = encoder.encode_audio(sound, RATE)[SPEECH_KEY]
    except InteractError as error:
        return NAMED if str(error).startswith(ENCODER) else f"while encoding: {error}", watch
    except Exception as error:  # as above
        return f"while encoding: {type(error).__name__}: {str(error)[:200]}", watch
    whole = bool(speech.features.isfinite().all()) and bool(speech.mute.isfinite().all())
    return (FINITE if whole else "features that are not finite"), watch
