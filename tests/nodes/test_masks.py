"""Masks as pictures and as MASKs."""

from __future__ import annotations

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import MaskHistory
from interacthuman.interact_core.preview import contact_sheet, lettering, masks, palette
from interacthuman.interact_core.preview.contact_sheet import chosen_rows, draw_contact_sheet, evenly
from interacthuman.interact_core.preview.overlay import draw_overlay
from torch import Tensor

WIDTH, HEIGHT, FRAMES = 64, 48, 9
GRID = (3, 3, 4)


def history(
    recorded: int = 4, names: tuple[str, ...] = ("Mira", "Tobi"), boundary: int = 1, **changes: object
) -> MaskHistory:
    """The first character is in the left column, the second in the right one, nobody else anywhere."""
    drawn = torch.zeros(recorded, len(names), *GRID)
    drawn[:, 0, :, :, 0] = 1.0
    drawn[:, -1, :, :, -1] = 1.0
    fields = {
        "masks": drawn.half(),
        "steps": tuple(range(recorded)),
        "sigmas": tuple(1 - step / recorded for step in range(recorded)),
        "boundary_step": boundary,
        "total_steps": recorded,
        "names": names,
        "width": WIDTH,
        "height": HEIGHT,
        "frames": FRAMES,
        "fps": 25.0,
    }
    return MaskHistory(**{**fields, **changes})


def video(frames: int = FRAMES, shade: float = 0.5) -> Tensor:
    return torch.full((frames, HEIGHT, WIDTH, 3), shade)


# --- onto the video


def test_video_frames_take_the_mask_of_their_latent_frame() -> None:
    assert [masks.latent_frame_of(frame) for frame in range(10)] == [0, 1, 1, 1, 1, 2, 2, 2, 2, 3]
    drawn = torch.zeros(1, 1, *GRID)
    drawn[0, 0] = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1)
    made = masks.masks_as_video(history(1, ("Mira",), masks=drawn.half()), "Mira")
    assert made.shape == (FRAMES, HEIGHT, WIDTH) and made.dtype == torch.float32
    assert made.mean((1, 2)).tolist() == [0.0] + [0.5] * 4 + [1.0] * 4


def test_masks_of_one_character_of_everybody_and_thresholded() -> None:
    left, right = (masks.masks_as_video(history(), name) for name in ("Mira", " Tobi "))
    assert left[:, :, :8].min() == 1.0 and not left[:, :, 24:].any()
    assert torch.equal(right, left.flip(-1))
    assert torch.equal(masks.masks_as_video(history(), ""), torch.maximum(left, right))
    assert left.unique().numel() > 2
    hard = masks.masks_as_video(history(), "Mira", threshold=0.5)
    assert hard.unique().tolist() == [0.0, 1.0] and torch.equal(hard, (left > 0.5).float())
    wide = masks.masks_as_video(history(), "Mira", threshold=0.1)
    assert wide.sum() > hard.sum()


def test_steps_count_from_one_and_zero_is_the_last() -> None:
    thinned = history(3, steps=(0, 4, 9), total_steps=10)
    found = [masks.recorded_step(thinned, step) for step in (0, 1, 2, 4, 5, 8, 10)]
    assert found == [2, 0, 0, 1, 1, 2, 2]
    with pytest.raises(InteractError, match="no step 11.*1 to 10, or 0"):
        masks.recorded_step(thinned, 11)
    with pytest.raises(InteractError, match="empty"):
        masks.recorded_step(history(0, total_steps=0, boundary=-1), 0)
    with pytest.raises(InteractError, match="no character 'Eva'.*Mira, Tobi"):
        masks.masks_as_video(history(), "Eva")


# --- overlay


