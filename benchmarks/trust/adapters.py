"""Broken adapter files: each is refused in one sentence before sampling, or gives finite output, or the sentence of
the finite check. Of three kinds: the pack's own, the same in float8 with scales, and MultiTalk's.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch

from ...interact_core.errors import InteractError
from ...interact_core.guidance import GuidanceSettings
from ...interact_core.host.apply import apply_guidance
from ...interact_core.host.loading import apply_adapter, load_adapter
from ...tests.support.models import tiny_multitalk, tiny_wan
from .campaign import Order
from .damage import DAMAGES, Contents
from .watch import Hangs, Watch, end, fault_of_sentence, figures, watching

__all__ = ["TRIALS", "figures", "run"]

TRIALS = 1000
STOPPED = "Sampling stopped: "  # how the sentences of the finite check begin


@dataclass(frozen=True)
class Whole:
    """An adapter that works, and what it works on."""

    contents: Contents
    base: object  # ModelPatcher
    settings: GuidanceSettings
    audio: tuple[int, int]  # layers and channels


def whole_adapters(folder: Path) -> dict[str, Whole]:
    """One of each kind with its base; folder: for the bases' files."""
    own = tiny_wan.random_adapter()
    small = Contents(own.state_dict(), own.config.to_metadata())
    for name in ("narrow", "wide"):
        (folder / name).mkdir(parents=True)
    base, audio = tiny_wan.load_tiny(folder / "narrow"), (tiny_wan.LAYERS, tiny_wan.CHANNELS)
    steering = GuidanceSettings(stage_boundary=0.0)
    shape = {"width": tiny_multitalk.WIDTH, "blocks": tiny_multitalk.BLOCKS}
    wide = tiny_wan.load_tiny(folder / "wide", **shape)
    other = Contents(tiny_multitalk.core_patch().state_dict(), {})
    likeness = GuidanceSettings(stage_boundary=0.0, mask_source="affinity")
    return {
        "InterAct": Whole(small, base, steering, audio),
        "float8": Whole(in_float8(small), base, steering, audio),
        "MultiTalk": Whole(other, wide, likeness, (13, tiny_multitalk.CHANNELS)),
    }


def in_float8(contents: Contents) -> Contents:
    """The same with every matrix in float8 and a scale beside it, as ComfyUI's quantised files have it."""
    weights = {}
    for key, weight in contents.weights.items():
        if weight.ndim != 2:
            weights[key] = weight
            continue
        scale = weight.abs().max() / 448
        weights[key] = (weight / scale).to(torch.float8_e4m3fn)
        weights[f"{key.removesuffix('.weight')}.scale_weight"] = scale
    return Contents(weights, contents.metadata)


def sampled(whole: Whole, path: Path) -> bool:
    """Whether two steps with the file's adapter give finite latents."""
    model = apply_adapter(whole.base, load_adapter(path))
    cast = tiny_wan.make_cast()
    guided, _ = apply_guidance(model, cast, whole.settings)
    tracks = torch.randn(3, 4 * tiny_wan.FRAMES - 3, *whole.audio, generator=torch.Generator().manual_seed(2))
    conds = tiny_wan.conditioning.attach_cast(
        tiny_wan.text(3), tiny_wan.text(4), cast, tiny_wan.references(cast), tracks
    )
    latent = tiny_wan.core_sample(guided, *conds, tiny_wan.empty_latent(cast), steps=2)
    return bool(latent.isfinite().all())


def broken(kind: str, whole: Whole, chance: random.Random, path: Path) -> str:
    """Write a broken file of this kind; returns what was done to it."""
    damage = chance.choice(sorted(DAMAGES))
    path.write_bytes(DAMAGES[damage](whole.contents, chance))
    return f"{kind}: {damage}"


def run(order: Order) -> None:
    wholes = whole_adapters(order.folder / "bases")
    path = order.folder / "adapter.safetensors"
    for kind, whole in wholes.items():  # what is whole works, or nothing below says anything
        path.write_bytes(whole.contents.packed())
        assert sampled(whole, path), kind
    for number in order.left():
        chance = order.draw(number)
        kind = chance.choice(sorted(wholes))
        tried = broken(kind, wholes[kind], chance, path)
        ended, watch = _ended(wholes[kind], path)
        end(order.tally, OUTCOMES, number, tried, ended, watch, path.stat().st_size)


REFUSED, FINITE, BREAKDOWN = (
    "refused in a sentence",
    "accepted, finite",
    "accepted, the finite check's sentence",
)
OUTCOMES = (REFUSED, FINITE, BREAKDOWN)


def _ended(whole: Whole, path: Path) -> tuple[str, Watch]:
    """One of OUTCOMES or what went wrong, and the watch of the loading alone."""
    with watching() as watch:
        try:
            load_adapter(path)
        except InteractError as error:
            return fault_of_sentence(str(error), path) or REFUSED, watch
        except Hangs:
            return "hangs", watch
        except Exception as error:  # whatever it is, it is what the trial found
            return f"{type(error).__name__}: {str(error)[:200]}", watch
    try:
        return (FINITE if sampled(whole, path) else "latents that are not finite"), watch
    except InteractError as error:
        return (BREAKDOWN if str(error).startswith(STOPPED) else _late(error)), watch
    except Exception as error:  # as above
        return f"while sampling: {type(error).__name__}: {str(error)[:200]}", watch


def _late(error: InteractError) -> str:
    """A refusal by the base or the cast is one before sampling, too."""
    return REFUSED if "\n" not in str(error) else f"is not one line: {str(error)[:200]!r}"
