"""Training goes through the hooks that sampling uses, and gradients reach every part of the adapter."""

import pytest
import torch
from interacthuman.tests.support.models import tiny_wan
from torch import Tensor

import comfy.model_management  # isort: skip

from interacthuman.interact_core.adapter import Adapter, sdpa_attention
from interacthuman.interact_core.host.forward.attention import matmul_attention
from interacthuman.interact_core.host.forward.differentiable import differentiable_host
from interacthuman.interact_core.host.forward.training_run import training_options

BATCH, SPEAKERS, REFERENCES = 2, 2, 2
TOKENS = tiny_wan.FRAMES * tiny_wan.ROWS * tiny_wan.COLUMNS


@pytest.fixture
def wan() -> torch.nn.Module:
    return tiny_wan.random_wan().train()


@pytest.fixture
def adapter() -> Adapter:
    return tiny_wan.random_adapter()


def scenes(flags: tuple[float, ...] = (1.0,) * BATCH) -> dict[str, Tensor]:
    """BATCH different scenes: latents, references, audio with its sentinel, weights."""
    generator = torch.Generator().manual_seed(7)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    features = tiny_wan.random_features(SPEAKERS + 1, batch=BATCH)
    return {
        "x": draw(BATCH, *tiny_wan.LATENT),
        "t": torch.tensor([300.0, 700.0]),
        "text": draw(BATCH, 3, 4096),
        "references": draw(BATCH, 16, REFERENCES, *tiny_wan.LATENT[2:]),
        "audio": torch.cat((features, torch.full_like(features[:, :, :1], float("nan"))), dim=2),
        "flag": torch.tensor(flags)[:, None],
        "weights": draw(BATCH, SPEAKERS + 1, TOKENS).softmax(dim=1),
    }


