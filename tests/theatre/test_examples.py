"""The puppets that come with the pack: as core's own loaders read them, and made by the shipped script."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from interacthuman.interact_core import examples
from interacthuman.interact_core.guidance.people import people_in_masks
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
        mask = examples.load_mask(character.name)[0].numpy()
        assert np.abs(mask * 255 - sample_speech.silhouette(character.look)).max() <= 8
        assert (kept[mask == 0] == 255).all() and (kept[mask == 1] < 255).any(-1).mean() > 0.9


def test_the_group_is_mira_and_tobi_apart() -> None:
    """As the script draws them; found as two people, left to right, and heard one after the other."""
    drawn, mask = sample_speech.group_picture()
    image, audio = examples.load_example(examples.GROUP)
    assert (image[0].numpy() * 255 - drawn).max() <= 8 and image.shape == (1, 256, 384, 3)
    assert np.abs(examples.load_mask(examples.GROUP)[0].numpy() * 255 - mask).max() <= 8
    found = people_in_masks(examples.load_mask(examples.GROUP))
    assert len(found) == len(examples.IN_GROUP)
    looks = {one.name: one.look for one in draw_characters(sample_speech.sample_files(4), sample_speech.SEED)}
    for name, person in zip(examples.IN_GROUP, found):
        felt = np.array(looks[name].felt) / 255
        worn = image[0][person > 0.9]
        assert ((worn - torch.from_numpy(felt)).abs().amax(-1) < 0.02).float().mean() > 0.2, name
    voices = [examples.load_example(name)[1]["waveform"] for name in examples.IN_GROUP]
    pause = round(examples.GROUP_PAUSE * audio["sample_rate"])
    assert torch.equal(audio["waveform"], torch.cat([voices[0], torch.zeros(1, 1, pause), voices[1]], -1))


def test_every_example_has_a_line_of_its_own() -> None:
    assert tuple(line.name for line in sample_speech.LINES) == examples.NAMES
    files = {path.name for path in examples.FOLDER.iterdir() if path.suffix in (".png", ".wav")}
    kinds = (".png", "_mask.png", ".wav")
    assert files == {f"{name.lower()}{kind}" for name in examples.NAMES for kind in kinds} | {
        "group.png",
        "group_mask.png",
    }


def test_the_node_gives_picture_and_sound_and_shows_the_picture(tmp_path, monkeypatch) -> None:
    import folder_paths
    from interacthuman.nodes.examples import InterActExample

    monkeypatch.setattr(folder_paths, "get_temp_directory", lambda: str(tmp_path))
    output = InterActExample.execute("Tobi")
    image, audio, mask = output.args
    assert torch.equal(mask, examples.load_mask("Tobi"))
    expected = examples.load_example("Tobi")
    assert torch.equal(image, expected[0]) and torch.equal(audio["waveform"], expected[1]["waveform"])
    (shown,) = output.ui["images"]
    assert shown["type"] == "temp" and (tmp_path / shown["filename"]).is_file()
