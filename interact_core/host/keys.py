"""The pack's keys in ComfyUI's dicts.

The values in `transformer_options` are objects: core copies nested dicts and lists where it merges options, and what
is written into a copy is lost; objects are passed on as they are.
"""

RUN_KEY = "interact_run"
"""transformer_options, from the start of a sampling run to its end: the SamplingRun, in training a TrainingRun."""
GUIDANCE_KEY = "interact_guidance"
"""transformer_options of a guided MODEL: its Guidance."""
ADAPTER_KEY = "interact_adapter"
"""transformer_options of a MODEL with an adapter: its Binding."""
PROBE_KEY = "interact_probe"
"""transformer_options of a MODEL whose blocks are scored: its BlockProbe."""
CALL_KEY = "interact_call"
"""transformer_options of one call of the diffusion model: its CallState, read and written by the patches."""
BASE_KEY = "interact_base"
"""transformer_options of one call: the diffusion model that runs."""

TRACKS_COND = "interact_audio"
"""model_conds of CONDITIONING: packed VoiceTracks."""
ROLE_COND = "interact_flag"
"""model_conds of CONDITIONING: [1, 1], the value of an AudioRole. Its presence marks an entry with a cast."""

SIDE_COND = "interact_side"
"""In CONDITIONING with a cast: POSITIVE or NEGATIVE, the output of InterAct Encode Characters that it comes from."""
POSITIVE, NEGATIVE = "positive", "negative"
PICTURES_COND = "interact_pictures"
"""In CONDITIONING with reference pictures: their latents, as they were put into core's `time_dim_concat`."""

WRAPPER_KEY = "interact"
"""Name of the pack's wrappers on a MODEL."""
CLEAN_FRAMES_KEY = "interact_motion_frames"
"""Name of the wrappers that put a part's known frames in without noise."""
