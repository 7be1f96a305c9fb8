"""What a scorer is loaded of: files, the package mediapipe where a file is missing, SDPose by core's own loader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.metrics.sync.tracks import TrackRules
from interacthuman.tests.support.models import tiny_wan  # noqa: F401  (before anything of comfy)
from safetensors.torch import save_file

from interacthuman.interact_core.host import scorer as host  # isort: skip
from interacthuman.interact_core.host.detectors.hands import load_sdpose  # isort: skip


class Found:
    """In place of a detector of the package."""


@pytest.fixture
def no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """ComfyUI's folders hold none of the files, and the package is there."""
    for places in ("face_places", "syncnet_places"):
        monkeypatch.setattr(host, places, dict)
    monkeypatch.setattr(host, "embedder_places", lambda kind: {})
    monkeypatch.setattr(host, "has_package", lambda: True)
    monkeypatch.setattr(host, "MediaPipeFaces", Found)
    monkeypatch.setattr(host, "MediaPipeHands", Found)


def test_the_package_takes_the_place_of_a_missing_file_and_that_is_said(no_files, monkeypatch) -> None:
    scorer = host.load_found_scorer(host.ScorerFiles())
    assert isinstance(scorer.faces, Found) and isinstance(scorer.hands, Found)
    assert scorer.notes == (host.BY_PACKAGE, host.HANDS_BY_PACKAGE)
    assert host.ScorerFiles().identity()["package"] is True
    alone = host.load_scorer(host.ScorerFiles())
    assert alone.faces is None and alone.notes == (), "a graph asks for it by name"
    assert isinstance(host.load_scorer(host.ScorerFiles(package=True)).faces, Found)
    monkeypatch.setattr(host, "has_package", lambda: False)
    without = host.load_found_scorer(host.ScorerFiles())
    assert without.faces is None and without.hands is None and without.notes == ()
    assert without.why_not("hands") == (host.NO_POSE_OPTION,)


def test_a_file_goes_before_the_package_and_rules_change_what_is_kept(
    no_files, tmp_path: Path, monkeypatch
) -> None:
    file = tmp_path / "faces.safetensors"
    file.touch()
    monkeypatch.setattr(host, "face_places", lambda: {"faces.safetensors": file})
    files = host.ScorerFiles().found()
    assert files.faces == file and not files.package
    ruled = replace(files, rules=TrackRules(min_size=100.0))
    assert files.identity() != ruled.identity() and ruled.found().rules == ruled.rules
    monkeypatch.setattr(host, "load_face_landmarker", lambda path: path)
    assert host.load_scorer(ruled).rules.min_size == 100.0


def test_other_checkpoints_are_no_sdpose(tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(1)}, other)
    with pytest.raises(InteractError, match="is another model than SDPose"):
        load_sdpose(other)
    torch.save({}, tmp_path / "pose.ckpt")
    with pytest.raises(InteractError, match="SDPose"):
        load_sdpose(tmp_path / "pose.ckpt")
