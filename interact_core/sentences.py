"""What nodes say of themselves: every sentence there is, in English, with places for its values.

A sentence keeps its key and its values, so that the browser can say it in the language of the graph
(web/node_text.js; locales/LANGUAGE/main.json). Each is said whole: none is put together from pieces, as another
language orders them differently. Where a number decides the form, "one" and "other" are told apart by `count`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

Template = str | Mapping[str, str]

SENTENCES: Mapping[str, Template] = MappingProxyType(
    {
        # the loaders: kinds of adapter, and what was found
        "kind_interact": "InterAct adapter",
        "kind_multitalk": "MultiTalk or InfiniteTalk file",
        "kind_humo": "HuMo, with the audio layers of the base model",
        "kind_s2v": "Wan2.2 S2V, with the audio layers of the base model",
        "encoder_interact": "the wav2vec2 that it was trained with",
        "encoder_multitalk": "a wav2vec2-base (MultiTalk and InfiniteTalk were trained with chinese-wav2vec2-base)",
        "encoder_humo": "whisper-large-v3, with ComfyUI's Load Audio Encoder",
        "encoder_s2v": "wav2vec2-large (S2V was trained with wav2vec2-large-xlsr-53-english)",
        "adapter": "{kind}. Blocks: {blocks}, width: {width}, {fps} fps, blocks with a mask head: {heads}.",
        "adapter_without_heads": "{kind}. Blocks: {blocks}, width: {width}, {fps} fps, no mask head: set mask_source "
        "to 'affinity' or 'fixed'.",
        "adapter_encoder": "Audio encoder: {encoder}.",
        "adapter_replaces": "It replaces the adapter that the MODEL had ({kind}): only one is used.",
        # InterAct Encode Speech
        "speech_place": "From {start} to {end} s of the video ({duration} s).",
        "sound_8_bit": "Its samples are 8-bit numbers and were divided by 128.",
        "sound_32_bit": "Its samples are 32-bit numbers and were divided by 2147483648.",
        "sound_16_bit": "Its samples go up to {peak}, so they are 16-bit numbers: they were divided by 32768.",
        "sound_loud": "Its samples go up to {peak}, where full scale is 1, and were left as they are: set gain to "
        "{gain} if it drowns other voices.",
        "sound_offset": "It had an offset (DC) of {offset} of full scale, which was removed.",
        "sound_silent": "It is silent throughout.",
        "sound_padded_start": "It begins with {start} s of digital silence.",
        "sound_padded_end": "It ends with {end} s of digital silence.",
        "sound_padded": "It begins with {start} s and ends with {end} s of digital silence.",
        # InterAct Dialogue
        "dialogue_film": {
            "one": "{count} frame ({seconds} s at {fps} fps).",
            "other": "{count} frames ({seconds} s at {fps} fps).",
        },
        "dialogue_unknown": "In the dialogue {keys} is not known here and was not used.",
        "dialogue_recording": "{file}: {note}",
        "dialogue_resampled": "Resampled to {rate} Hz, the highest rate among the recordings: {files}.",
        "dialogue_muted": "Muted, so silent in the video: {names}.",
        "dialogue_clips_muted": {
            "one": "{count} clip is muted and left out.",
            "other": "{count} clips are muted and left out.",
        },
        "dialogue_clip_behind": "Left out of the lane of {name}: a clip of {file} that begins at {first} s, behind the "
        "end of the recording.",
        "dialogue_clip_short": "A clip of {name} goes to {last} s of {file}, which is over at {found} s.",
        "dialogue_cut_before": "Cut of {name}: {seconds} s of {file} before the start of the video.",
        "dialogue_cut_after": "Cut of {name}: {seconds} s of {file} after the end of the video at {end} s.",
        "dialogue_piled": "Clips of {name} lie over each other, and both are heard: {spans}.",
        "dialogue_piled_most": "Clips of {name} lie over each other in {all} places, and both are heard; the longest: "
        "{spans}.",
        "dialogue_at_once": "{one} and {other} speak at once: {spans}.",
        "dialogue_at_once_most": "{one} and {other} speak at once {all} times; the longest: {spans}.",
        "dialogue_pauses": "Nobody speaks: {spans}.",
        "dialogue_pauses_most": "Nobody speaks in {all} pauses; the longest: {spans}.",
        # the characters
        "mask_inverted": "The mask of '{name}' kept the background and left the person out, as Load Image's MASK of a "
        "cut-out does. It was inverted; the preview shows the result.",
        "transparency_lost": "{file} has a transparent background, but IMAGE comes without it, so that what lies "
        "hidden there is part of '{name}'. Connect MASK of Load Image to mask as well.",
        "background_plain": "The background of '{name}' is one colour, but not white. If the picture is a cut-out, "
        "connect MASK of Load Image to mask as well.",
        "region_inverted": "The region of '{name}' covers the background and leaves out somebody in the middle. If "
        "that is the person, put Invert Mask in between.",
        "people_found": {
            "one": "{count} person found; this is number {person}, counted from the left.",
            "other": "{count} people found; this is number {person}, counted from the left.",
        },
        "people_count": {"one": "{count} person found.", "other": "{count} people found."},
        "people_unknown": "In people {keys} is not known here and was not used.",
        "people_dropped": {
            "one": "{count} of them is left out.",
            "other": "{count} of them are left out.",
        },
        "person_speaks": "{number}: {name} speaks, by {voice}.",
        "person_silent": "{number}: {name} is silent.",
        "person_merged": "{name} was found as {count} pieces, which were merged.",
        "person_cut": "{percent} % of {name} lies outside the crop to {video}.",
        "person_outside": "{name} lies outside the crop to {video}: leave this person out, or give the video the "
        "picture's shape.",
        "people_added": "Not named on the node yet, so last: {names}.",
        "people_other_crop": "InterAct People showed the crop to {shown}, but the video is {video}: connect its width "
        "and height.",
        "people_twice": "Numbers {first} and {second} are the same person. Masks of one person in several frames go to "
        "layout, without this node.",
        # InterAct Encode Characters
        "character_left_out": "{socket} was left out, as nothing comes from the node connected to it.",
        "nobody_heard": "Warning: Nobody will be heard: every voice lies outside the video.",
        "voice_late": "Warning: {name} will not be heard: the voice begins at {start} s, but the video ends at {end} "
        "s.",
        "voice_early": "Warning: {name} will not be heard: the voice begins at {start} s and is over at {end} s, "
        "before the video starts at 0.",
        "voice_without_sound": "Warning: The film will be silent for {name}, whose lips move: connect the recording to "
        "sound on the character too, or encode it with InterAct Encode Speech.",
        "voice_unequal": "Warning: The sound of {name} is {sound} s long, but {encoded} s of speech were encoded: use "
        "the same recording for both, and InterAct Encode Speech for one of more than 30 s.",
        "video": {
            "one": "{width}x{height}, {count} frame ({seconds} s at {fps} fps).",
            "other": "{width}x{height}, {count} frames ({seconds} s at {fps} fps).",
        },
        "size_rounded": "The size was rounded: {width}x{height} is not a multiple of {step}.",
        "length_rounded": "The length was rounded up: {frames} is not 4n+1.",
        "speaks": "{name} speaks from {start} to {end} s.",
        "speaks_cut_start": "{name} speaks from {start} to {end} s; {before} s before the start of the video are cut.",
        "speaks_cut_end": "{name} speaks from {start} to {end} s; {after} s after the end of the video are cut.",
        "speaks_cut": "{name} speaks from {start} to {end} s; {before} s before the start of the video and {after} s "
        "after its end are cut.",
        "speaks_still": "The voice of {name} does not move the mouth: audio_strength is 0.",
        "silent": "Silent: {names}.",
        "scene": "Scene sound from {start} to {end} s.",
        "scene_cut_end": "Scene sound from {start} to {end} s; {after} s after the end of the video are cut.",
        "turned_down": "The mixed sound peaked at {peak} and was turned down to 1.",
        # InterAct Next Part
        "part": "Frames {first} to {last} of {film}.",
        "part_known": {
            "one": "{count} of them is finished already.",
            "other": "{count} of them are finished already.",
        },
        "part_left": {
            "one": "{count} frame remains after this part.",
            "other": "{count} frames remain after this part.",
        },
        "part_last": "This is the last part.",
        # InterAct Place Characters
        "place_goes_on": {
            "one": "They go on from the {count} finished frame; size and background are not used. Set the denoise of "
            "the sampler to 0.65; at 1 it begins as noise.",
            "other": "They go on from where the {count} finished frames end; size and background are not used. Set "
            "the denoise of the sampler to 0.65; at 1 it begins as noise.",
        },
        "place_made": "From left to right: {names}. Set the denoise of the sampler to 0.65; at 1 it begins as noise.",
        "place_layout": "{names}: placed where the layout is.",
        "place_covered": "Others stand in front of {share} % of {name}: give the characters masks that leave the "
        "background out, layouts of their own, or a smaller size.",
        "place_first": "Of the {count} pictures of the background the first is used.",
        "place_cropped": "The background was {found} and is cropped in the middle to the shape of {size}.",
        # InterAct Dub Video
        "dub_made": "{pixels} % of the picture is dubbed. In the latent, whose cells hold 8x8 pixels of up to four "
        "frames, {cells} % is made anew; the rest is kept.",
        "dub_one_mask": "There is one mask for all frames: it does not follow a person who moves.",
        "dub_absent": {
            "one": "The mask is empty in {count} frame of {frames}, which stays as it is.",
            "other": "The mask is empty in {count} frames of {frames}, which stay as they are.",
        },
        "dub_others": {
            "one": "{names} is silent and in the cast: the model may draw that character a second time. Leave out "
            "whoever is not dubbed.",
            "other": "{names} are silent and in the cast: the model may draw them a second time. Leave out whoever is "
            "not dubbed.",
        },
        "dub_scaled": "The video was scaled from {found} to {size}.",
        "dub_cropped": "The video was scaled from {found} to {size}, and {percent} % of its picture was cut off at the "
        "edges.",
        "dub_cut": "The video has {found} frames, of which {first} to {last} are used.",
        "dub_repeated": {
            "one": "The video has {found} frames, which is not 4n+1: its last frame is repeated once.",
            "other": "The video has {found} frames, which is not 4n+1: its last frame is repeated {count} times.",
        },
        # a sampling run
        "run_fps": "The adapter was trained at {adapter} frames per second, but the video has {video}: mouths may lag.",
        "run_latent_unused": "The latent that is connected is not used: at denoise 1 the video begins as noise. Lower "
        "denoise (0.65) to begin from it, or connect the empty latent.",
        "run_keeps_noise": "This sampler goes on with the steps of another one, and noise is left in what the noise "
        "mask keeps: connect masks of that sampler, so that it is known what to keep.",
        "run_strength": "The strength of the adapter is 0, so no voice moves a mouth: raise it on InterAct Apply "
        "Adapter.",
        "run_layout_unused": "The layout of {names} is not used, because mask_source is '{source}': set it to 'fixed' "
        "to follow layouts.",
        "run_whole_pictures": "reference_tokens is 'person', but another node replaces the model's attention: whole "
        "pictures are used.",
        "run_unsteered": {
            "one": "No masks steered the only step: stage_boundary is {boundary}, and before it the audio is "
            "'{audio}'.",
            "other": "No masks steered any of the {count} steps: stage_boundary is {boundary}, and before it the audio "
            "is '{audio}'.",
        },
        "run_empty_mask": {
            "one": "{names} had an empty mask, so no mouth followed that voice: look at the masks in InterAct Preview "
            "Masks.",
            "other": "{names} had empty masks, so no mouth followed those voices: look at the masks in InterAct "
            "Preview Masks.",
        },
        "run_no_layout": {
            "one": "{names} had no layout, so no mouth followed that voice: connect one to layout, or choose another "
            "mask_source.",
            "other": "{names} had no layout, so no mouth followed those voices: connect one to layout of each, or "
            "choose another mask_source.",
        },
        "view_missing": "There is no preview, because ComfyUI's temp folder cannot be written ({reason}): free some "
        "space on its disk, or start ComfyUI with --temp-directory and another folder.",
        "preview_full": "The film is long: of its {total} pictures (one in four frames) {kept} can be looked at in "
        "full size, one in {every}; the others are enlarged from a small preview.",
        # InterAct Score
        "score_lips": "{name}: the mouth follows its own voice by {lips} and the others by {crosstalk} (margin "
        "{margin}).",
        "score_lips_alone": "{name}: the mouth follows its own voice by {lips}.",
        "score_silent": "{name} is silent, and the mouth is open in {open} of the frames.",
        "score_sync": "{name}: Sync-C {sync_c}, Sync-D {sync_d}, offset {offset} ({windows} windows).",
        "score_wrong": "In frames {first} to {last} the mouth of {mouth} follows the voice of {voice} ({fit}) better "
        "than its own ({own}).",
        "score_first_film": "The batch holds {films} films: the first of them was scored.",
        "score_other_length": "The film has {frames} frames and its cast {cast}: voices count from its first frame.",
        "score_without_sound": "The voice of {name} carries no sound: encode it with InterAct Encode Speech, or "
        "connect the recording to sound on the character, to score it.",
        "score_both_masks": "person_masks say where everybody is; the masks of the run are compared with them (mask "
        "IoU).",
        "score_one_mask": "Mask IoU is left out: it compares the masks of the run with person_masks, so connect both.",
        "score_masks_unused": "The masks are of a film of another length, or empty: they were not used.",
        "score_regions": "Faces are tied to the regions of the start image: connect masks for people who move.",
        "score_note": "Note: {note}",
        # InterAct Probe Blocks
        "probe_best": "Best place: {place}, with an IoU of {iou} on average. recipe says so to affinity_recipe.",
        "probe_usual": "Without a recipe, affinity takes {place}: IoU {iou}.",
        "probe_scored": "{places} places were scored at the noise levels {levels}, by the masks of {names}.",
        "probe_left_out": "Not scored, as their layout masks are missing or empty: {names}.",
        "probe_still": "Scored as if they never left their region of the start image: {names}. For people who move, "
        "connect layout with a mask for each frame.",
        "probe_from_noise": "At denoise 1 nothing keeps people where the masks have them, and what is found is worth "
        "little: connect the encoded video that the masks are of to latent, and set denoise to 0.5.",
        "probe_hidden_only": "Only hidden features were scored: queries and keys are not compared in Wan2.2 S2V.",
    }
)


@dataclass(frozen=True)
class Sentence:
    """One sentence as it is said; str() gives it in English.

    values: text and numbers ready to be shown, names that are listed as a tuple, or sentences within this one.
    """

    key: str
    values: "Mapping[str, Value]"

    def __str__(self) -> str:
        template = SENTENCES[self.key]
        if not isinstance(template, str):
            template = template["one" if self.values["count"] == 1 else "other"]
        return template.format(**{name: _shown(value) for name, value in self.values.items()})

    def record(self) -> dict[str, Any]:
        """For JSON: key, values, and the English text for whoever does not know the key."""
        values = {
            name: value.record() if isinstance(value, Sentence) else value
            for name, value in self.values.items()
        }
        return {"key": self.key, "values": values, "text": str(self)}


Value = str | int | Sequence[str] | Sentence


def sentence(key: str, **values: Value) -> Sentence:
    """A sentence of SENTENCES with a value for each of its places."""
    return Sentence(key, values)


def _shown(value: Value) -> str:
    if isinstance(value, str | int | Sentence):
        return str(value)
    return value[0] if len(value) == 1 else f"{', '.join(value[:-1])} and {value[-1]}"
