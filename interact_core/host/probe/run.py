"""One run whose masks are given, and what it says of the model's blocks."""

from dataclasses import dataclass
from typing import Any

from comfy.model_patcher import ModelPatcher

from ...errors import InteractError, check_connected
from ...guidance import Cast, GuidanceSettings
from ...guidance.affinity_recipe import PlaceScores
from ...metrics.regions import SHOWN
from ...sentences import Sentence, sentence
from ..encode.conditioning import Conditioning
from ..forward.query_key import QueryKeyPatch
from ..forward.s2v import is_s2v
from ..keys import ADAPTER_KEY, PROBE_KEY
from ..sampling import sample
from .judge import BlockProbe


@dataclass(frozen=True)
class Probed:
    """latent: the LATENT dict that the run made; said: what is said on the node."""

    latent: dict[str, Any]
    scores: PlaceScores
    said: tuple[Sentence, ...]


def probe_blocks(
    model: ModelPatcher,
    positive: Conditioning,
    negative: Conditioning,
    latent: dict[str, Any],
    cast: Cast,
    seed: int,
    steps: int,
    cfg: float,
    sampler: str,
    scheduler: str,
    denoise: float = 1.0,
) -> Probed:
    """Sample `latent` with the cast's layouts as fixed masks, and score every place of the model against them.

    Looked at are the hidden features of every block and, but in S2V, the queries and keys of each attention head
    without RoPE, at up to four noise levels. The run itself is that of `sample` with mask_source "fixed". Raises
    InteractError as `sample` does, for a cast without masks, and where nothing would be or was seen.
    """
    check_connected(model=model, cast=cast)
    heads = not is_s2v(model)
    scored = _scored(cast, first_left_out=cast.regions is not None and heads)
    if denoise == 0:
        raise InteractError("denoise is 0, so no step is made and no block is seen: set it to 1.")
    settings = GuidanceSettings(mask_source="fixed")
    probe = BlockProbe(cast, scored, settings.affinity_temperature, heads)
    probed = model.clone()
    probed.model_options["transformer_options"][PROBE_KEY] = probe
    if heads:
        probed.set_model_attn1_patch(QueryKeyPatch())
    result, record = sample(
        probed, positive, negative, latent, cast, settings, seed=seed, steps=steps, cfg=cfg, audio_cfg=None,
        sampler=sampler, scheduler=scheduler, denoise=denoise,
    )  # fmt: skip
    scores = probe.scores()
    if scores is None:
        raise InteractError(
            "No block of the model was seen, so nothing can be said of them: ComfyUI before 0.30 does not show them, "
            "and a node that caches or replaces the model's passes hides them: update, or take that node out."
        )
    binding = model.model_options["transformer_options"][ADAPTER_KEY]
    said = _said(cast, scored, scores, settings, binding.config.model_blocks, heads)
    if denoise == 1 and cast.regions is None:
        said.append(sentence("probe_from_noise"))
    return Probed(result, scores, (*record.said, *said))


def _scored(cast: Cast, first_left_out: bool) -> list[int]:
    """The characters whose masks show something. Raises InteractError where there is nothing to compare with."""
    if cast.layouts is None:
        raise InteractError(
            "No character has a layout mask or is a region of a start image, so it is not known where anybody is: "
            "connect layout on each InterAct Character, drawn or found by another model."
        )
    if first_left_out and cast.latent_frames == 1:
        raise InteractError(
            "The video is one frame long, whose own regions are what others are compared with: set length to 5 or more."
        )
    layouts = cast.layouts[:, 1:] if first_left_out else cast.layouts
    scored = [number for number, one in enumerate(layouts) if bool((one >= SHOWN).any())]
    if not scored:
        raise InteractError(
            "The layout masks fill no token of 16x16 pixels, so it is not known where anybody is: paint whole persons."
        )
    return scored


def _said(
    cast: Cast,
    scored: list[int],
    scores: PlaceScores,
    settings: GuidanceSettings,
    blocks: int,
    heads: bool,
) -> list[Sentence]:
    usual, best = settings.recipe(blocks).places[0], scores.best
    said = [
        sentence("probe_best", place=str(best), iou=f"{scores.mean(best):.2f}"),
        sentence("probe_usual", place=str(usual), iou=f"{scores.mean(usual):.2f}"),
        sentence(
            "probe_scored",
            places=len(scores.scores),
            levels=tuple(f"{level:.2f}" for level in scores.levels),
            names=tuple(cast.names[number] for number in scored),
        ),
    ]
    left_out = tuple(name for number, name in enumerate(cast.names) if number not in scored)
    if left_out:
        said.append(sentence("probe_left_out", names=left_out))
    still = tuple(one.name for one in cast.characters if one.region is not None and one.layout is None)
    if still:
        said.append(sentence("probe_still", names=still))
    if not heads:
        said.append(sentence("probe_hidden_only"))
    return said
