"""The contact sheet: a row for each step, the boundary, the legend, its size."""

from __future__ import annotations

import torch
from interacthuman.interact_core.preview import contact_sheet, palette
from interacthuman.interact_core.preview.contact_sheet import chosen_rows, draw_contact_sheet, evenly
from interacthuman.tests.support.run_records import COLUMN_GRID, column_record


def test_contact_sheet_has_a_row_for_each_step_and_a_line_at_the_boundary() -> None:
    sheets = [draw_contact_sheet(column_record(steps, boundary=-1)) for steps in (1, 2, 3)]
    heights = [sheet.shape[1] for sheet in sheets]
    assert (
        heights[2] - heights[1] == heights[1] - heights[0] == contact_sheet.cell_size(column_record())[1] + 6
    )
    with_line = draw_contact_sheet(column_record(3, boundary=1))
    assert with_line.shape[1] == heights[2] + contact_sheet.BOUNDARY_HEIGHT
    assert with_line.shape[0] == 1 and with_line.shape[3] == 3
    white = torch.tensor(contact_sheet.LINE) / 255
    line = ((with_line[0, :, -20] - white).abs().amax(-1) < 0.01).nonzero()[:, 0]
    assert len(line) in (2, 3)  # one line across, between the rows of steps 1 and 2
    assert heights[0] - 30 < int(line[0]) < heights[0] + 30


def test_contact_sheet_shows_both_colours_in_the_legend_and_in_the_cells() -> None:
    sheet = draw_contact_sheet(column_record(boundary=-1))[0]
    for colour in palette.character_colours(2):
        close = (sheet - colour).abs().amax(-1) < 0.02
        assert close[: contact_sheet.legend_height(column_record(), 500)].any()
        assert close[contact_sheet.legend_height(column_record(), 500) + 30 :].any()


def test_contact_sheet_stays_of_one_size_however_long_the_run() -> None:
    many = draw_contact_sheet(column_record(50, boundary=10))
    assert many.shape == draw_contact_sheet(column_record(500, boundary=100)).shape
    assert max(many.shape[1:3]) < 2000
    names = tuple(f"character number {number}" for number in range(12))
    crowd = draw_contact_sheet(column_record(2, names, boundary=-1))
    assert (
        crowd.shape[1] > draw_contact_sheet(column_record(2, boundary=-1)).shape[1]
    )  # the legend takes more lines
    assert crowd.shape[2] == draw_contact_sheet(column_record(2, boundary=-1)).shape[2]


def test_a_step_lies_over_the_picture_as_it_was_at_that_step_and_the_last_over_the_finished_video() -> None:
    """Read where nobody is: in the middle of the last row's cell, and of the one above it."""
    kept = torch.full((2, COLUMN_GRID[0], 6, 8, 3), 51, dtype=torch.uint8)
    for pictures, expected in ((kept, 0.2), (None, 0.8)):
        record = column_record(2, boundary=-1, pictures=pictures)
        sheet = draw_contact_sheet(record, torch.full((9, 48, 64, 3), 0.8))[0]
        width, height = contact_sheet.cell_size(record)
        bottom = sheet.shape[0] - contact_sheet.MARGIN - contact_sheet.GAP - height // 2
        x = sheet.shape[1] - contact_sheet.MARGIN - width // 2
        read = [sheet[y, x].tolist() for y in (bottom - height - contact_sheet.GAP, bottom)]
        for found, value in zip(read, (expected, 0.8)):
            assert all(abs(part - value) < 0.02 for part in found), (pictures is None, read)


def test_rows_hold_first_last_and_the_first_of_stage_two() -> None:
    for boundary in range(50):
        rows = chosen_rows(column_record(50, boundary=boundary))
        assert rows[0] == 0 and rows[-1] == 49 and boundary in rows
        assert rows == sorted(set(rows)) and len(rows) == contact_sheet.ROWS
    assert evenly(3, 10) == [0, 1, 2] and evenly(100, 3) == [0, 50, 99]
