"""Characters and the cast that is encoded of them: pictures, voices, sizes, lengths."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from interacthuman.tests.support.models import model_files, tiny_wan  # tiny_wan before anything of comfy
from torch import Tensor

import comfy.sd  # isort: skip
import comfy.utils  # isort: skip

from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Character
from interacthuman.interact_core.host.encode import cast_encoding
from interacthuman.interact_core.host.encode.cast_encoding import encode_cast, make_character
from interacthuman.interact_core.speech.from_core import SPEECH_KEY
from interacthuman.interact_core.speech.types import Speech

RATE = 8000


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> comfy.sd.VAE:
    path = tmp_path_factory.mktemp("vae") / "vae.safetensors"
    model_files.write_vae(path)
    return comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(path)))


def voice(seconds: float = 0.3, start: float = 0.0, layers: int = 2, seed: int = 0) -> dict[str, object]:
    """AUDIO_ENCODER_OUTPUT of our encoder, with random features."""
    generator = torch.Generator().manual_seed(seed)
    frames = math.ceil(seconds * 25)
    speech = Speech(
        features=torch.randn(frames, layers, 4, generator=generator),
        mute=torch.randn(layers, 4, generator=torch.Generator().manual_seed(99)),
        fps=25.0,
        waveform=0.1 * torch.randn(1, round(seconds * RATE), generator=generator),
        sample_rate=RATE,
        start=start,
    )
    return {SPEECH_KEY: speech}


def picture(height: int = 48, width: int = 64, seed: int = 5) -> Tensor:
    return torch.rand(1, height, width, 3, generator=torch.Generator().manual_seed(seed))


def person(name: str = "Mira", speech: dict[str, object] | None = None, **size: int) -> Character:
    return make_character(name, picture(**size), speech=speech)


# --- pictures


def test_transparency_becomes_white() -> None:
    image = torch.cat((torch.zeros(1, 32, 32, 3), torch.zeros(1, 32, 32, 1)), dim=-1)
    image[:, :16, :, 3] = 1.0
    laid = make_character("Mira", image).image
    assert laid.shape == (1, 32, 32, 3)
    assert torch.equal(laid[:, :16], torch.zeros(1, 16, 32, 3)) and torch.equal(
        laid[:, 16:], torch.ones(1, 16, 32, 3)
    )


def test_what_is_wrong_with_a_mask_is_said() -> None:
    image = picture()
    for mask, message in (
        (torch.zeros(1, 48, 64), "Invert Mask"),
        (torch.ones(3, 48, 64), "one mask"),
        (torch.full((1, 48, 64), float("nan")), "NaN"),
    ):
        with pytest.raises(InteractError, match=message) as caught:
            make_character("Mira", image, mask)
        assert "'Mira'" in str(caught.value)


def test_what_is_wrong_with_a_picture_is_said() -> None:
    for image, message in (
        (None, "no picture"),
        (torch.zeros(1, 1, 1, 3), "1x1"),
        (torch.zeros(2, 32, 32, 3), "one picture"),
        (torch.full((1, 32, 32, 3), float("nan")), "NaN"),
    ):
        with pytest.raises(InteractError, match=message):
            make_character("Mira", image)
    for shape in ((1, 0, 32, 3), (1, 32, 0, 3), (1, 0, 0, 4), (0, 32, 32, 3)):
        for mask in (torch.ones(1, 32, 32), torch.ones(32, 32)):
            with pytest.raises(InteractError, match="the picture of 'Mira'"):
                make_character("Mira", torch.zeros(shape), mask)
    with pytest.raises(InteractError, match="mask of 'Mira' is empty"):
        make_character("Mira", picture(), torch.ones(1, 0, 0))
    with pytest.raises(InteractError, match="no name"):
        make_character("  ", picture())


# --- references


def test_references_and_latent_are_core_phantoms_bit_for_bit(vae: comfy.sd.VAE) -> None:
    from comfy_extras.nodes_wan import WanPhantomSubjectToVideo

    pictures = torch.cat((picture(seed=1), picture(seed=2)))
    core = WanPhantomSubjectToVideo.execute(tiny_wan.text(3), tiny_wan.text(4), vae, 64, 48, 9, 1, pictures)
    cast = [make_character(name, pictures[number : number + 1]) for number, name in enumerate("ab")]
    ours = encode_cast(cast, vae, 64, 48, 9, 25.0, tiny_wan.text(3), tiny_wan.text(4))
    for made, theirs in ((ours.positive, core[0]), (ours.negative, core[1])):
        assert torch.equal(made[0][1]["time_dim_concat"], theirs[0][1]["time_dim_concat"])
        assert torch.equal(made[0][0], theirs[0][0])
    assert torch.equal(ours.latent["samples"], core[3]["samples"])
    blank = encode_cast(cast, vae, 64, 48, 9, 25.0, tiny_wan.text(3), tiny_wan.text(4), blank_negative=True)
    for made, theirs in ((blank.positive, core[0]), (blank.negative, core[2])):
        assert torch.equal(made[0][1]["time_dim_concat"], theirs[0][1]["time_dim_concat"])


def test_a_vae_that_is_not_wans_is_refused() -> None:
    class Other:
        latent_channels, latent_dim = 4, 2

    with pytest.raises(InteractError, match="not that of Wan"):
        encode_cast([person(speech=voice())], Other(), 64, 48, 0, 25.0)


# --- sizes and timing


def test_length_comes_from_the_speech(vae: comfy.sd.VAE) -> None:
    characters = [person("Mira", voice(0.3)), person("Tobi", voice(0.3, start=0.2)), person("Cat")]
    made = encode_cast(characters, vae, 64, 48, 0, 25.0)
    assert made.cast.frames == 13  # 0.5 s are 12.5 frames
    assert made.latent["samples"].shape == (1, 16, 4, 6, 8)
    assert made.audio["waveform"].shape == (1, 1, round(13 / 25 * RATE)) and made.audio["sample_rate"] == RATE
    audio = made.positive[0][1]["model_conds"]["interact_audio"].cond
    assert audio.shape == (1, 3, 14, 2, 4)  # two speakers and mute; the cat gets mute


def test_what_was_changed_is_said(vae: comfy.sd.VAE) -> None:
    made = encode_cast([person(speech=voice())], vae, 71, 41, 6, 24.0)
    assert (made.cast.width, made.cast.height, made.cast.frames) == (64, 48, 9)
    said = " ".join(map(str, made.summary.lines))
    for text in ("64x48", "71x41 is not a multiple of 16", "9 frames", "6 is not 4n+1", "24 fps"):
        assert text in said
    unchanged = encode_cast([person(speech=voice())], vae, 64, 48, 9, 25.0)
    assert [line.key for line in unchanged.summary.lines] == ["video", "speaks"]


def test_sizes_go_to_the_nearest_multiple() -> None:
    assert [cast_encoding.nearest_size(pixels) for pixels in (1, 16, 23, 25, 833)] == [16, 16, 16, 32, 832]


def test_silence_is_heard_before_and_after_a_speech(vae: comfy.sd.VAE) -> None:
    speech = voice(0.2, start=0.2)
    made = encode_cast([person(speech=speech)], vae, 64, 48, 17, 25.0)
    track, mute = made.positive[0][1]["model_conds"]["interact_audio"].cond[0, :, :17]
    torch.testing.assert_close(track[:4], mute[:4])
    torch.testing.assert_close(track[12:], mute[12:])
    torch.testing.assert_close(track[5:10], speech[SPEECH_KEY].features)


def test_nobody_speaks(vae: comfy.sd.VAE) -> None:
    made = encode_cast([person()], vae, 64, 48, 5, 25.0)
    assert "interact_audio" not in made.positive[0][1]["model_conds"]
    assert not made.audio["waveform"].any()
    with pytest.raises(InteractError, match="set the length"):
        encode_cast([person()], vae, 64, 48, 0, 25.0)


def test_cores_audio_encoder_output_is_taken(vae: comfy.sd.VAE) -> None:
    layers = [torch.randn(1, 20, 4) for _ in range(2)]
    core = {"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": 6400}
    made = encode_cast([person("Mira", voice()), person("Tobi", core)], vae, 64, 48, 0, 25.0)
    assert made.cast.frames == 13  # 0.4 s
    audio = made.positive[0][1]["model_conds"]["interact_audio"].cond
    torch.testing.assert_close(
        audio[0, 2, 0], voice()[SPEECH_KEY].mute
    )  # ours encoded silence, core's guess is not used


def test_what_is_wrong_with_the_cast_is_said_before_anything_is_encoded() -> None:
    class Untouchable:
        """A VAE that must not be asked anything."""

    spoken = voice()
    endless = {SPEECH_KEY: replace(spoken[SPEECH_KEY], start=3600.0)}
    long_layout = make_character("Mira", picture(), None, spoken, torch.ones(3, 48, 64))
    for characters, message in (
        ([], "no characters"),
        ([person("Mira", spoken), person(" Mira ")], "two characters are named 'Mira'"),
        ([person("Mira", {"encoded_audio": torch.zeros(1)})], "speech of 'Mira'"),
        ([long_layout], "layout mask of 'Mira' has 3 frames, but the video has 9"),
        ([person("Mira", spoken), person("Tobi", voice(layers=3))], "same audio encoder"),
    ):
        with pytest.raises(InteractError, match=message):
            encode_cast(characters, Untouchable(), 64, 48, 9, 25.0)
    with pytest.raises(InteractError, match="GiB of memory once decoded.*shorten the speech"):
        encode_cast([person("Mira", endless)], Untouchable(), 4096, 4096, 0, 25.0)
    with pytest.raises(InteractError, match="frame rate"):
        encode_cast([person("Mira", spoken)], Untouchable(), 64, 48, 9, 0.0)


def test_a_layout_may_be_one_mask_or_one_per_frame(vae: comfy.sd.VAE) -> None:
    for layout in (torch.ones(48, 64), torch.ones(1, 20, 20), torch.ones(9, 48, 64)):
        left = make_character("Mira", picture(), None, voice(), layout)
        made = encode_cast([left, person("Tobi", voice())], vae, 64, 48, 9, 25.0)
        assert torch.equal(made.cast.layouts[0], torch.ones(3, 3, 4)) and not made.cast.layouts[1].any()
