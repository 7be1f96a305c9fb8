"""The adapter's modules: projector, audio cross-attention, mask predictor, and their starting values."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from interacthuman.interact_core.adapter import (
    Adapter,
    AdapterConfig,
    AudioCrossAttention,
    AudioProjector,
    MaskPredictor,
    grid_positions,
    init_adapter,
    reference_positions,
)
from interacthuman.interact_core.errors import InteractError

SIZES = {
    "model_width": 24,
    "model_blocks": 3,
    "audio_layers": 2,
    "audio_width": 5,
    "audio_frame_width": 6,
    "audio_window": 2,
    "audio_hidden": 10,
    "audio_tokens": 3,
    "audio_context_width": 7,
    "audio_heads": 2,
    "mask_width": 12,
    "mask_heads": 2,
    "mask_blocks": (1, 2),
}
CONFIG = AdapterConfig(**SIZES)
BATCH, FRAMES, SPACE = 2, 3, 4
LENGTH = FRAMES * SPACE


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_weights(module: torch.nn.Module, seed: int = 1) -> torch.nn.Module:
    """Every weight random, biases and norms too, so that none of them can be forgotten unseen."""
    generator = seeded(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    return module.double()


def audio_inputs(tracks: int, seed: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = seeded(seed)
    video = torch.randn(BATCH, LENGTH, CONFIG.model_width, generator=generator, dtype=torch.float64)
    shape = (tracks, BATCH, FRAMES, CONFIG.audio_tokens, CONFIG.audio_context_width)
    return video, torch.randn(shape, generator=generator, dtype=torch.float64)


def random_shares(tracks: int, seed: int = 3) -> torch.Tensor:
    return torch.rand(tracks, BATCH, LENGTH, generator=seeded(seed), dtype=torch.float64).softmax(0)


def dense_heard(block: AudioCrossAttention, video: torch.Tensor, track: torch.Tensor) -> torch.Tensor:
    """What every token hears of ONE track, by a dense mask over all audio tokens, by heads, before `o`."""
    q = block.q(block.norm(video))
    k, v = block.k(track).flatten(1, 2), block.v(track).flatten(1, 2)  # [B, T * n, D]
    frame_of_query = torch.arange(LENGTH) // SPACE
    frame_of_key = torch.arange(FRAMES * CONFIG.audio_tokens) // CONFIG.audio_tokens
    visible = frame_of_query[:, None] == frame_of_key[None, :]
    width = CONFIG.model_width // CONFIG.audio_heads
    heads = []
    for head in range(CONFIG.audio_heads):
        part = slice(head * width, (head + 1) * width)
        score = q[..., part] @ k[..., part].transpose(-1, -2) / math.sqrt(width)
        heads.append(score.masked_fill(~visible, -math.inf).softmax(-1) @ v[..., part])
    return torch.cat(heads, -1)


def paper_heard(block: AudioCrossAttention, video: torch.Tensor, track: torch.Tensor) -> torch.Tensor:
    """The paper's A(h, audio): one track, own output projection."""
    return block.o(dense_heard(block, video, track))


@pytest.mark.parametrize("tracks", [1, 2, 4])
def test_audio_attention_equals_a_dense_mask(tracks: int) -> None:
    block = random_weights(AudioCrossAttention(CONFIG))
    video, tokens = audio_inputs(tracks)
    shares = random_shares(tracks)
    expected = block.o(sum(w[..., None] * dense_heard(block, video, t) for w, t in zip(shares, tokens)))
    torch.testing.assert_close(block(video, tokens, shares), expected, rtol=0, atol=1e-10)


def test_audio_attention_equals_the_papers_formula_for_one_speaker() -> None:
    block = random_weights(AudioCrossAttention(CONFIG))
    video, tokens = audio_inputs(2)
    m = torch.rand(BATCH, LENGTH, generator=seeded(4), dtype=torch.float64)
    expected = video + m[..., None] * paper_heard(block, video, tokens[0])
    expected = expected + (1 - m[..., None]) * paper_heard(block, video, tokens[1])
    result = video + block(video, tokens, torch.stack((m, 1 - m)))
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)


