"""What a run of two speakers at 14B takes, and what a card has no room for: tables in docs/public-weights.md.

    python -m interacthuman.tools.make_memory_table

Counted on Wan 2.1's true sizes, without a weight, by ComfyUI's own estimate with ours (host/run/memory_estimate.py)
and by the sizes of GGUF's blocks; nothing was measured on a card. tests/project/test_memory_table.py sees that the
page is up to date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interacthuman.interact_core.host.standalone import prepare_comfy

PAGE = Path(__file__).resolve().parents[1] / "docs" / "public-weights.md"
BEGIN, END = "<!-- by tools/make_memory_table.py -->", "<!-- until here -->"
GIB = 2**30

WAN = {
    "image_model": "wan2.1", "model_type": "i2v", "in_dim": 36, "out_dim": 16, "text_dim": 4096, "freq_dim": 256,
    "patch_size": (1, 2, 2), "window_size": (-1, -1), "qk_norm": True, "cross_attn_norm": True, "eps": 1e-6,
    "dim": 5120, "ffn_dim": 13824, "num_heads": 40, "num_layers": 40,
}  # fmt: skip
"""Wan 2.1 I2V 14B, as comfy/model_detection.py reads it off a file."""

SIZES = {"832x480": (60, 104), "1280x720": (90, 160)}  # latent rows and columns
FRAMES, WINDOW = 21, 11  # latent frames of 81, and of a context window of 41
PERSON = 0.3  # how much of a reference picture its person and a margin take
CARDS = (12, 16, 24)
FOR_OTHERS = 1.0
"""GiB of a card that are not there for a run: ComfyUI's reserve of 0.4, the driver and the desktop."""

PAIRS = (
    ("16 bits", "16 bits"),
    ("fp8", "fp8"),
    ("Q8_0", "Q8_0"),
    ("Q6_K", "Q8_0"),
    ("Q4_K", "Q8_0"),
    ("Q4_K", "Q4_K"),
)
"""How base and adapter are stored, in the rows of the last table."""


def stored_sizes() -> dict[str, Callable[[int], float]]:
    """Bytes of a matrix of so many numbers, by how it is stored."""
    from interacthuman.interact_core.adapter.packed.unpacking import KINDS

    packed = {name: KINDS[name].size / KINDS[name].values for name in ("Q8_0", "Q6_K", "Q5_K", "Q4_K")}
    each = {"16 bits": 2.0, "fp8": 1.0, **packed}
    return {name: lambda count, bytes_=bytes_: count * bytes_ for name, bytes_ in each.items()}


def weights_of(shapes: Mapping[str, Any], stored: Callable[[int], float]) -> float:
    """GiB. Matrices are stored so, the rest (a thousandth) as float32."""
    counts = [(len(shape), shape.numel()) for shape in shapes.values()]
    return sum(stored(count) if rank == 2 else 4 * count for rank, count in counts) / GIB


@contextmanager
def with_flash_attention() -> Iterator[None]:
    """As on a card, whose attention needs no matrix of all tokens; on a processor ComfyUI counts with one."""
    from unittest.mock import patch

    with patch("comfy.model_management.pytorch_attention_flash_attention", lambda: True):
        yield


class Passes:
    """One pass of the base in bfloat16, with nothing of it in memory."""

    def __init__(self) -> None:
        import comfy.model_detection
        import torch
        from comfy.model_patcher import ModelPatcher

        config = comfy.model_detection.model_config_from_unet_config(dict(WAN))
        config.set_inference_dtype(torch.bfloat16, None)
        device = torch.device("cpu")
        self.model = ModelPatcher(
            config.get_model({}, device="meta"), load_device=device, offload_device=device
        )
        self.shapes = {name: one.shape for name, one in self.model.model.diffusion_model.state_dict().items()}

    def kept_free(self, size: str, frames: int, pictures: int = 0, recalled: float = 0.0) -> float:
        """GiB that ComfyUI keeps free for one conditioning; recalled: share of each picture's tokens in the cache."""
        import torch
        from interacthuman.interact_core.host.keys import ROLE_COND
        from interacthuman.interact_core.host.run import memory_estimate

        rows, columns = SIZES[size]
        cond = {
            "model_conds": {ROLE_COND: None},
            "time_dim_concat": torch.empty(1, 16, pictures, rows, columns, device="meta"),
        }
        both = {"positive": [cond], "negative": [cond]} if pictures else {}
        shape = memory_estimate.shape_to_estimate([1, 16, frames, rows, columns], both, {})
        with with_flash_attention():
            if recalled:
                each = round(recalled * rows * columns / 4)
                shape = memory_estimate.shape_with_reference_cache(self.model, shape, both, each)
            return self.model.model.memory_required(shape) / GIB


def adapter_shapes() -> dict[str, Any]:
    """Of an InfiniteTalk file: MultiTalk's and its have the same."""
    from interacthuman.interact_core.adapter.multitalk import MultiTalkAdapter, MultiTalkConfig

    config = MultiTalkConfig(
        model_width=WAN["dim"], model_blocks=WAN["num_layers"], audio_width=768, window=5, audio_hidden=512,
        audio_tokens=32, audio_context_width=768,
    )  # fmt: skip
    return {name: one.shape for name, one in MultiTalkAdapter(config, device="meta").state_dict().items()}


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def tables() -> str:
    """The part of the page between BEGIN and END."""
    passes, stored = Passes(), stored_sizes()
    base = {name: weights_of(passes.shapes, size) for name, size in stored.items()}
    adapter = {name: weights_of(adapter_shapes(), size) for name, size in stored.items()}
    weights = table(
        ["weights, GiB", *stored],
        [
            ["Wan 2.1 I2V 14B", *(f"{base[name]:.1f}" for name in stored)],
            ["InfiniteTalk, MultiTalk", *(f"{adapter[name]:.1f}" for name in stored)],
        ],
    )
    kept = {
        "people of a start image (InfiniteTalk)": {},
        "the same, *WAN Context Windows* of 41 frames": {"frames": WINDOW},
        "two reference pictures (Phantom, an adapter of one's own)": {"pictures": 2},
        "the same, `reference_interval` above 1 (keys and values are kept)": {"pictures": 2, "recalled": 1.0},
        "the same, and `reference_tokens` *person*": {"pictures": 2, "recalled": PERSON + (1 - PERSON) / 6},
    }
    needed = {
        what: {size: passes.kept_free(size, **{"frames": FRAMES, **options}) for size in SIZES}
        for what, options in kept.items()
    }
    beside = table(
        ["a pass beside the weights, GiB", *SIZES],
        [[what, *(f"{found[size]:.1f}" for size in SIZES)] for what, found in needed.items()],
    )
    whole, windows = list(needed.values())[:2]
    columns = [
        (f"{size}{also}", found[size])
        for size in SIZES
        for also, found in (("", whole), (", windows", windows))
    ]
    rows = []
    for card in CARDS:
        for first, second in PAIRS:
            total = base[first] + adapter[second]
            sent = [left_over(card - FOR_OTHERS - taken, total) for _, taken in columns]
            rows.append([str(card), first, second, f"{total:.1f}", *sent])
    sent = table(["card, GiB", "base", "adapter", "weights", *(name for name, _ in columns)], rows)
    return f"{BEGIN}\n\n{weights}\n\n{beside}\n\n{sent}\n\n{END}"


def left_over(room: float, weights: float) -> str:
    """GiB of the weights that find no room on the card beside a pass."""
    return f"{max(0.0, weights - room):.1f}" if room > 0 else "too large"


def main() -> None:
    prepare_comfy()
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    PAGE.write_text(before + tables() + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
