"""The bench for dubbing without its models: a source, what is measured of a dub, and its figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from interacthuman.benchmarks import dubbing
from interacthuman.interact_core.host.encode.dubbing import EncodedDub
from interacthuman.interact_core.theatre.pipeline import Dub, shipped_run_settings
from interacthuman.interact_core.theatre.scenes import random_scene, render

SETTINGS = replace(shipped_run_settings(25), width=192, height=128)


class SameVAE:
    """Gives back what it was given."""

    encode = decode = staticmethod(lambda value: value)


def drawn_dub() -> tuple[dubbing.Source, Dub]:
    """A film whose first puppet is drawn anew with its new voice, as a perfect dub would have it."""
    source = dubbing.draw_source(0, SETTINGS, dubbing.load_recordings(None), SameVAE)
    scene = random_scene(np.random.default_rng(dubbing.FIRST_SEED), 2, 192, 128, dubbing.MOTION)
    assert scene.looks == source.case.looks
    new = source.case.excerpts[0].mouth_openings(SETTINGS.fps, SETTINGS.frames)
    anew = render(scene, np.stack([new, np.zeros_like(new)])).frames
    mask = torch.from_numpy((source.drawn.masks[0] > 0).astype(np.float32))
    latent = {"samples": torch.rand(1, 16, 7, 16, 24), "noise_mask": torch.ones(1, 1, 7, 16, 24)}
    return source, Dub(
        anew, anew, EncodedDub(latent, torch.from_numpy(source.drawn.frames) / 255.0, mask, ())
    )


def test_a_perfect_dub_follows_its_new_voice_and_changes_nothing_else() -> None:
    source, made = drawn_dub()
    made = replace(made, decoded=made.decoded + (made.decoded < 250) * np.uint8(4))
    found = dubbing.measure_dub(SETTINGS, source, made, step=10.0)
    assert found.sync > 0.8 and found.crosstalk < 0.4 and found.pinned_open == 0.0
    assert found.whole == found.whole_alone > 0.95
    assert found.shown == found.alone == 0.0 and 1.0 < found.decoded <= 4.0 and 0.02 < found.dubbed < 0.6
    assert 0.0 < found.share < 0.02
    worse = replace(found, sync=0.0, shown=0.1)
    rows = {figure.name: figure for figure in dubbing.figures_of([{"tracked": found}, {"tracked": worse}])}
    assert rows["sync_tracked"].value == found.sync / 2 and rows["sync_tracked"].count == 2
    assert not rows["sync_tracked"].holds and not rows["kept_off_tracked"].holds
    assert rows["kept_off_over_the_autoencoder_tracked"].value == found.decoded


def test_a_mask_in_pixels_is_timed_as_one_in_cells() -> None:
    """As core's own SetLatentNoiseMask leaves it, a picture for each video frame."""
    samples = torch.rand(1, 16, 3, 4, 6)
    for mask in (torch.ones(9, 1, 32, 48), torch.ones(1, 1, 3, 4, 6)):
        assert dubbing.mask_seconds({"samples": samples, "noise_mask": mask}, repeats=1) >= 0.0


def test_cores_own_nodes_blur_the_masks_of_frames() -> None:
    """Why there is a node: a mask of four frames is spread by interpolation, and not by their union."""
    from comfy.utils import reshape_mask
    from interacthuman.interact_core.guidance.dubbing import dubbed_cells

    mask = torch.zeros(13, 64, 64)
    mask[5:9, 16:48, 16:48] = 1.0  # somebody who is there in latent frame 2 alone
    cells = dubbed_cells(mask)
    spread = reshape_mask(mask[:, None], (1, 1, 4, 8, 8))[0, 0]
    assert cells.amax((1, 2)).tolist() == [0, 0, 1, 0]
    assert spread[1].amax() > 0.1 or spread[2].amin((0, 1)) < 1.0
    assert not torch.equal(spread, cells)