def test_audio_attention_equals_sequential_injection_where_masks_are_disjoint() -> None:
    block = random_weights(AudioCrossAttention(CONFIG))
    video, tokens = audio_inputs(4)
    owner = torch.arange(LENGTH) % 4  # 0..2: a speaker's token, 3: nobody's
    masks = torch.stack([(owner == s).double() for s in range(3)])
    silence = 1 - masks.sum(0)
    h = video
    for mask, track in zip(masks, tokens):
        h = h + mask[:, None] * paper_heard(block, h, track)
    h = h + silence[:, None] * paper_heard(block, h, tokens[3])
    shares = torch.cat((masks, silence[None]))[:, None]
    torch.testing.assert_close(video + block(video, tokens, shares), h, rtol=0, atol=1e-10)


def test_audio_attention_does_not_care_for_the_order_of_speakers() -> None:
    block = random_weights(AudioCrossAttention(CONFIG))
    video, tokens = audio_inputs(4)
    shares, order = random_shares(4), [2, 0, 1, 3]
    result, permuted = block(video, tokens, shares), block(video, tokens[order], shares[order])
    torch.testing.assert_close(result, permuted, rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), tracks=st.integers(1, 4))
def test_audio_mix_is_convex(seed: int, tracks: int) -> None:
    block = random_weights(AudioCrossAttention(CONFIG))
    block.o = torch.nn.Identity()
    video, tokens = audio_inputs(tracks, seed)
    alone = torch.stack([dense_heard(block, video, track) for track in tokens])
    mixed = block(video, tokens, random_shares(tracks, seed))
    assert bool((mixed >= alone.amin(0) - 1e-9).all() and (mixed <= alone.amax(0) + 1e-9).all())


def test_audio_shares_broadcast_over_batch_and_tokens() -> None:
    block = random_weights(AudioCrossAttention(CONFIG))
    video, tokens = audio_inputs(2)
    share = torch.tensor([0.3, 0.7], dtype=torch.float64).view(2, 1, 1)
    full = block(video, tokens, share.expand(2, BATCH, LENGTH))
    torch.testing.assert_close(block(video, tokens, share), full)
    torch.testing.assert_close(block(video, tokens, share.expand(2, 1, LENGTH)), full)


