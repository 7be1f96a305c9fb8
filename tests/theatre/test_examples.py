"""The puppets that come with the pack: as core's own loaders read them, and made by the shipped script."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from interacthuman.interact_core import examples
from interacthuman.interact_core.metrics.puppets.drawing import portrait
from interacthuman.interact_core.theatre import sample_speech
from interacthuman.interact_core.theatre.demo_characters import draw_characters
from interacthuman.tests.support.models import tiny_wan  # noqa: F401  (before anything of comfy)
from PIL import Image


@pytest.mark.parametrize("name", examples.NAMES)
def test_an_example_is_what_core_would_load(name: str) -> None:
    from comfy_extras.nodes_audio import load

    image, audio = examples.load_example(name)
    waveform, rate = load(str(examples.recording_file(name)))
    assert torch.equal(audio["waveform"], waveform[None]) and audio["sample_rate"] == rate
    assert audio["waveform"].abs().max() > 0.5
    assert image.dtype == torch.float32 and image.shape == (1, 256, 384, 3)
    assert image.min() >= 0 and image[0, 0, 0].tolist() == [1.0, 1.0, 1.0]


def test_portraits_are_those_that_the_script_draws() -> None:
    """And so those of the demo's own seed."""
    characters = draw_characters(sample_speech.sample_files(4), sample_speech.SEED)
    for character in characters:
        drawn = portrait(character.look, sample_speech.WIDTH, sample_speech.HEIGHT)
        kept = np.asarray(Image.open(examples.portrait_file(character.name)))
        assert np.abs(kept.astype(int) - drawn).max() <= 8, "run sample_speech.py"  # another OpenCV may round


def test_every_example_has_a_line_of_its_own() -> None:
    assert tuple(line.name for line in sample_speech.LINES) == examples.NAMES
    files = {path.name for path in examples.FOLDER.iterdir() if path.suffix in (".png", ".wav")}
    assert files == {f"{name.lower()}{kind}" for name in examples.NAMES for kind in (".png", ".wav")}


def test_the_node_gives_picture_and_sound_and_shows_the_picture(tmp_path, monkeypatch) -> None:
    import folder_paths
    from interacthuman.nodes.examples import InterActExample

    monkeypatch.setattr(folder_paths, "get_temp_directory", lambda: str(tmp_path))
    output = InterActExample.execute("Tobi")
    image, audio = output.args
    expected = examples.load_example("Tobi")
    assert torch.equal(image, expected[0]) and torch.equal(audio["waveform"], expected[1]["waveform"])
    (shown,) = output.ui["images"]
    assert shown["type"] == "temp" and (tmp_path / shown["filename"]).is_file()
