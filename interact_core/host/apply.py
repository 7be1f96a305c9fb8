"""Mask guidance on a MODEL, for InterAct's own sampler and for core's."""

from typing import Any

from comfy.model_patcher import ModelPatcher

from ..errors import InteractError, check_connected
from ..guidance import Cast, GuidanceSettings, MaskHistory, earlier_masks, guiding_masks
from ..guidance.affinity_recipe import read_recipe
from ..preview.record import RunRecord
from ..speech.from_core import layers_and_channels
from ..speech.whisper import WHISPER_GROUPS
from .forward.binding import Binding
from .forward.query_key import QueryKeyPatch
from .forward.s2v import is_s2v
from .keys import ADAPTER_KEY, GUIDANCE_KEY
from .loading import check_references, check_start_image
from .run.guests import check_one_voice_path
from .run.live import MaskStream, OpenStream
from .run.motion_frames import keep_known_frames_clean
from .run.wrappers import Guidance, MaskHandle


def apply_guidance(
    model: ModelPatcher,
    cast: Cast,
    settings: GuidanceSettings,
    open_stream: OpenStream = MaskStream,
    masks: MaskHistory | None = None,
) -> tuple[ModelPatcher, MaskHandle]:
    """A clone of `model` whose runs are guided for `cast`, and the handle from which their masks are collected.

    open_stream: makes each run's live view, by default one that sends nothing (see live.Origin). masks: of the run
    that this one continues on the same video, for a schedule split between two samplers; where they steered, or would
    have in its next step, they steer from this run's first step on. Raises InteractError if the model has no adapter
    or cannot take references, if masks are to be predicted by an adapter without mask heads, if fixed masks are asked
    for and no layout is drawn, if the model is guided already, or if `masks` are of another video.
    """
    check_connected(model=model, cast=cast)
    binding = model.model_options["transformer_options"].get(ADAPTER_KEY)
    if binding is None:
        raise InteractError(
            "The MODEL has no InterAct adapter: load it with InterAct Load DiT, or put InterAct Apply Adapter "
            "after your own loader."
        )
    if GUIDANCE_KEY in model.model_options["transformer_options"]:
        raise InteractError(
            "The MODEL has mask guidance already, from InterAct Mask Guidance, and one MODEL has only one: connect the "
            "MODEL that goes into that node. InterAct Sampler guides by itself."
        )
    check_one_voice_path(model.model_options)
    if cast.references:
        check_references(model)
    else:
        check_start_image(model)
        if settings.mask_source == "predicted":
            raise InteractError(
                "The characters are regions of the start image, which mask heads were not trained on: set "
                'mask_source to "affinity", which tracks each person from the start image, or to "fixed" if nobody '
                "moves."
            )
    if settings.mask_source == "predicted" and not binding.mask_heads:
        raise InteractError(
            "This adapter has no mask head (MultiTalk, InfiniteTalk and HuMo have none), so it cannot predict "
            'masks: set mask_source to "affinity", which compares the video with the reference pictures, or to '
            '"fixed", with a layout mask on each character.'
        )
    blocks = binding.config.model_blocks
    attention = _check_recipe(model, settings, blocks)
    if settings.affinity_block >= blocks:
        raise InteractError(
            f"affinity_block is {settings.affinity_block}, but the model has {blocks} blocks, 0 to {blocks - 1}: "
            "choose one of them, or -1."
        )
    _check_speech(cast, binding)
    guiding_masks(False, settings, None, cast.layouts)  # raises for "fixed" without layouts
    handle = MaskHandle()
    clone = model.clone()
    clone.model_options["transformer_options"][GUIDANCE_KEY] = Guidance(
        cast, settings, handle, open_stream, None if masks is None else earlier_masks(masks, cast)
    )
    if attention and (settings.mask_source == "affinity" or cast.regions is not None):
        clone.set_model_attn1_patch(QueryKeyPatch())
    if cast.part is not None and cast.part.clean and cast.part.known:
        keep_known_frames_clean(clone, cast.part.known_latents)
    return clone, handle


def _check_recipe(model: ModelPatcher, settings: GuidanceSettings, blocks: int) -> bool:
    """Whether the recipe compares queries and keys. Raises InteractError for places that the model does not have."""
    recipe = read_recipe(settings.affinity_recipe)
    if recipe is None:
        return False
    wan: Any = model.get_model_object("diffusion_model")
    for place in recipe.places:
        if place.block >= blocks or (place.head or 0) >= wan.num_heads:
            raise InteractError(
                f"affinity_recipe asks for block {place.block}{'' if place.head is None else f', head {place.head}'}, "
                f"but the model has {blocks} blocks of {wan.num_heads} heads, counted from 0: it was made for another "
                "model. Leave it empty, or use one for this model."
            )
    if not recipe.attention_places:
        return False
    if is_s2v(model):
        raise InteractError(
            "affinity_recipe asks for queries and keys (query_key), which are not compared in Wan2.2 S2V: leave it "
            "empty, or use a recipe of hidden features."
        )
    if settings.reference_tokens != "all" or settings.reference_interval != 1:
        raise InteractError(
            "affinity_recipe asks for queries and keys (query_key), which need the whole reference pictures in every "
            "step: set reference_tokens to all and reference_interval to 1, or use a recipe of hidden features."
        )
    return True


def _check_speech(cast: Cast, binding: Binding) -> None:
    """Raise InteractError for a voice that was encoded by another kind of audio encoder than the adapter needs.

    Decided by the shapes, without converting what core's nodes encoded.
    """
    config = binding.config
    expected = (config.audio_layers, config.audio_width)
    for character in cast.characters:
        found = None if character.speech is None else layers_and_channels(character.speech)
        if found is not None and found != expected:
            used = "whisper" if found[0] == WHISPER_GROUPS else "wav2vec2"
            raise InteractError(
                f"The speech of {character.name!r} was encoded by a {used} ({found[0]} layers of {found[1]} "
                f"channels), but the adapter ({config.kind}) needs {expected[0]} layers of {expected[1]}: load "
                f"{config.encoder} and encode every voice with it."
            )


def collect(handle: MaskHandle) -> RunRecord:
    """The masks of the guided MODEL's last finished run. Raises InteractError if there was none."""
    check_connected(mask_handle=handle)
    if handle.history is None:
        raise InteractError(
            "No run has finished with this mask guidance yet: connect the LATENT of the sampler that uses "
            "its MODEL, so that the masks are collected after sampling."
        )
    return handle.history
