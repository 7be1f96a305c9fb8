"""`python dev.py check`: ruff, its formatter, pyright and eslint, every one of them even where another found something.

pyright and eslint come by npm, in the versions of package.json beside this file, into .cache/lint. Standard library
only, so that it can be read beside dev.py, which starts it with the Python of .venv.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
INSTALLED = ROOT / ".cache" / "lint"
STAMP = INSTALLED / ".interact-stamp"  # as dev.py's stages: what this folder was filled from

NO_NPM = (
    "npm is not found: install Node.js 18.18 or newer with npm (from your system's packages or nodejs.org)."
)


@dataclass(frozen=True)
class Tool:
    """One checker: its name, and its command line, started in the repository's root."""

    name: str
    command: list[str]


@dataclass(frozen=True)
class Outcome:
    """What a checker ended with: its name, whether it found nothing, what it printed, and its seconds."""

    name: str
    clean: bool
    output: str
    seconds: float


def tools() -> list[Tool]:
    """The checkers, the longest first: it runs while the others take their turns."""
    modules = INSTALLED / "node_modules"
    eslint = [str(modules / "eslint" / "bin" / "eslint.js"), "--max-warnings", "0"]
    return [
        Tool("pyright", ["node", str(modules / "pyright" / "index.js"), "--project", str(ROOT)]),
        Tool("ruff check", [sys.executable, "-m", "ruff", "check", "--quiet", "--output-format", "concise"]),
        Tool("ruff format", [sys.executable, "-m", "ruff", "format", "--check", "--quiet"]),
        Tool("eslint", ["node", *eslint, "--config", str(HERE / "eslint.config.mjs"), str(ROOT / "web")]),
    ]


def install() -> None:
    """Brings the packages of package.json into .cache/lint, once for each content of it.

    Raises SystemExit with a sentence where there is no npm or it fails.
    """
    mark = hashlib.sha256((HERE / "package.json").read_bytes()).hexdigest()
    if STAMP.is_file() and STAMP.read_text(encoding="utf-8") == mark:
        return
    npm = shutil.which("npm")
    if not npm:
        sys.exit(NO_NPM)
    began = time.perf_counter()
    print("[set-up] pyright and eslint ...", flush=True)
    shutil.rmtree(INSTALLED, ignore_errors=True)
    INSTALLED.mkdir(parents=True)
    shutil.copy(HERE / "package.json", INSTALLED)
    # No lock file: it would name the registry of whoever made it. package.json names exact versions.
    quiet = ("--no-package-lock", "--no-audit", "--no-fund", "--loglevel", "error")
    if subprocess.run([npm, "install", *quiet], cwd=INSTALLED, check=False).returncode != 0:
        sys.exit("npm could not install what tools/lint/package.json lists; its own message is above.")
    STAMP.write_text(mark, encoding="utf-8")
    print(f"[set-up] pyright and eslint: done in {time.perf_counter() - began:.1f} s", flush=True)


def run(tool: Tool) -> Outcome:
    """Runs one checker to its end."""
    began = time.perf_counter()
    done = subprocess.run(
        tool.command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return Outcome(tool.name, done.returncode == 0, done.stdout.strip(), time.perf_counter() - began)


def check(every: list[Tool]) -> int:
    """Runs the checkers side by side and prints what they found, then a line for each. 1 where one found something."""
    with ThreadPoolExecutor() as pool:
        outcomes = list(pool.map(run, every))
    for outcome in outcomes:
        if not outcome.clean:
            print(f"{outcome.output}\n")
    for outcome in outcomes:
        print(f"{outcome.name:<12} {'clean' if outcome.clean else 'FAILED':<7} {outcome.seconds:5.1f} s")
    return 0 if all(outcome.clean for outcome in outcomes) else 1


if __name__ == "__main__":
    install()
    sys.exit(check(tools()))
