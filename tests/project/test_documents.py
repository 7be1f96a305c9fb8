"""What the documents say of the code is true: files, names, links, figures; and no text names a missing document."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benchmarks/README.md",
    "models/README.md",
    "docs/architecture.md",
    "docs/method.md",
    "docs/metrics.md",
    "docs/public-weights.md",
    "docs/results.md",
    "docs/security.md",
    "docs/training.md",
)
ROOTS = (
    "",
    "interact_core",
    "interact_core/metrics",
    "interact_core/training",
    "benchmarks",
    "docs",
)  # where a document's paths may begin
PLACE = re.compile(r"`([\w/]+\.py): (\w+(?:\.\w+)?)`")  # file.py: name
FILE = re.compile(r"`([\w./-]+\.(?:py|js|toml|json|md|html|svg))`")
LINK = re.compile(r"\]\(([^)#\s]+)\)")
PLACEHOLDERS = ("NAME", "NODE", "LANGUAGE")  # a part of a path that stands for many
MADE = ("output", "runs")  # folders of what runs leave
TRAINED = "TRAINED.md"  # what `train identity` writes beside its weights


@pytest.fixture(scope="module")
def kept(root: Path) -> set[str]:
    """Every file of the repository, also those that are not committed yet."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return set(
        subprocess.run(words, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    )


def find(root: Path, name: str) -> Path | None:
    """A file that a document names, from one of ROOTS."""
    places = (root / folder / name for folder in ROOTS)
    return next((place for place in places if place.is_file()), None)


def defined(file: Path) -> set[str]:
    """Names at the top of a module, and Class.method or Class.field."""
    names = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        names |= set(_named(node))
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{name}" for inner in node.body for name in _named(inner)}
    return names


def _named(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


@pytest.mark.parametrize("document", DOCUMENTS)
def test_places_in_the_code_are_there(root: Path, document: str) -> None:
    text = (root / document).read_text(encoding="utf-8")
    wrong = []
    for file, name in PLACE.findall(text):
        found = find(root, file)
        if found is None or name not in defined(found):
            wrong.append(f"{file}: {name}")
    assert not wrong


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_files_are_there(root: Path, document: str) -> None:
    path = root / document
    text = path.read_text(encoding="utf-8")
    links = [link for link in LINK.findall(text) if "://" not in link]
    wrong = [link for link in links if not (path.parent / link).exists()]
    for name in FILE.findall(text):
        parts = Path(name).parts
        stands_for_many = any(word in name for word in PLACEHOLDERS)
        if len(parts) > 1 and parts[0] not in MADE and not stands_for_many and find(root, name) is None:
            wrong.append(name)
    assert not wrong


def test_the_documents_whose_figures_a_bench_writes_are_as_it_writes_them(root: Path) -> None:
    from interacthuman.benchmarks import report
    from interacthuman.benchmarks.ablation import page

    results = root / "benchmarks" / "results"
    found, record = page.read(results / "ablation.json")
    readme, table = ((root / name).read_text(encoding="utf-8") for name in ("README.md", page.RESULTS))
    assert page.with_section(readme, page.readme_section(found)) == readme, "python dev.py bench report"
    assert page.with_section(table, page.section(found, record["command"]), None) == table
    assert page.with_section(table, report.section(results), None, (report.BEGIN, report.END)) == table


def test_the_readme_is_short_and_says_how_to_try_and_test(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert "python dev.py demo" in text and "python dev.py test" in text


def test_no_text_in_the_code_names_a_document_that_is_not_there(root: Path, kept: set[str]) -> None:
    """In strings and comments alike: whoever reads it looks for that document. Issues are no part of the repository."""
    names = {Path(file).name for file in kept if file.endswith(".md")} | {TRAINED}
    wrong = []
    for file in sorted(kept):
        if not file.endswith((".py", ".js", ".toml")) or not (root / file).is_file():
            continue
        text = (root / file).read_text(encoding="utf-8")
        documents = re.findall(r"(?<![\w*{}%<])([\w./-]*\w\.md)\b", text)
        named = [word for word in documents if not any(part in word for part in PLACEHOLDERS)]
        wrong += [f"{file}: {word}" for word in named if Path(word).name not in names]
        wrong += [f"{file}: {word}" for word in re.findall(r"\bissue \d+\b", text)]
    assert not wrong


def test_the_changelog_begins_with_the_version(root: Path) -> None:
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"', project, re.MULTILINE)[1]
    log = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+)\]?", log, re.MULTILINE)
    assert versions[0] == version
