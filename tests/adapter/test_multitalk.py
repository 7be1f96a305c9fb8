"""MultiTalk and InfiniteTalk files: one speaker equals core, several are mixed by masks, wrong files are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.adapter import load_any_adapter
from interacthuman.interact_core.adapter.families import expected_multitalk_shapes
from interacthuman.interact_core.adapter.multitalk import WAV2VEC2_LAYERS, MultiTalkAdapter, MultiTalkConfig
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings, assemble_cast
from interacthuman.interact_core.host import loading
from interacthuman.interact_core.host.apply import apply_guidance
from interacthuman.interact_core.host.encode import conditioning
from interacthuman.interact_core.host.encode.cast_encoding import make_region_character
from interacthuman.interact_core.host.forward.call import AudioRole
from interacthuman.interact_core.host.forward.training_run import training_options
from interacthuman.interact_core.weights_file import check_shapes
from interacthuman.tests.support.models import tiny_wan
from interacthuman.tests.support.models.tiny_multitalk import BLOCKS, CHANNELS, HEADS, WIDTH, core_patch
from safetensors.torch import save_file

FRAMES = 3
GRID = (FRAMES, tiny_wan.ROWS, tiny_wan.COLUMNS)


def wan() -> torch.nn.Module:
    """A small Wan whose heads are as wide as every Wan's."""
    import comfy.ldm.wan.model
    import comfy.ops

    model = comfy.ldm.wan.model.WanModel(
        model_type="t2v", dim=WIDTH, ffn_dim=64, num_heads=HEADS, num_layers=BLOCKS, in_dim=16, freq_dim=32,
        text_dim=16, operations=comfy.ops.disable_weight_init, dtype=torch.float32,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 and "modulation" not in name else 16
            parameter.copy_(tiny_wan.random_like(parameter, generator, fan_in**-0.5))
    return model.eval()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "infinitetalk.safetensors"
    save_file({key: value.contiguous() for key, value in core_patch().state_dict().items()}, path)
    return path


def read(path: Path) -> MultiTalkAdapter:
    adapter, weights = load_any_adapter(path)
    adapter.load_state_dict(weights)
    return adapter.eval()


def drawn(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def features(seed: int = 3) -> torch.Tensor:
    return drawn(4 * (FRAMES - 1) + 1, WAV2VEC2_LAYERS + 1, CHANNELS, seed=seed)


def test_sizes_are_read_off_the_file(path: Path) -> None:
    config = read(path).config
    assert (config.model_width, config.model_blocks, config.heads) == (WIDTH, BLOCKS, HEADS)
    assert (config.audio_layers, config.audio_width, config.window) == (WAV2VEC2_LAYERS + 1, CHANNELS, 5)
    assert (config.audio_tokens, config.audio_context_width, config.audio_hidden) == (4, 20, 24)


@torch.no_grad()
def test_audio_tokens_equal_core(path: Path) -> None:
    from comfy.ldm.wan.model_multitalk import project_audio_features

    heard = features()
    expected = project_audio_features(core_patch().audio_proj, [heard[:, 1:]], 0, len(heard))
    torch.testing.assert_close(read(path).audio_projector(heard[None]), expected, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_one_speaker_everywhere_equals_core_infinitetalk(path: Path) -> None:
    """A whole forward pass of the model; core hears no batch, so it has one row."""
    from comfy.ldm.wan.model_multitalk import MultiTalkCrossAttnPatch, project_audio_features

    model, patch = wan(), core_patch()
    x, text = drawn(1, *tiny_wan.LATENT, seed=5), drawn(1, 3, 16, seed=6)
    heard, t = features(), torch.tensor([500.0])
    holder = type("Patcher", (), {"model": patch})()
    options = {
        "audio_embeds": project_audio_features(patch.audio_proj, [heard[:, 1:]], 0, len(heard)),
        "patches": {"attn2_patch": [MultiTalkCrossAttnPatch(holder)]},
        "grid_sizes": GRID,
    }
    expected = model(x, t, text, transformer_options=options)
    plain = model(x, t, text, transformer_options={})

    tracks = torch.stack((heard, features(4)))
    audio = torch.cat((tracks, tracks[:, :1]), dim=1)[None]  # and the sentinel frame
    everywhere = torch.tensor([1.0, 0.0]).view(1, 2, 1)
    ours = model(
        x, t, text, transformer_options=training_options(read(path), everywhere),
        interact_audio=audio, interact_flag=torch.ones(1, 1),
    )  # fmt: skip
    assert not torch.allclose(plain, expected, rtol=1e-2)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_a_run_of_one_speaker_equals_cores(path: Path, tmp_path: Path) -> None:
    """On an image-to-video base. Conds one by one: core's attention (SingleStreamMultiAttention) takes one row."""
    import comfy.model_patcher
    from comfy.ldm.wan.model_multitalk import MultiTalkCrossAttnPatch, project_audio_features

    base = tiny_wan.load_tiny(tmp_path, model_type="i2v", in_dim=36, width=WIDTH, blocks=BLOCKS)
    start = {
        "concat_latent_image": drawn(1, *tiny_wan.LATENT, seed=8),
        "concat_mask": torch.ones(1, 1, *GRID),
    }
    positive, negative = [[drawn(1, 3, 4096, seed=5), start]], [[drawn(1, 6, 4096, seed=6), start]]
    heard, patch = features(), core_patch()
    golden = base.clone()
    options = golden.model_options["transformer_options"]
    options["audio_embeds"] = project_audio_features(patch.audio_proj, [heard[:, 1:]], 0, len(heard))
    cpu = torch.device("cpu")
    patcher = comfy.model_patcher.CoreModelPatcher(patch, load_device=cpu, offload_device=cpu)
    golden.set_model_patch(MultiTalkCrossAttnPatch(patcher), "attn2_patch")
    person = make_region_character(
        "Ann", torch.ones(1, 16 * tiny_wan.ROWS, 16 * tiny_wan.COLUMNS), {"spoken": 0}
    )
    cast = assemble_cast([person], 16 * tiny_wan.COLUMNS, 16 * tiny_wan.ROWS, len(heard), 25.0)
    latent = tiny_wan.empty_latent(cast)
    expected = tiny_wan.core_sample(golden, positive, negative, latent, cfg=5.0)

    tracks = torch.stack((heard, features(4)))
    positive, negative = conditioning.attach_cast(positive, negative, cast, None, tracks)
    negative = conditioning.with_role(negative, AudioRole.VOICES)  # core's hears them too
    settings = GuidanceSettings(mask_source="fixed", stage_boundary=0.0)
    guided, _ = apply_guidance(loading.apply_adapter(base, loading.load_adapter(path)), cast, settings)
    samples = tiny_wan.core_sample(guided, positive, negative, latent, cfg=5.0)
    torch.testing.assert_close(samples, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    unheard = tiny_wan.core_sample(base, positive, negative, latent, cfg=5.0)
    assert (unheard - expected).abs().max() > 1e-2 * expected.abs().max()


def test_keys_and_shapes_at_the_public_size_are_cores() -> None:
    """14B as in MultiTalk's and InfiniteTalk's files, of one speaker and of several: they all have these."""
    import comfy.ops
    from comfy_extras.nodes_model_patch import MultiTalkModelPatch

    core = MultiTalkModelPatch(
        audio_window=5, context_tokens=32, vae_scale=4, in_dim=5120, intermediate_dim=512, out_dim=768,
        device="meta", operations=comfy.ops.disable_weight_init,
    )  # fmt: skip
    shapes = {key: list(tensor.shape) for key, tensor in core.state_dict().items()}
    config = MultiTalkConfig.of(shapes, "infinitetalk.safetensors")
    assert (config.heads, config.model_blocks, config.audio_width, config.audio_tokens) == (40, 40, 768, 32)
    check_shapes("infinitetalk.safetensors", shapes, expected_multitalk_shapes(config))


def test_a_base_of_another_size_is_refused(path: Path, tmp_path: Path) -> None:
    adapter = loading.load_adapter(path)
    for width, blocks in ((WIDTH, 3), (128, BLOCKS)):
        base = tiny_wan.load_tiny(tmp_path, width=width, blocks=blocks)
        with pytest.raises(
            InteractError, match=f"InfiniteTalk.*256 and 2 blocks.*{width} and {blocks} blocks"
        ):
            loading.apply_adapter(base, adapter)


@torch.no_grad()
def test_masks_give_each_person_a_voice(path: Path) -> None:
    """Left hears one voice and right another, as if each were alone; any number of rows at once."""
    block = read(path).audio_blocks["0"]
    projector = read(path).audio_projector
    tokens = projector(torch.stack([features(seed) for seed in (3, 4)]))[:, None].expand(-1, 2, -1, -1, -1)
    video = drawn(2, FRAMES * tiny_wan.ROWS * tiny_wan.COLUMNS, WIDTH, seed=7)
    left = (torch.arange(video.shape[1]) % tiny_wan.COLUMNS < tiny_wan.COLUMNS // 2).float()
    both = block(video, tokens, torch.stack((left, 1 - left))[:, None])
    alone = [block(video, tokens[n : n + 1], torch.ones(1, 1, 1)) for n in (0, 1)]
    torch.testing.assert_close(both[:, left > 0], alone[0][:, left > 0])
    torch.testing.assert_close(both[:, left == 0], alone[1][:, left == 0])


def test_predicted_masks_need_a_mask_head(path: Path, tmp_path: Path) -> None:
    base = wan()
    save_file(
        {key: value.contiguous() for key, value in base.state_dict().items()},
        tmp_path / "wan.safetensors",
        metadata={"config": '{"transformer": {"num_heads": 2, "freq_dim": 32, "text_dim": 16}}'},
    )
    model = loading.apply_adapter(loading.load_dit(tmp_path / "wan.safetensors"), loading.load_adapter(path))
    with pytest.raises(InteractError, match="no mask head.*affinity"):
        apply_guidance(model, tiny_wan.make_cast(), GuidanceSettings())
    layouts = torch.ones(2, FRAMES, tiny_wan.ROWS, tiny_wan.COLUMNS)
    apply_guidance(model, tiny_wan.make_cast(layouts=layouts), GuidanceSettings(mask_source="fixed"))


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"audio_proj.proj3.weight": None}, "lacks the weight audio_proj.proj3.weight"),
        ({"blocks.1.norm_x.bias": None}, "lacks the weight blocks.1.norm_x.bias"),
        ({"blocks.0.norm_x.weight": torch.zeros(3)}, "shape \\[3\\], expected \\[256\\]"),
        ({"audio_proj.proj1.weight": torch.zeros(24, 7)}, "take 7 and"),
        ({"lora_A": torch.zeros(1)}, "unexpected weight lora_A"),
    ],
)
def test_wrong_files_are_refused(path: Path, changed: dict[str, torch.Tensor | None], said: str) -> None:
    weights = {**core_patch().state_dict(), **changed}
    save_file({key: value.contiguous() for key, value in weights.items() if value is not None}, path)
    with pytest.raises(InteractError, match=said):
        load_any_adapter(path)
