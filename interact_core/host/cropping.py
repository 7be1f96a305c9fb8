"""Leaving out the tokens of reference pictures that show nothing but white ground.

A reference stands in the sequence as a whole frame (core's `time_dim_concat`), and most of that frame is the
ground on which the person was fitted. Its tokens are taken out before the first block, so that no block spends
anything on them, and put back as zeros behind the last one, where core cuts the references' output away.

The model was trained with the ground there, and its attention feels how much of it there is: without any of it
the theatre lost its voices altogether (sync 0.68 to 0.21 over 5 scenes). So the ground next to the person stays and
weighs as much as all that it stands for.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from comfy.ldm.wan.model import WanModel

from ..adapter import grid_positions
from ..guidance import Cast
from ..guidance.layout import TOKEN_PIXELS
from .geometry import Geometry, KeptTokens
from .pictures import WHITE, fit_on_white

BLANK = 2 / 255
"""How far from white a pixel may be and still show nothing: JPEG's grain."""

STAND_INS = 8
"""Tokens of a reference's kept ground, at most, that stand for what went of it."""

CHUNK = 4096
"""Tokens whose weights are corrected at a time."""

Replace = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
"""An entry of transformer_options["patches_replace"]["dit"]."""


def person_tokens(cast: Cast) -> KeptTokens | None:
    """Those of the person and one more all around; None where nothing can go.

    As many of each picture as the largest person takes: of the others some ground is kept too.
    """
    _, height, width = cast.grid
    pictures = [fit_on_white(character.image, cast.width, cast.height) for character in cast.characters]
    persons = torch.stack([_person(picture) for picture in pictures])  # [N, h, w]
    # The neighbours stay, because the VAE's convolutions carry a little of the person there.
    kept = F.max_pool2d(persons, 3, stride=1, padding=1).flatten(1)
    count = int(kept.sum(1).max())
    if count == height * width:
        return None
    index = kept.argsort(dim=1, descending=True, stable=True)[:, :count].sort(dim=1).values
    places = grid_positions(1, height, width)[:, 1:]
    stands = [_stand_in(rows, person.flatten() > 0, places) for rows, person in zip(index, persons)]
    return KeptTokens.of(index, torch.stack(stands))


def _person(picture: Tensor) -> Tensor:
    """[1, H, W, 3] -> [h, w], 1 for the tokens that something is on."""
    marked = ((WHITE - picture).abs() > BLANK).any(-1).float()
    return F.max_pool2d(marked, TOKEN_PIXELS)[0]


def _stand_in(index: Tensor, person: Tensor, places: Tensor) -> Tensor:
    """KeptTokens.stand_in of one reference; person: bool [h * w], places [h * w, 2]."""
    (ground,) = torch.where(~person[index])
    if len(ground) == 0:
        ground = torch.arange(len(index))
    chosen = ground[torch.linspace(0, len(ground) - 1, min(len(ground), STAND_INS)).round().long()]
    nearest = chosen[torch.cdist(places, places[index[chosen]]).argmin(dim=1)]
    nearest[index] = torch.arange(len(index))
    return nearest


def can_crop(model: torch.nn.Module, timestep: Tensor, options: dict[str, Any]) -> bool:
    """Whether the blocks take a shorter sequence, and weighted attention.

    VACE adds control to the whole sequence; a timestep for every frame (core's [B, T]) is laid on it; and another
    node's attention could not be told of the weights.
    """
    return (
        type(model).forward_orig is WanModel.forward_orig
        and timestep.ndim == 1
        and "optimized_attention_override" not in options
    )


def with_cropping(options: dict[str, Any], geometry: Geometry, blocks: int) -> dict[str, Any]:
    """Entries of the call's transformer_options by which every block sees the shorter sequence.

    Replacements that other nodes have put there stay, within ours. `restore` undoes it.
    """
    replaced = options.get("patches_replace", {})
    inner = replaced.get("dit", {})
    cropping = Cropping(geometry)
    ours = {("double_block", n): cropping.of_block(n, inner.get(("double_block", n))) for n in range(blocks)}
    return {
        "patches_replace": {**replaced, "dit": {**inner, **ours}},
        "optimized_attention_override": cropping.attention,
    }


