"""What the artist is told of a run that works, but not as its settings and its cast suggest."""

from typing import Any

from torch import Tensor

from ...guidance import Cast, GuidanceSettings
from ...sentences import Sentence, sentence
from ..forward.binding import Binding
from ..tokens.sequence import can_weight_attention

FPS_TOLERANCE = 0.1  # 23.976 is 24
OWNED = 0.5  # share of a token from which it is somebody's


def before_run(
    binding: Binding,
    cast: Cast,
    settings: GuidanceSettings,
    options: dict[str, Any],
) -> list[Sentence]:
    """What is known before the first step. options: the MODEL's transformer_options."""
    said = []
    if abs(binding.config.fps - cast.fps) > FPS_TOLERANCE:
        said.append(sentence("run_fps", adapter=f"{binding.config.fps:g}", video=f"{cast.fps:g}"))
    if binding.strength == 0 and any(cast.speaking):
        said.append(sentence("run_strength"))
    # (Nobody drew the layouts that InterAct People makes: they say where people begin.)
    drawn = [one.name for one in cast.characters if one.layout is not None and one.seen is None]
    followed = settings.mask_source == "fixed" or (
        cast.regions is not None and settings.mask_source == "affinity"
    )
    if drawn and not followed:
        said.append(sentence("run_layout_unused", names=drawn, source=settings.mask_source))
    pruned = settings.reference_tokens == "person" and cast.references > 0
    if pruned and not can_weight_attention(options):
        said.append(sentence("run_whole_pictures"))
    return said


def after_run(
    cast: Cast, settings: GuidanceSettings, steered: bool, steps: int, predicted: Tensor | None
) -> list[Sentence]:
    """What the run has shown.

    steered: whether masks steered any of the `steps`; predicted: [N, T, h, w] in 0..1, the latest masks before
    mask_gain, None if nothing was predicted.
    """
    source = settings.mask_source
    if source == "none" or not any(cast.speaking):
        return []
    if not steered:
        boundary = f"{settings.stage_boundary:g}"
        return [sentence("run_unsteered", count=steps, boundary=boundary, audio=settings.stage_one_audio)]
    masks = cast.layouts if source == "fixed" else predicted
    if masks is None:
        return []
    strongest = settings.sharpen(masks).flatten(1).amax(1).tolist()
    empty = [
        character.name
        for character, share in zip(cast.characters, strongest, strict=True)
        if share < OWNED and character.speech is not None
    ]
    if not empty:
        return []
    key = "run_no_layout" if source == "fixed" else "run_empty_mask"
    return [sentence(key, count=len(empty), names=empty)]
