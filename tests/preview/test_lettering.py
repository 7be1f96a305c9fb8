"""Names in any letters."""

from __future__ import annotations

from interacthuman.interact_core.preview import lettering
from interacthuman.interact_core.preview.contact_sheet import draw_contact_sheet
from interacthuman.tests.support.run_records import column_record


def test_names_are_written_in_any_letters() -> None:
    for name in ("Mira", "\u00c4nne", "\u9ce5\u5c45", "\U0001f600", ""):
        assert lettering.text_width(name, 15) >= 0
        assert draw_contact_sheet(column_record(1, (name or "-", "Tobi"))).isfinite().all()
    assert lettering.plain("\u00c4nne \u9ce5") == "Anne ?"