def forward(wan: torch.nn.Module, adapter: Adapter, scene: dict[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
    options = training_options(adapter, scene["weights"])
    with differentiable_host():
        velocity = wan(
            scene["x"],
            scene["t"],
            scene["text"],
            time_dim_concat=scene["references"],
            transformer_options=options,
            interact_audio=scene["audio"],
            interact_flag=scene["flag"],
        )
    return velocity, options["interact_call"].mask_logits


@pytest.mark.parametrize("autocast", [False, True])
def test_gradients_reach_every_parameter(wan: torch.nn.Module, adapter: Adapter, autocast: bool) -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        velocity, logits = forward(wan, adapter, scenes())
    assert velocity.shape == (BATCH, *tiny_wan.LATENT)
    assert [tuple(x.shape) for x in logits] == [(BATCH, REFERENCES, TOKENS)] * 2
    (velocity.float().square().mean() + sum(x.square().mean() for x in logits)).backward()
    unreached = [
        name
        for module in (adapter, wan)
        for name, parameter in module.named_parameters()
        if parameter.grad is None or not parameter.grad.isfinite().all() or not parameter.grad.any()
    ]
    # A bias of the keys shifts all of a query's scores alike, which softmax does not see; Wan norms its keys.
    assert not [
        name
        for name in unreached
        if not (name.startswith(("audio_blocks", "mask_heads")) and "k.bias" in name)
    ]


def test_gradient_is_the_slope(wan: torch.nn.Module, adapter: Adapter) -> None:
    """The analytic gradient along a random direction is the finite difference."""
    scene = scenes()
    target = adapter.audio_blocks["1"].o.weight
    direction = torch.randn(target.shape, generator=torch.Generator().manual_seed(3))

    def loss() -> Tensor:
        velocity, logits = forward(wan, adapter, scene)
        return velocity.double().square().mean() + sum(x.double().mean() for x in logits)

    loss().backward()
    expected = (target.grad * direction).sum()
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            target.add_(direction, alpha=sign * 1e-2)
            values.append(loss())
            target.sub_(direction, alpha=sign * 1e-2)
    assert torch.isclose((values[0] - values[1]) / 2e-2, expected.double(), rtol=1e-2)


def test_each_sample_has_its_own_scene(wan: torch.nn.Module, adapter: Adapter) -> None:
    scene = scenes()
    with torch.no_grad():
        together, logits = forward(wan, adapter, scene)
        for row in range(BATCH):
            alone, own = forward(wan, adapter, {key: value[row : row + 1] for key, value in scene.items()})
            torch.testing.assert_close(alone[0], together[row], rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(own[0][0], logits[0][row], rtol=1e-4, atol=1e-4)


def test_flags_choose_what_a_sample_hears(wan: torch.nn.Module, adapter: Adapter) -> None:
    with torch.no_grad():
        voiced, _ = forward(wan, adapter, scenes((1.0, 1.0)))
        mixed, logits = forward(wan, adapter, scenes((1.0, 0.0)))
        muted, _ = forward(wan, adapter, scenes((1.0, 0.5)))
        silent_weights = scenes((1.0, 1.0))
        silent_weights["weights"][1] = torch.tensor([0.0, 0.0, 1.0])[:, None]
        silent, _ = forward(wan, adapter, silent_weights)
        plain = scenes((0.0, 0.0))
        no_adapter = wan(plain["x"], plain["t"], plain["text"], time_dim_concat=plain["references"])
    torch.testing.assert_close(mixed[0], voiced[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(mixed[1], no_adapter[1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(muted[1], silent[1], rtol=1e-5, atol=1e-5)
    assert (voiced[1] - muted[1]).abs().max() > 1e-3
    assert logits[0].shape[0] == BATCH  # the mask loss reaches dropped samples too


@pytest.mark.parametrize("full_reference", [False, True])
def test_heads_see_the_video_and_each_reference(adapter: Adapter, full_reference: bool) -> None:
    """The tokens and positions of each head are the ones at their place in the sequence.

    A base with ref_conv (Fun Control's reference image) puts tokens in front of the video.
    """
    wan = tiny_wan.random_wan(in_dim_ref_conv=16) if full_reference else tiny_wan.random_wan()
    scene, frame = scenes(), tiny_wan.ROWS * tiny_wan.COLUMNS
    front = frame if full_reference else 0
    sequences: dict[int, Tensor] = {}
    inputs: dict[int, tuple[Tensor, ...]] = {}
    videos: list[Tensor] = []

    def keep(args: dict) -> dict:
        sequences[args["block_index"]] = args["img"]
        return args

    for name, head in adapter.mask_heads.items():
        head.register_forward_hook(lambda _, args, __, block=int(name): inputs.update({block: args}))
    adapter.audio_blocks["0"].register_forward_hook(lambda _, args, __: videos.append(args[0]))
    options = training_options(adapter, scene["weights"])
    options["patches"]["double_block"].append(keep)
    extra = {"reference_latent": scene["references"][:, :, 0]} if full_reference else {}
    with torch.no_grad():
        wan(
            scene["x"],
            scene["t"],
            scene["text"],
            time_dim_concat=scene["references"],
            transformer_options=options,
            interact_audio=scene["audio"],
            interact_flag=scene["flag"],
            **extra,
        )
    assert set(inputs) == {1, 2} and videos[0].shape == (BATCH, TOKENS, tiny_wan.WIDTH)
    for block, (video, references, video_positions, reference_positions, _) in inputs.items():
        sequence = sequences[block]
        assert sequence.shape[1] == front + TOKENS + REFERENCES * frame
        assert torch.equal(video, sequence[:, front : front + TOKENS])
        for number in range(REFERENCES):
            start = front + TOKENS + number * frame
            assert torch.equal(references[:, number], sequence[:, start : start + frame])
            assert set(reference_positions[number, :, 0].tolist()) == {float(tiny_wan.FRAMES + number)}
        assert video_positions[frame + tiny_wan.COLUMNS + 2].tolist() == [1.0, 1.0, 2.0]


def test_the_given_attention_serves_base_and_adapter(wan: torch.nn.Module, adapter: Adapter) -> None:
    scene = scenes()
    lengths: list[tuple[int, int]] = []

    def attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        lengths.append((q.shape[1], k.shape[1]))
        return matmul_attention(q, k, v, heads)

    options = training_options(adapter, scene["weights"], attention)
    names = {
        "time_dim_concat": scene["references"],
        "interact_audio": scene["audio"],
        "interact_flag": scene["flag"],
    }
    with torch.no_grad():
        wan(scene["x"], scene["t"], scene["text"], transformer_options=options, **names)
    frame = tiny_wan.ROWS * tiny_wan.COLUMNS
    whole = TOKENS + REFERENCES * frame
    assert lengths.count((whole, whole)) == tiny_wan.BLOCKS  # self-attention
    assert lengths.count((whole, 3)) == tiny_wan.BLOCKS  # text
    assert (frame, 2) not in lengths  # audio of several voices is mixed in one go
    assert lengths.count((TOKENS, frame)) == 2  # masks


def test_matmul_attention_is_attention() -> None:
    q, k, v = (torch.randn(2, length, 12, generator=torch.Generator().manual_seed(1)) for length in (5, 7, 7))
    torch.testing.assert_close(matmul_attention(q, k, v, 3), sdpa_attention(q, k, v, 3), rtol=1e-5, atol=1e-5)


def test_the_switch_goes_back() -> None:
    def broken_step() -> None:
        with differentiable_host():
            assert comfy.model_management.in_training
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken_step()
    assert not comfy.model_management.in_training
