"""The mask head's rotary embedding against Wan's own in ComfyUI."""

import pytest
import torch
from interacthuman.interact_core.adapter.rope import (
    grid_positions,
    reference_positions,
    rope_angles,
    rope_axes,
    rotate,
)


@pytest.mark.parametrize("head_width", [6, 8, 16, 56, 64, 128])
def test_turns_as_wan_does(head_width: int) -> None:
    from comfy.ldm.flux.layers import EmbedND
    from comfy.ldm.flux.math import apply_rope1

    heads, positions = 2, grid_positions(3, 4, 5)
    features = torch.randn(1, len(positions), heads, head_width, generator=torch.Generator().manual_seed(0))
    # comfy/ldm/wan/model.py: WanModel.rope_embedder
    d = head_width
    wan = EmbedND(dim=d, theta=10000.0, axes_dim=[d - 4 * (d // 6), 2 * (d // 6), 2 * (d // 6)])
    expected = apply_rope1(features, wan(positions[None]).movedim(1, 2)).flatten(2)
    cos, sin = rope_angles(positions, head_width)
    result = rotate(features.flatten(2), heads, cos[None], sin[None])
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)


def test_axes_fill_the_head() -> None:
    for head_width in range(6, 130, 2):
        axes = rope_axes(head_width)
        assert sum(axes) == head_width and all(axis > 0 and axis % 2 == 0 for axis in axes)


def test_positions_run_as_wan_flattens_and_references_follow_the_video() -> None:
    grid = grid_positions(2, 2, 3)
    assert grid[:4].tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 0]] and grid[6].tolist() == [1, 0, 0]
    references = reference_positions(3, 2, 2, 3)
    assert references.shape == (3, 6, 3)
    assert references[:, 0].tolist() == [[2, 0, 0], [3, 0, 0], [4, 0, 0]]
    assert torch.equal(references[1, :, 1:], grid[:6, 1:])
    assert grid_positions([5, 9], 1, 1).tolist() == [[5, 0, 0], [9, 0, 0]]


def test_only_distances_matter_and_lengths_stay() -> None:
    q, k = torch.randn(2, 1, 1, 12, generator=torch.Generator().manual_seed(1)).double()

    def score(at: list[float], by: list[float]) -> float:
        first, second = (rope_angles(torch.tensor([p]), 12) for p in (at, by))
        a, b = (rotate(x, 1, c[None].double(), s[None].double()) for x, (c, s) in ((q, first), (k, second)))
        assert abs(float(a.norm() - q.norm())) < 1e-6
        return float((a * b).sum())

    assert abs(score([1, 2, 3], [4, 4, 4]) - score([11, 7, 0], [14, 9, 1])) < 1e-5
    assert abs(score([1, 2, 3], [4, 4, 4]) - score([1, 2, 3], [5, 4, 4])) > 1e-3


def test_bfloat16_features_turn_by_exact_angles() -> None:
    features = torch.ones(1, 1, 8, dtype=torch.bfloat16)
    cos, sin = rope_angles(torch.tensor([[257.0, 0, 0]]), 8)
    exact = rotate(features.float(), 1, cos[None], sin[None])
    turned = rotate(features, 1, cos[None], sin[None])
    assert turned.dtype == torch.bfloat16
    assert torch.equal(turned, exact.bfloat16())
