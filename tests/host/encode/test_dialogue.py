"""InterAct Dialogue: recordings of the input folder become voices that go into the other nodes as they are."""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.examples import load_example, recording_file
from interacthuman.interact_core.guidance import Character
from interacthuman.interact_core.host.encode.cast_encoding import make_region_character, speech_of
from interacthuman.interact_core.host.encode.dialogue import (
    encode_dialogue,
    fingerprint,
    recording_path,
)
from interacthuman.interact_core.host.encode.recording import encode_speech_of
from interacthuman.interact_core.speech.timeline import frames_for
from interacthuman.nodes.dialogue import InterActDialogue
from interacthuman.tests.support.models import tiny_wan  # noqa: F401  (before anything of comfy)
from interacthuman.tests.support.sounds import syllables
from torch import Tensor

import folder_paths  # isort: skip

RATE = 16000


class Encoder:
    """Core's AudioEncoderModel in short: two layers of 50 states a second that carry the sound's own level."""

    def encode_audio(self, audio: Tensor, sample_rate: int) -> dict[str, object]:
        samples = audio.shape[-1] * 16000 // sample_rate
        states = audio.mean(1)[:, None].abs()
        layer = torch.nn.functional.interpolate(states, samples // 320)[0, 0].view(1, -1, 1).expand(1, -1, 4)
        return {"encoded_audio": layer, "encoded_audio_all_layers": [layer] * 2, "audio_samples": samples}


def write(path: Path, sound: Tensor, rate: int = RATE) -> Tensor:
    """Writes 16-bit PCM; what can be read of it again, [channels, samples]."""
    whole = (torch.atleast_2d(sound).clamp(-1, 1) * 32767).round()
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(whole.shape[0])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(whole.mT.numpy().astype(np.int16).tobytes())
    return whole / 32768


@pytest.fixture
def inputs(tmp_path: Path) -> Iterator[Path]:
    before = folder_paths.get_input_directory()
    folder = tmp_path / "input"
    folder.mkdir()
    folder_paths.set_input_directory(str(folder))
    yield folder
    folder_paths.set_input_directory(before)


@pytest.fixture
def mira(inputs: Path) -> Tensor:
    return write(inputs / "mira.wav", syllables(2.0, RATE, 1))[0]


@pytest.fixture
def tobi(inputs: Path) -> Tensor:
    return write(inputs / "takes" / "tobi.wav", syllables(1.0, RATE, 2))[0]


def script(*lanes: tuple[str, list[dict[str, Any]]], **more: Any) -> str:
    return json.dumps({"lanes": [{"name": name, "clips": clips, **more} for name, clips in lanes]})


MIRA = ("Mira", [{"file": "mira.wav", "start": 0.4}])
TOBI = ("Tobi", [{"file": "takes/tobi.wav [input]", "start": 2.0, "gain": 0.5}])


def said(text: str, **settings: Any) -> list[str]:
    return [str(line) for line in encode_dialogue(text, **settings).lines]


def test_voices_begin_with_the_film_and_the_mix_is_as_long_as_it(mira: Tensor, tobi: Tensor) -> None:
    made = encode_dialogue(script(MIRA, TOBI))
    assert (made.frames, made.fps) == (77, 25.0)  # 3 s are 75 frames
    one, other = (voice["waveform"] for voice in made.voices)
    assert torch.equal(one[0, 0, 6400:], mira) and not one[0, 0, :6400].any()
    assert torch.equal(other[0, 0, 32000:], 0.5 * tobi) and not other[0, 0, :32000].any()
    mixed = made.audio["waveform"]
    assert mixed.shape == (1, 1, round(77 / 25 * RATE)) and made.audio["sample_rate"] == RATE
    expected = torch.zeros(mixed.shape[-1])
    expected[6400:38400] += mira
    expected[32000:48000] += 0.5 * tobi
    assert torch.allclose(mixed[0, 0], expected)
    assert len(made.outputs) == 19 and made.outputs[5:] == (None,) * 14
    assert [str(line) for line in made.lines] == [
        "77 frames (3.08 s at 25 fps).",
        "Mira and Tobi speak at once: 2.00-2.40 s.",
    ]


def test_the_voices_go_into_the_other_nodes_as_they_are(mira: Tensor, tobi: Tensor) -> None:
    """By audio_encoder straight to speech of a character, and as sound by Encode Speech: to the same place."""
    straight = encode_dialogue(script(MIRA, TOBI), encoder=Encoder())
    plain = encode_dialogue(script(MIRA, TOBI))
    region = torch.ones(1, 8, 8)
    speeches = []
    for name, voice, sound in zip(("Mira", "Tobi"), straight.voices, plain.voices, strict=True):
        character = make_region_character(name, region, voice, sound=sound)
        speech = speech_of(make_region_character(name, region, voice))
        assert isinstance(character, Character) and speech is not None and speech.has_sound
        speeches.append(speech)
        by_node = encode_speech_of(Encoder(), sound)
        assert by_node.end == pytest.approx(speech.end) == pytest.approx({"Mira": 2.4, "Tobi": 3.0}[name])
    assert [speech.start for speech in speeches] == pytest.approx([0.4, 2.0])
    assert torch.equal(speeches[0].waveform[0], mira)
    assert frames_for(speeches, 25.0) == straight.frames == plain.frames


def test_a_voice_that_was_not_encoded_says_what_to_connect(mira: Tensor) -> None:
    voice = encode_dialogue(script(MIRA)).voices[0]
    with pytest.raises(InteractError, match="'Mira'.*connect audio_encoder on InterAct Dialogue"):
        speech_of(make_region_character("Mira", torch.ones(1, 8, 8), voice))


def test_a_lane_in_which_nobody_speaks_is_a_silent_character_and_silent_sound(mira: Tensor) -> None:
    text = json.dumps({"lanes": [{"name": "Mira", "clips": MIRA[1]}, {"name": "Ada"}]})
    made = encode_dialogue(text, encoder=Encoder())
    assert make_region_character("Ada", torch.ones(1, 8, 8), made.voices[1]).speech is None
    assert made.voices[1]["waveform"].shape == (1, 1, round(made.frames / 25 * RATE))
    assert "Silent: Ada." in [str(line) for line in made.lines]


def test_one_recording_of_two_people_becomes_two_lanes(mira: Tensor) -> None:
    first, second = ({"file": "mira.wav", "in": a, "out": b, "start": a} for a, b in ((0.0, 0.8), (0.8, 2.0)))
    made = encode_dialogue(script(("Mira", [first]), ("Tobi", [second])))
    assert torch.allclose(sum(_padded(voice, 32000) for voice in made.voices), mira)


def _padded(voice: dict[str, Any], samples: int) -> Tensor:
    sound = voice["waveform"][0, 0]
    return torch.nn.functional.pad(sound, (0, samples - len(sound)))


def test_what_is_cut_muted_resampled_and_left_over_is_said(inputs: Path, mira: Tensor) -> None:
    write(inputs / "low.wav", syllables(1.0, 8000), 8000)
    clips = [
        {"file": "mira.wav", "start": -0.5},
        {"file": "low.wav", "start": 1.2, "out": 3.0},
        {"file": "low.wav", "start": 3.0, "mute": True},
        {"file": "low.wav", "in": 1.5, "start": 3.0, "hue": 1},
    ]
    lanes = [
        {"name": "Mira", "clips": clips},
        {"name": "Tobi", "mute": True, "clips": [{"file": "gone.wav"}]},
    ]
    assert said(json.dumps({"lanes": lanes}), length=50) == [
        "53 frames (2.12 s at 25 fps).",
        "The length was rounded up: 50 is not 4n+1.",
        "In the dialogue hue is not known here and was not used.",
        "Cut of Mira: 0.50 s of mira.wav before the start of the video.",
        "A clip of Mira goes to 3.00 s of low.wav, which is over at 1.00 s.",
        "Cut of Mira: 0.08 s of low.wav after the end of the video at 2.12 s.",
        "Left out of the lane of Mira: a clip of low.wav that begins at 1.50 s, behind the end of the recording.",
        "Muted, so silent in the video: Tobi.",
        "1 clip is muted and left out.",
        "Clips of Mira lie over each other, and both are heard: 1.20-1.50 s.",
        "Resampled to 16000 Hz, the highest rate among the recordings: low.wav.",
    ]


def test_many_overlaps_and_pauses_are_counted_and_the_longest_told(inputs: Path) -> None:
    write(inputs / "a.wav", syllables(2.0))
    clips = [{"file": "a.wav", "out": 1.0 + 0.1 * at, "start": 3.0 * at} for at in range(7)]
    lines = said(script(("Mira", clips), ("Tobi", clips)))
    assert lines[1].startswith("Mira and Tobi speak at once 7 times; the longest: 6.00-7.20 s, 9.00-10.30 s,")
    assert lines[2].startswith("Nobody speaks in 6 pauses; the longest: 1.00-3.00 s, 4.10-6.00 s,")


def test_a_mix_that_is_too_loud_is_turned_down_and_said(inputs: Path) -> None:
    write(inputs / "loud.wav", torch.sin(torch.arange(RATE) * 0.3))
    clip = {"file": "loud.wav", "gain": 2.0}
    made = encode_dialogue(script(("Mira", [clip])))
    assert made.audio["waveform"].abs().max() == 1.0
    assert str(made.lines[-1]) == "The mixed sound peaked at 2.00 and was turned down to 1."


@pytest.mark.parametrize(
    "file",
    [
        *(
            "../secret.wav",
            "/etc/passwd",
            "a/../../secret.wav",
            "x [output]",
            "x [temp]",
            "\0",
            "../input2/x",
        ),
        *("../viewer/viewer.js [example]", "Mira.wav [example]/../../secret.wav", "/mira.wav [example]"),
    ],
)
def test_nothing_outside_of_the_input_folder_is_opened(inputs: Path, file: str) -> None:
    for name in ("secret.wav", "input2/x"):
        write(inputs.parent / name, syllables(0.5))
    with pytest.raises(InteractError, match="input folder"):
        encode_dialogue(script(("Mira", [{"file": file}])))
    checked = InterActDialogue.validate_inputs(script(("Mira", [{"file": file}])))
    assert isinstance(checked, str) and "input folder" in checked


def test_what_is_missing_or_no_recording_is_named(inputs: Path, mira: Tensor) -> None:
    (inputs / "notes.txt").write_text("no sound")
    two = [{"file": "gone.wav"}, {"file": "lost.wav"}]
    with pytest.raises(
        InteractError, match=r"2 of the dialogue's recordings are not .*\(gone.wav, lost.wav\)"
    ):
        encode_dialogue(script(MIRA, ("Tobi", two)))
    with pytest.raises(InteractError, match=r"notes.txt cannot be used") as error:
        encode_dialogue(script(("Tobi", [{"file": "notes.txt"}])))
    assert str(inputs) not in str(error.value)
    with pytest.raises(InteractError, match="Nobody speaks in the dialogue"):
        encode_dialogue("")
    with pytest.raises(InteractError, match="Nothing of the dialogue lies in the film"):
        encode_dialogue(script(("Mira", [{"file": "mira.wav", "start": -5.0}])))
    assert InterActDialogue.validate_inputs(script(MIRA)) is True
    assert "lost.wav" in str(InterActDialogue.validate_inputs(script(("Tobi", two))))


def test_recordings_of_this_pack_are_there_for_templates(inputs: Path) -> None:
    """By their names alone, sample for sample; a file of that name among one's own is another one."""
    write(inputs / "mira.wav", syllables(1.0, RATE, 3))
    made = encode_dialogue(script(("Mira", [{"file": "mira.wav [example]"}])))
    expected = load_example("Mira")[1]["waveform"][0]
    assert torch.equal(made.audio["waveform"][0, :, : expected.shape[-1]], expected)
    assert recording_path("mira.wav [example]") == recording_file("Mira") != recording_path("mira.wav")


def test_a_silent_film_has_the_length_that_was_asked_for() -> None:
    made = encode_dialogue('{"lanes": [{"name": "Ada"}]}', fps=24.0, length=24)
    assert made.frames == 25 and made.audio["waveform"].shape[-1] == round(25 / 24 * 44100)
    assert not made.audio["waveform"].any()


def test_a_recording_that_was_replaced_is_noticed(inputs: Path, mira: Tensor) -> None:
    before = fingerprint(script(MIRA))
    assert (
        before and before == fingerprint(script(MIRA)) and fingerprint("{") == fingerprint(script(TOBI)) == ()
    )
    write(inputs / "mira.wav", syllables(1.0, RATE, 3))
    assert fingerprint(script(MIRA)) != before
    assert recording_path("mira.wav [input]") == recording_path("mira.wav") == inputs / "mira.wav"
