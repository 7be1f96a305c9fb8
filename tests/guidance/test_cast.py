"""Who is in the video, and fixed masks on the token grid."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import (
    Cast,
    Character,
    assemble_cast,
    layouts_on_grid,
    snap_frames,
)
from interacthuman.interact_core.guidance.layout import share_kept

PICTURE = torch.ones(1, 20, 30, 3)


def character(name: str = "Ada", **parts: object) -> Character:
    return Character(**{"name": name, "image": PICTURE, "speech": None, "layout": None, **parts})


def test_a_cast_knows_its_sizes() -> None:
    cast = assemble_cast([character("Ada", speech={}), character("Ben")], 48, 32, 25, 25.0)
    assert cast.names == ("Ada", "Ben") and cast.speaking == (True, False)
    assert cast.latent_frames == 7 and cast.grid == (7, 2, 3) and cast.layouts is None


@pytest.mark.parametrize(
    "parts, sentence",
    [
        ({"name": ""}, "has no name"),
        ({"name": "  "}, "has no name"),
        ({"name": "x" * 101}, "has 101 characters"),
        ({"image": None}, "'Ada' has no picture"),
        ({"image": torch.ones(1, 1, 1, 3)}, "picture of 'Ada' is 1x1 pixels"),
        ({"image": torch.ones(1, 15, 64, 3)}, "picture of 'Ada' is 64x15 pixels"),
        ({"image": torch.ones(1, 20, 20, 4)}, "alpha channel"),
        ({"image": torch.ones(2, 20, 20, 3)}, "expected one picture"),
        ({"image": torch.ones(20, 20, 3)}, "expected one picture"),
        ({"image": torch.full((1, 20, 20, 3), math.nan)}, "NaN or infinity"),
        ({"layout": torch.ones(20, 20)}, "layout mask of 'Ada' has shape \\[20, 20\\]"),
        ({"layout": torch.ones(0, 20, 20)}, "layout mask of 'Ada' has shape"),
    ],
)
def test_a_wrong_character_is_named(parts: dict[str, object], sentence: str) -> None:
    with pytest.raises(InteractError, match=sentence):
        character(**parts)


@pytest.mark.parametrize(
    "names, size, sentence",
    [
        ((), (32, 32, 9, 25.0), "there are no characters"),
        (("Ada", "Ben", "Ada"), (32, 32, 9, 25.0), "two characters are named 'Ada'"),
        (("Ada",), (40, 32, 9, 25.0), "width is 40, not a multiple of 16: use 32"),
        (("Ada",), (32, 0, 9, 25.0), "height is 0, not a multiple of 16: use 16"),
        (("Ada",), (32, 32, 10, 25.0), "10 frames long, which is not 4n\\+1: use 13"),
        (("Ada",), (32, 32, 0, 25.0), "0 frames long"),
        (("Ada",), (32, 32, 9, 0.0), "frame rate is 0.0"),
        (("Ada",), (32, 32, 9, math.nan), "frame rate is nan"),
    ],
)
def test_a_wrong_cast_is_named(names: tuple[str, ...], size: tuple, sentence: str) -> None:
    characters = tuple(character(name) for name in names)
    with pytest.raises(InteractError, match=sentence):
        assemble_cast(characters, *size)
    with pytest.raises(InteractError, match=sentence):
        Cast(characters, *size, None)


def test_layouts_must_fit_the_grid() -> None:
    with pytest.raises(InteractError, match="layouts have shape \\[1, 3, 2, 3\\], expected \\[1, 3, 2, 2\\]"):
        Cast((character(),), 32, 32, 9, 25.0, torch.zeros(1, 3, 2, 3))


def test_characters_without_a_layout_beside_one_with_are_nowhere() -> None:
    cast = assemble_cast([character("Ada"), character("Ben", layout=torch.ones(1, 8, 8))], 32, 16, 9, 25.0)
    assert cast.layouts.shape == (2, 3, 1, 2)
    assert not cast.layouts[0].any() and bool((cast.layouts[1] == 1).all())


def test_a_layout_of_the_wrong_length_names_its_character() -> None:
    long = character("Ben", layout=torch.ones(10, 8, 8))
    with pytest.raises(InteractError, match="layout mask of 'Ben' has 10 frames, but the video has 9"):
        assemble_cast([character("Ada"), long], 32, 16, 9, 25.0)


def test_a_layout_with_nan_names_its_character() -> None:
    with pytest.raises(InteractError, match="'Ben' contains NaN"):
        layouts_on_grid(torch.full((1, 8, 8), math.nan), 9, 32, 16, "Ben")


def test_latent_frames_take_the_mean_of_their_video_frames() -> None:
    frames = torch.arange(9.0).view(9, 1, 1).expand(-1, 32, 16) / 10
    grid = layouts_on_grid(frames, 9, 16, 32)
    assert grid.shape == (3, 2, 1)
    torch.testing.assert_close(grid[:, 0, 0], torch.tensor([0.0, 0.25, 0.65]))


def test_tokens_take_the_mean_of_their_pixels() -> None:
    mask = torch.zeros(1, 32, 48)
    mask[:, :16, 16:32] = 1  # exactly token (0, 1)
    mask[:, 16:24, 32:40] = 1  # a quarter of token (1, 2)
    expected = torch.tensor([[0, 1, 0], [0, 0, 0.25]])
    assert torch.equal(layouts_on_grid(mask, 5, 48, 32), expected.expand(2, -1, -1))


@examples(max_examples=80, deadline=None)
@given(
    st.integers(0, 4),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
)
def test_pooling_keeps_range_and_constants(
    latent: int, mask_height: int, mask_width: int, rows: int, columns: int, still: bool
) -> None:
    frames = 4 * latent + 1
    count = 1 if still else frames
    generator = torch.Generator().manual_seed(latent)
    width, height = 16 * columns, 16 * rows
    mask = torch.rand(count, mask_height, mask_width, generator=generator) * 3 - 1
    if share_kept(mask, width, height) > 0:
        grid = layouts_on_grid(mask, frames, width, height)
        assert grid.shape == (latent + 1, rows, columns) and grid.dtype == torch.float32
        assert float(grid.min()) >= 0 and float(grid.max()) <= 1
    full = layouts_on_grid(torch.ones_like(mask), frames, width, height)
    torch.testing.assert_close(full, torch.ones_like(full))
    own = torch.rand(1, height, width, generator=generator) * 3 - 1
    torch.testing.assert_close(layouts_on_grid(own, frames, width, height)[0].mean(), own.clamp(0, 1).mean())


@given(st.integers(-5, 1000))
def test_lengths_snap_up_to_4n_plus_1(frames: int) -> None:
    snapped = snap_frames(frames)
    assert snapped % 4 == 1 and snapped >= 1 and snapped >= frames and snapped - max(frames, 1) < 4