def test_overlay_tints_everybody_in_their_own_colour() -> None:
    drawn = draw_overlay(history(), 0, video())
    factor = drawn.shape[2] // WIDTH
    assert drawn.shape == (FRAMES, HEIGHT * factor, WIDTH * factor, 3) and drawn.shape[2] >= 480
    assert 0 <= float(drawn.min()) and float(drawn.max()) <= 1
    low = HEIGHT * factor - 2  # below the names
    colours = palette.character_colours(2)
    for column, colour in ((1, colours[0]), (drawn.shape[2] - 2, colours[1])):
        expected = 0.5 * 0.55 + 0.45 * colour
        assert (drawn[3, low, column] - expected).abs().max() < 0.02
    assert (drawn[3, low, drawn.shape[2] // 2] - 0.5).abs().max() < 0.02  # nobody is there


def test_overlay_outlines_where_the_mask_passes_one_half() -> None:
    drawn = draw_overlay(history(), 0, video())
    row = drawn[0, -2]
    edge = drawn.shape[2] // 4  # between the first and the second of four tokens
    distance = (row - palette.character_colours(2)[0]).abs().amax(-1)
    found = int(distance[: drawn.shape[2] // 2].argmin())
    assert distance[found] < 0.05 and abs(found - edge) <= 3


def test_overlay_without_a_video_and_over_one_picture() -> None:
    assert draw_overlay(history(), 1).shape[0] == FRAMES
    still = draw_overlay(history(), 1, video(1))
    assert torch.equal(still, draw_overlay(history(), 1, video()))
    large = draw_overlay(history(), 0, torch.zeros(1, 500, 700, 3))
    assert large.shape[1:3] == (500, 700)  # the picture's own size, masks stretched
    for wrong in (2, FRAMES + 1):
        with pytest.raises(InteractError, match=f"{wrong} frames but the masks are of a video of 9"):
            draw_overlay(history(), 0, video(wrong))


# --- contact sheet


def test_contact_sheet_has_a_row_for_each_step_and_a_line_at_the_boundary() -> None:
    sheets = [draw_contact_sheet(history(steps, boundary=-1)) for steps in (1, 2, 3)]
    heights = [sheet.shape[1] for sheet in sheets]
    assert heights[2] - heights[1] == heights[1] - heights[0] == contact_sheet.cell_size(history())[1] + 6
    with_line = draw_contact_sheet(history(3, boundary=1))
    assert with_line.shape[1] == heights[2] + contact_sheet.BOUNDARY_HEIGHT
    assert with_line.shape[0] == 1 and with_line.shape[3] == 3
    white = torch.tensor(contact_sheet.LINE) / 255
    line = ((with_line[0, :, -20] - white).abs().amax(-1) < 0.01).nonzero()[:, 0]
    assert len(line) in (2, 3)  # one line across, between the rows of steps 1 and 2
    assert heights[0] - 30 < int(line[0]) < heights[0] + 30


def test_contact_sheet_shows_both_colours_in_the_legend_and_in_the_cells() -> None:
    sheet = draw_contact_sheet(history(boundary=-1))[0]
    for colour in palette.character_colours(2):
        close = (sheet - colour).abs().amax(-1) < 0.02
        assert close[: contact_sheet.legend_height(history(), 500)].any()
        assert close[contact_sheet.legend_height(history(), 500) + 30 :].any()


def test_contact_sheet_stays_of_one_size_however_long_the_run() -> None:
    many = draw_contact_sheet(history(50, boundary=10))
    assert many.shape == draw_contact_sheet(history(500, boundary=100)).shape
    assert max(many.shape[1:3]) < 2000
    names = tuple(f"character number {number}" for number in range(12))
    crowd = draw_contact_sheet(history(2, names, boundary=-1))
    assert (
        crowd.shape[1] > draw_contact_sheet(history(2, boundary=-1)).shape[1]
    )  # the legend takes more lines
    assert crowd.shape[2] == draw_contact_sheet(history(2, boundary=-1)).shape[2]


def test_rows_hold_first_last_and_the_first_of_stage_two() -> None:
    for boundary in range(50):
        rows = chosen_rows(history(50, boundary=boundary))
        assert rows[0] == 0 and rows[-1] == 49 and boundary in rows
        assert rows == sorted(set(rows)) and len(rows) == contact_sheet.ROWS
    assert evenly(3, 10) == [0, 1, 2] and evenly(100, 3) == [0, 50, 99]


# --- letters and colours


def test_names_are_written_in_any_letters() -> None:
    for name in ("Mira", "\u00c4nne", "\u9ce5\u5c45", "\U0001f600", ""):
        assert lettering.text_width(name, 15) >= 0
        assert draw_contact_sheet(history(1, (name or "-", "Tobi"))).isfinite().all()
    assert lettering.plain("\u00c4nne \u9ce5") == "Anne ?"


def test_every_character_has_a_colour_of_its_own() -> None:
    colours = palette.character_colours(20)
    assert len({tuple(colour) for colour in colours.tolist()}) == 20
    assert colours.min() >= 0 and colours.max() <= 1
    assert palette.as_bytes(colours[0]) == palette.OKABE_ITO[0]
