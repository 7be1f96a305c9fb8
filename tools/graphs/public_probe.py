"""Probing public weights, as those who have them can: which block or head of InfiniteTalk's base knows who is where.

The graph of two puppets in place, with a run of InterAct Probe Blocks before the sampler, which goes by what it found.
"""

from __future__ import annotations

from interacthuman.tools.graphs.parts import Graph, decode, node, video
from interacthuman.tools.graphs.public_graphs import needs_weights_infinitetalk


def needs_weights_infinitetalk_probe() -> Graph:
    """Nodes "60" to "66": the probe, its table, plot and recipe as text, and the video that it made."""
    graph = needs_weights_infinitetalk()
    shared = (
        "model",
        "positive",
        "negative",
        "latent",
        "cast",
        "seed",
        "steps",
        "cfg",
        "sampler_name",
        "scheduler",
    )
    own = graph["31"]["inputs"]
    probe = node(
        "InterActProbeBlocks",
        "Which block knows who is where",
        **{key: own[key] for key in shared},
        denoise=1.0,
    )
    # Two videos side by side are enough: the masks over it are in the viewer.
    kept = {name: one for name, one in graph.items() if name not in ("51", "52")}
    kept["31"] = {**kept["31"], "inputs": {**own, "affinity_recipe": ["60", 1]}}
    kept["41"]["inputs"]["filename_prefix"] = "InterActHuman/probe_by_recipe"
    return {
        **kept,
        "60": probe,
        "61": node("PreviewAny", "Every place, the best first", source=["60", 2]),
        "62": node("PreviewImage", "Blocks and heads", images=["60", 3]),
        "63": node("PreviewAny", "The recipe, to copy", source=["60", 1]),
        **decode("64", "60"),
        **video("65", "The probe", ["64", 0], "probe"),
    }
