"""What the Comfy Registry's own tool, comfy-cli, says of the pack: its checks before publishing, and what it packs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from interacthuman.tests.project.test_packaging import shipped

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# The half of `comfy node validate` that reads pyproject.toml, and the list that `comfy node pack` zips.
ASK = """
import json
from comfy_cli.file_utils import _load_comfyignore_spec, list_git_tracked_files
from comfy_cli.registry.config_parser import extract_node_configuration
about = extract_node_configuration()
ignored = _load_comfyignore_spec()
packed = [file for file in list_git_tracked_files(".") if not ignored.match_file(file)]
print(json.dumps({"name": about.project.name, "version": about.project.version, "packed": packed}))
"""


@pytest.fixture(scope="module")
def told(root: Path) -> list[str]:
    """The lines that comfy-cli printed."""
    folder = os.environ.get("INTERACT_COMFY_CLI") or str(root / ".cache" / "comfy-cli")
    if not Path(folder).is_dir():
        pytest.skip("python dev.py setup fetches comfy-cli.")
    environment = {**os.environ, "PYTHONPATH": folder}
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_it_reads_pyproject_without_a_warning(root: Path, told: list[str]) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert len(told) == 1, told
    about = json.loads(told[0])
    assert (about["name"], about["version"]) == (project["name"], project["version"])


def test_it_packs_what_our_own_tests_take_for_shipped(root: Path, told: list[str]) -> None:
    packed = {file for file in json.loads(told[-1])["packed"] if file.endswith(".py")}
    if not packed:
        pytest.skip("This copy has no git history, of which comfy-cli takes its list.")
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout
    ours = {file.relative_to(root).as_posix() for file in shipped(root)} & set(tracked.split())
    assert packed == ours and len(packed) > 100


def test_its_rules_for_code_are_among_ours(root: Path) -> None:
    """S102, S307 and E702, which `comfy node validate` has ruff look for."""
    rules = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    assert all(
        any(rule.startswith(chosen) for chosen in rules["select"]) for rule in ("S102", "S307", "E702")
    )
    assert not any(rule.startswith(left) for rule in ("S102", "S307", "E702") for left in rules["ignore"])
