"""The speech room on the oldest transformers that requirements.txt admits; other tests run on the newest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def oldest(root: Path) -> dict[str, str]:
    """The environment of a Python that finds the oldest transformers first."""
    folder = Path(os.environ.get("INTERACT_OLDEST_TRANSFORMERS") or root / ".cache" / "transformers-oldest")
    assert folder.is_dir(), f"no {folder}: dev.py's set-up makes it (python dev.py setup)"
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def bound_of(root: Path) -> str:
    return re.search(r"^transformers>=(\S+)$", (root / "requirements.txt").read_text(), re.M)[1]


def test_the_two_are_the_bound_and_a_newer_one(root: Path, oldest: dict[str, str]) -> None:
    import transformers

    script = "import transformers; print(transformers.__version__)"
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, env=oldest, capture_output=True, text=True, check=True)
    bound = bound_of(root)
    assert found.stdout.strip() == bound
    assert int(transformers.__version__.split(".")[0]) > int(bound.split(".")[0])


def test_speech_on_the_oldest(root: Path, oldest: dict[str, str]) -> None:
    files = [str(file) for file in sorted((root / "tests").glob("test_speech*.py"))]
    assert files, "there are no speech tests to run"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *files]
    run = subprocess.run(command, cwd=root, env=oldest, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert f"transformers {bound_of(root)}" in run.stdout  # the header that tests/conftest.py writes
