"""Training curves: a resumed run drops what is not of its checkpoint."""

from __future__ import annotations

from pathlib import Path

from interacthuman.interact_core.training.curves import Curves


def test_a_resumed_run_keeps_the_rows_before_its_checkpoint_and_no_cut_one(tmp_path: Path) -> None:
    path = tmp_path / "training.csv"
    whole = Curves(path, ("velocity", "rate"))
    for step in range(1, 13):
        whole.add(step, step / 2, 0.1)
    path.write_text(path.read_text()[:-10])  # a full disk: "12" and the rest became "1"
    assert path.read_text().splitlines()[-1] == "1"
    resumed = Curves(path, ("velocity", "rate"), first_step=4)
    assert resumed.rows == [(1, 0.5, 0.1), (2, 1.0, 0.1), (3, 1.5, 0.1)]
    assert path.read_text().splitlines() == ["step,velocity,rate", "1,0.5,0.1", "2,1.0,0.1", "3,1.5,0.1"]
