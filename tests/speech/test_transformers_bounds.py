"""wav2vec2 on the oldest transformers that requirements.txt admits; other tests run on the newest."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# What depends on transformers: reading a file, building the model, its states beside its own and core's.
TESTS = (
    "speech/test_encode.py::test_normalisation_is_that_of_transformers",
    "speech/test_wav2vec2.py",
    "speech/test_wav2vec2_file.py",
    "host/encode/test_audio_encoder.py",
)


@pytest.fixture(scope="module")
def oldest(root: Path) -> dict[str, str]:
    """The environment of a Python that finds the oldest transformers first."""
    folder = Path(os.environ.get("INTERACT_OLDEST_TRANSFORMERS") or root / ".cache" / "transformers-oldest")
    assert folder.is_dir(), f"no {folder}: dev.py's set-up makes it (python dev.py setup)"
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def bound_of(root: Path) -> str:
    return re.search(r"^transformers>=(\S+)$", (root / "requirements.txt").read_text(), re.MULTILINE)[1]


def test_the_other_tests_run_on_a_newer_one(root: Path) -> None:
    newest = importlib.metadata.version("transformers")
    assert int(newest.split(".")[0]) > int(bound_of(root).split(".")[0])


def test_wav2vec2_on_the_oldest(root: Path, oldest: dict[str, str]) -> None:
    chosen = [str(root / "tests" / test) for test in TESTS]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "not slow", *chosen]
    run = subprocess.run(
        command, cwd=root, env=oldest, capture_output=True, text=True, timeout=600, check=False
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert f"transformers {bound_of(root)}" in run.stdout  # the header that tests/conftest.py writes