def kept_rows(geometry: Geometry) -> Tensor:
    """[L'] int64: where the tokens that the blocks see stand in the whole sequence."""
    index = geometry.kept.index
    start = geometry.offset + geometry.video_tokens
    frames = torch.arange(geometry.references, device=index.device)[:, None] * geometry.frame_tokens
    before = torch.arange(start, device=index.device)
    return torch.cat((before, (start + frames + index).flatten()))


def restore(tokens: Tensor, geometry: Geometry) -> Tensor:
    """tokens [B, L', D] behind the last block -> [B, L, D], with zeros for what was left out."""
    missing = geometry.references * (geometry.frame_tokens - geometry.kept.each)
    return F.pad(tokens, (0, 0, 0, missing))


class Cropping:
    """For one call of the model; holds its rotary table once it is cut."""

    def __init__(self, geometry: Geometry) -> None:
        self._rows = kept_rows(geometry)
        self._freqs: Tensor | None = None
        several, counts = geometry.kept.several
        before = geometry.offset + geometry.video_tokens
        self._several = before + several  # [G], where those stand that stand for more than themselves
        self._more = (counts - 1).log()  # [G]

    def of_block(self, number: int, inner: Replace | None) -> Replace:
        @torch.compiler.disable(recursive=False)  # see patches.py
        def replace(args: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
            if self._freqs is None:
                self._freqs = args["pe"][:, self._rows]
            args = {**args, "pe": self._freqs}
            if number == 0:
                args["img"] = args["img"][:, self._rows]
            return extra["original_block"](args) if inner is None else inner(args, extra)

        return replace

    @torch.compiler.disable
    def attention(
        self, chosen: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, heads: int, **options: Any
    ) -> Tensor:
        """As transformer_options["optimized_attention_override"]: self-attention in which every kept token weighs as
        many as it stands for; text and all else as core had chosen."""
        if not q.shape[1] == k.shape[1] == len(self._rows) or options.get("skip_reshape"):
            return chosen(q, k, v, heads, **options)
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        return self.weighted(q, k, v).transpose(1, 2).flatten(2)

    def weighted(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention over [B, H, L, d] with every key counted as often as it stands for a token.

        The kernel's own answer is (sum e^s v) / Z; what stands for c tokens is added c - 1 times more, with Z
        from its logarithm, which flash kernels give. A bias on the scores would say the same and take the
        fast kernels away.
        """
        attended, log_z = flash_attention(q, k, v)
        several = k[:, :, self._several].transpose(-1, -2) * q.shape[-1] ** -0.5, v[:, :, self._several]
        parts = []
        for part, own, norm in zip(*(x.split(CHUNK, dim=2) for x in (q, attended, log_z))):
            scores = (part @ several[0]).float()  # [B, H, l, G]
            share = scores.add_(self._more).sub_(norm.unsqueeze(-1)).exp_()
            whole = (1.0 + share.sum(-1, keepdim=True)).to(own)
            parts.append((own + share.to(own) @ several[1]) / whole)
        return torch.cat(parts, dim=2)


def flash_attention(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Attention of [B, H, L, d] and the logarithm of its normaliser, [B, H, L] float32.

    By torch's own kernels, whose public face (scaled_dot_product_attention) keeps the latter to itself; where they
    do not run it takes a second product with the keys.
    """
    if q.device.type == "cpu":
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)[:2]
    if _has_flash(q):
        return torch.ops.aten._scaled_dot_product_flash_attention(q, k, v)[:2]
    keys = k.transpose(-1, -2) * q.shape[-1] ** -0.5
    log_z = torch.cat([(part @ keys).float().logsumexp(-1) for part in q.split(CHUNK, dim=2)], dim=2)
    return F.scaled_dot_product_attention(q, k, v), log_z


def _has_flash(q: Tensor) -> bool:
    """Half precision on an Nvidia GPU from Ampere on, which is what torch's flash kernel wants."""
    if q.device.type != "cuda" or torch.version.hip is not None or q.dtype is torch.float32:
        return False
    return torch.cuda.get_device_capability(q.device) >= (8, 0)
