"""What the artist is told of a run that works, but not as its settings and its cast suggest: a sentence each."""

from typing import Any

from torch import Tensor

from ...guidance import Cast, GuidanceSettings
from ..forward.binding import Binding
from ..tokens.sequence import can_weight_attention

FPS_TOLERANCE = 0.1  # 23.976 is 24
OWNED = 0.5  # share of a token from which it is somebody's


def before_run(
    binding: Binding, cast: Cast, settings: GuidanceSettings, options: dict[str, Any]
) -> list[str]:
    """What is known before the first step. options: the MODEL's transformer_options."""
    said = []
    if abs(binding.config.fps - cast.fps) > FPS_TOLERANCE:
        said.append(
            f"The adapter was trained at {binding.config.fps:g} frames per second, but the video has {cast.fps:g}: "
            "mouths may lag."
        )
    if binding.strength == 0 and any(cast.speaking):
        said.append(
            "The strength of the adapter is 0, so no voice moves a mouth: raise it on InterAct Apply Adapter."
        )
    drawn = [character.name for character in cast.characters if character.layout is not None]
    followed = settings.mask_source == "fixed" or (
        cast.regions is not None and settings.mask_source == "affinity"
    )
    if drawn and not followed:
        said.append(
            f"The layout of {_listed(drawn)} is not used, because mask_source is '{settings.mask_source}': set it to "
            "'fixed' to follow layouts."
        )
    pruned = settings.reference_tokens == "person" and cast.references > 0
    if pruned and not can_weight_attention(options):
        said.append(
            "reference_tokens is 'person', but another node replaces the model's attention: whole pictures are used."
        )
    return said


def after_run(
    cast: Cast, settings: GuidanceSettings, steered: bool, steps: int, predicted: Tensor | None
) -> list[str]:
    """What the run has shown.

    steered: whether masks steered any of the `steps`; predicted: [N, T, h, w] in 0..1, the latest masks before
    mask_gain, None if nothing was predicted.
    """
    source = settings.mask_source
    if source == "none" or not any(cast.speaking):
        return []
    if not steered:
        boundary, audio = f"stage_boundary is {settings.stage_boundary:g}", settings.stage_one_audio
        return [
            f"No masks steered any of the {steps} steps: {boundary}, and before it the audio is '{audio}'."
        ]
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
    reason = "no layout" if source == "fixed" else "an empty mask"
    return [
        f"{_listed(empty)} had {reason}, so no mouth followed that voice: look at the masks in InterAct Preview Masks."
    ]


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
