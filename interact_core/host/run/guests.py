"""What other nodes leave on a MODEL or in CONDITIONING, where it works against a cast: refused before a run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import InteractError
from ..keys import PICTURES_COND, POSITIVE, SIDE_COND

Cond = dict[str, Any]
Conds = Mapping[str, Sequence[Cond]]
"""A guider's conditioning by its own names, "positive", "negative" and others (comfy/samplers.py, CFGGuider)."""


def check_one_voice_path(model_options: dict[str, Any]) -> None:
    """Raise InteractError if core's WanInfiniteTalkToVideo has patched the MODEL: every voice would be added twice."""
    options = model_options.get("transformer_options", {})
    if "audio_embeds" in options or any(_adds_voices(patch) for patch in _patches(options)):
        raise InteractError(
            "This MODEL gets its voices from WanInfiniteTalkToVideo already, and InterAct Apply Adapter would add "
            "every voice a second time: connect the MODEL that goes into WanInfiniteTalkToVideo to the node behind it, "
            "and load the InfiniteTalk file with InterAct Apply Adapter. positive and negative of "
            "WanInfiniteTalkToVideo may stay connected."
        )


def check_conditioning(conds: Conds, guider: Any, humo: bool) -> None:
    """Raise InteractError where the wrong conditioning of ours, or one that another node has added to, is sampled.

    conds: the guider's, at least one of them with a cast; humo: whether the base model is HuMo.
    """
    _check_places(conds, _leaves_negative_out(guider))
    for cond in (cond for entries in conds.values() for cond in entries):
        if cond.get(SIDE_COND) == POSITIVE and _pictures_replaced(cond):
            raise InteractError(
                "Behind InterAct Encode Characters, WanPhantomSubjectToVideo or a similar node replaced the pictures "
                "of the characters by its own: connect positive and negative of InterAct Encode Characters to the "
                "sampler directly, and give each of those pictures to an InterAct Character."
            )
        if "audio_embed" in cond and "control_video" in cond:
            raise InteractError(
                "Besides the characters, the conditioning carries audio of WanSoundImageToVideo: disconnect its "
                "audio_encoder_output, and connect its positive and negative to InterAct Encode Characters."
            )
        if "audio_embed" in cond or (humo and "reference_latents" in cond):
            raise InteractError(
                "Besides the characters, the conditioning carries a picture and audio of WanHuMoImageToVideo or a "
                "similar node: connect the text encoder to InterAct Encode Characters, its positive and negative to "
                "the sampler directly, and that picture to an InterAct Character."
            )


def _check_places(conds: Conds, without_negative: bool) -> None:
    """Voices belong into the positive; in the negative, cfg would take them away again."""
    voiced = {
        name for name, entries in conds.items() if any(cond.get(SIDE_COND) == POSITIVE for cond in entries)
    }
    opposed = {name for name in voiced if "negative" in name}
    if not any(SIDE_COND in cond for entries in conds.values() for cond in entries):
        return  # made by a program, not by our node
    if not voiced:
        raise InteractError(
            "The positive of the sampler carries no voices and no masks: connect positive of InterAct Encode "
            "Characters (or InterAct Next Part) to it, not negative."
        )
    if opposed == voiced:
        raise InteractError(
            "positive and negative are swapped: the voices are in the negative of the sampler, so it would steer away "
            "from them. Connect positive and negative of InterAct Encode Characters to the inputs of the same names."
        )
    if opposed and not without_negative:
        raise InteractError(
            "The negative of the sampler carries the voices too, as when ConditioningZeroOut makes it from the "
            "positive of InterAct Encode Characters, so that cfg would strengthen neither voices nor likeness: connect "
            "negative of InterAct Encode Characters. ConditioningZeroOut belongs before that node's negative input."
        )


def _pictures_replaced(cond: Cond) -> bool:
    """Whether the reference pictures of an entry are other ones than those of its cast.

    Asked of the positive: in the negative they may be blanked on purpose.
    """
    ours, present = cond.get(PICTURES_COND), cond.get("time_dim_concat")
    if ours is None or present is ours:
        return False
    return present is None or present.shape != ours.shape or not bool((present == ours.to(present)).all())


def _leaves_negative_out(guider: Any) -> bool:
    """Whether core's guiders leave the negative out, as they do at a scale of 1 (comfy/samplers.py)."""
    scale = getattr(guider, "cfg2", getattr(guider, "cfg", 0.0))  # cfg2: core's DualCFGGuider
    return scale == 1.0 and not guider.model_options.get("disable_cfg1_optimization", False)


def _patches(options: dict[str, Any]) -> Iterator[object]:
    for patches in options.get("patches", {}).values():
        yield from patches


def _adds_voices(patch: object) -> bool:
    """Whether a patch adds the audio of MultiTalk or InfiniteTalk (comfy/ldm/wan/model_multitalk.py)."""
    return type(patch).__name__.startswith("MultiTalkCrossAttn")