def test_a_frames_tokens_hear_that_frame_only() -> None:
    block = random_weights(AudioCrossAttention(CONFIG))
    video, tokens = audio_inputs(2)
    changed = tokens.clone()
    changed[:, :, 1] += 1
    moved = (
        (block(video, tokens, random_shares(2)) - block(video, changed, random_shares(2))).abs().amax((0, 2))
    )
    assert torch.equal(moved > 0, torch.arange(LENGTH) // SPACE == 1)


def test_keys_and_values_of_all_tracks_are_one_call_each() -> None:
    block = random_weights(AudioCrossAttention(CONFIG))
    calls = []
    for name in ("q", "k", "v", "o"):
        getattr(block, name).register_forward_hook(lambda *_, name=name: calls.append(name))
    video, tokens = audio_inputs(4)
    block(video, tokens, random_shares(4))
    assert sorted(calls) == ["k", "o", "q", "v"]


def test_projector_windows_cover_the_latent_frames_own_video_frames() -> None:
    projector = AudioProjector(CONFIG)  # window 2
    index = projector.window_index(9)
    assert index.tolist() == [[0, 0, 0, 0, 0, 0, 1, 2], [0, 0, 1, 2, 3, 4, 5, 6], [3, 4, 5, 6, 7, 8, 8, 8]]
    assert projector.window_index(1).tolist() == [[0] * 8]


def test_projector_tokens_depend_on_their_window_alone() -> None:
    projector = random_weights(AudioProjector(CONFIG))
    features = torch.randn(1, 13, 2, 5, generator=seeded(), dtype=torch.float64)
    changed = features.clone()
    changed[:, 3] += (
        1  # seen by latent frames whose window 4t-5 .. 4t+2 holds 3: t = 1 (-1..6), t = 2 (3..10)
    )
    before, after = projector(features), projector(changed)
    assert before.shape == (1, 4, 3, 7)
    assert (before != after).flatten(2).any(-1)[0].tolist() == [False, True, True, False]


@pytest.mark.parametrize("frames", [0, 2, 4, 12])
def test_projector_refuses_lengths_off_the_latent_clock(frames: int) -> None:
    with pytest.raises(InteractError, match=f"{frames} video frames, expected 4n\\+1"):
        AudioProjector(CONFIG)(torch.zeros(1, frames, 2, 5))


def mask_inputs(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = seeded(5)
    video = torch.randn(BATCH, LENGTH, CONFIG.model_width, generator=generator, dtype=torch.float64)
    references = torch.randn(
        BATCH, count, SPACE, CONFIG.model_width, generator=generator, dtype=torch.float64
    )
    return video, references, grid_positions(FRAMES, 2, 2), reference_positions(count, FRAMES, 2, 2)


def test_mask_predictor_equals_one_reference_at_a_time() -> None:
    head = random_weights(MaskPredictor(CONFIG))
    video, references, here, there = mask_inputs(3)
    logits = head(video, references, here, there)
    assert logits.shape == (BATCH, 3, LENGTH)
    for row in range(BATCH):
        for one in range(3):
            alone = head(
                video[row : row + 1], references[row : row + 1, one : one + 1], here, there[one : one + 1]
            )
            torch.testing.assert_close(logits[row, one], alone[0, 0], rtol=0, atol=1e-10)


def test_mask_predictor_equals_the_formula_written_out() -> None:
    head = random_weights(MaskPredictor(CONFIG))
    video, references, here, there = mask_inputs(1)
    seen, known = head.norm(head.proj(video)), head.norm(head.proj(references[:, 0]))
    q, k, v = head.q(seen), head.k(known), head.v(known)
    attended = torch.zeros_like(seen)
    for number in range(2):  # heads of width 6: 2 channels, one pair, for each of t, y, x
        for pair in range(3):
            at = 6 * number + 2 * pair
            for features, positions in ((q, here), (k, there[0])):
                angle = positions[:, pair]
                even, odd = features[..., at].clone(), features[..., at + 1].clone()
                features[..., at] = even * angle.cos() - odd * angle.sin()
                features[..., at + 1] = even * angle.sin() + odd * angle.cos()
        part = slice(6 * number, 6 * number + 6)
        score = (q[..., part] @ k[..., part].transpose(-1, -2)) / math.sqrt(6)
        attended[..., part] = score.softmax(-1) @ v[..., part]
    hidden = torch.nn.functional.gelu(head.hidden(torch.cat((attended * seen, seen), -1)))
    expected = head.logit(hidden)[..., 0]
    torch.testing.assert_close(head(video, references, here, there)[:, 0], expected, rtol=0, atol=1e-5)


def test_mask_predictor_finds_unseen_references() -> None:
    """Learning in a toy world: video tokens are noisy copies of one of several looks, each look a reference.

    Looks are drawn anew every step, so only comparing with the reference can solve it; trained with two
    references, tried with four.
    """
    torch.manual_seed(0)
    head = init_adapter(Adapter(CONFIG), seeded()).mask_heads["1"]
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-2)

    def scene(count: int, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        looks = torch.randn(batch, count, 1, CONFIG.model_width)
        owner = torch.randint(0, count, (batch, LENGTH))
        video = looks[:, :, 0].gather(1, owner[..., None].expand(-1, -1, CONFIG.model_width))
        references = looks + 0.1 * torch.randn(batch, count, SPACE, CONFIG.model_width)
        truth = owner[:, None] == torch.arange(count)[None, :, None]
        positions = grid_positions(FRAMES, 2, 2), reference_positions(count, FRAMES, 2, 2)
        logits = head(video + 0.1 * torch.randn_like(video), references, *positions)
        return logits, truth

    for _ in range(150):
        logits, truth = scene(2, 32)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth.float())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        logits, truth = scene(4, 64)
    found = (logits > 0) & truth
    assert found.sum() / ((logits > 0) | truth).sum() > 0.8


def test_mask_heads_meet_the_papers_budget() -> None:
    """The paper's 56M parameters, here on Wan-14B: 40 * (5120 * 224 + 5 * 224^2), biases and norms aside."""
    sizes = {**SIZES, "model_width": 5120, "model_blocks": 40, "mask_width": 224, "mask_heads": 4}
    config = AdapterConfig(**{**sizes, "audio_heads": 40, "mask_blocks": tuple(range(40))})
    heads = Adapter(config, device="meta").mask_heads
    matrices = sum(parameter.numel() for parameter in heads.parameters() if parameter.ndim == 2)
    budget = 40 * (5120 * 224 + 5 * 224**2)
    assert round(budget / 1e6, 1) == 55.9
    assert abs(matrices / budget - 1) < 0.01
    everything = sum(parameter.numel() for parameter in heads.parameters())
    assert abs(everything / budget - 1) < 0.01


def test_a_fresh_adapter_is_silent_unsure_and_reproducible() -> None:
    adapter = init_adapter(Adapter(CONFIG), seeded(7))
    video, tokens = (x.float() for x in audio_inputs(2))
    for block in adapter.audio_blocks.values():
        assert not block(video, tokens, random_shares(2)).any()
    video, references, here, there = mask_inputs(2)
    for head in adapter.mask_heads.values():
        chance = head(video.float(), references.float(), here, there).sigmoid()
        assert chance.min().item() > 0.08 and chance.max().item() < 0.12
    again, other = init_adapter(Adapter(CONFIG), seeded(7)), init_adapter(Adapter(CONFIG), seeded(8))
    first = adapter.state_dict()
    assert all(torch.equal(first[key], value) for key, value in again.state_dict().items())
    assert any(not torch.equal(first[key], value) for key, value in other.state_dict().items())


def test_building_an_adapter_touches_no_weight() -> None:
    """ComfyUI's dynamic memory gives layers whose weight is None until loading (comfy/ops.py)."""

    class Weightless:
        class Linear(torch.nn.Module):
            def __init__(
                self, inputs: int, outputs: int, device: object = None, dtype: object = None
            ) -> None:
                super().__init__()
                self.weight = self.bias = None

        class LayerNorm(torch.nn.Module):
            def __init__(self, width: int, device: object = None, dtype: object = None) -> None:
                super().__init__()
                self.weight = self.bias = None

    assert not list(Adapter(CONFIG, operations=Weightless).parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_comfy_operations_give_what_torch_gives(dtype: torch.dtype) -> None:
    import comfy.ops

    plain = random_weights(Adapter(CONFIG)).to(dtype)
    cast = Adapter(CONFIG, dtype=torch.float32, operations=comfy.ops.manual_cast)
    cast.load_state_dict(plain.state_dict())
    video, references, here, there = mask_inputs(2)
    video, references = video.to(dtype), references.to(dtype)
    expected = plain.mask_heads["1"](video, references, here, there)
    result = cast.mask_heads["1"](video, references, here, there)
    assert result.dtype == dtype
    torch.testing.assert_close(result, expected)


def test_everything_is_trainable_once_o_is_not_zero() -> None:
    adapter = init_adapter(Adapter(CONFIG), seeded())
    for block in adapter.audio_blocks.values():
        torch.nn.init.normal_(block.o.weight, generator=seeded())
    video, _ = audio_inputs(2)
    video = video.float()
    tokens = adapter.audio_projector(torch.randn(2 * BATCH, 9, 2, 5, generator=seeded()))
    tokens = tokens.view(2, BATCH, *tokens.shape[1:])
    _, references, here, there = mask_inputs(2)
    total = sum(
        block(video, tokens, random_shares(2)).square().sum() for block in adapter.audio_blocks.values()
    )
    total = total + sum(
        head(video, references.float(), here, there).square().sum() for head in adapter.mask_heads.values()
    )
    total.backward()
    # A bias of k or q shifts all scores of a query alike only in k: softmax cannot feel k's bias.
    idle = [n for n, p in adapter.named_parameters() if p.grad is None or float(p.grad.abs().max()) < 1e-7]
    assert all(name.endswith(".k.bias") for name in idle), idle
