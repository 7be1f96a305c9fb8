"""The help that ComfyUI shows for a node: web/docs/NODE/LANGUAGE.md, and NODE.md for every other language."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from interacthuman.tools import make_locales

TEXTS = make_locales.english_texts()
LANGUAGES = make_locales.languages()
PAGES = make_locales.PAGES
EVERY_PAGE = [(node, language) for node in TEXTS for language in LANGUAGES]


def page(node: str, language: str) -> str:
    return (PAGES / node / f"{language}.md").read_text(encoding="utf-8")


def names(slots: dict[str, Any]) -> dict[str, str]:
    """Each slot's key and the name that is read beside it, without numbered sockets."""
    return {key: slot["name"] for key, slot in slots.items() if "name" in slot}


def pictures(text: str) -> list[str]:
    return re.findall(r"!\[[^\]\"]+\]\(([^)\s]+)\)", text)


def test_every_node_has_its_pages_and_no_page_has_lost_its_node() -> None:
    expected = {f"{node}/{language}.md" for node, language in EVERY_PAGE} | {f"{node}.md" for node in TEXTS}
    assert {file.relative_to(PAGES).as_posix() for file in PAGES.rglob("*.md")} == expected


@pytest.mark.parametrize("node", TEXTS)
def test_other_languages_are_shown_the_english_page(node: str) -> None:
    """The frontend falls back to NODE.md, not to NODE/en.md."""
    text = (PAGES / f"{node}.md").read_text(encoding="utf-8")
    assert text == page(node, "en"), "run make_locales.py"


@pytest.mark.parametrize("node, language", EVERY_PAGE)
def test_a_page_tells_every_input_and_output_in_a_row_of_its_tables(node: str, language: str) -> None:
    text = page(node, language)
    heading, *sections = re.split(r"^## .*\n", text, flags=re.MULTILINE)
    assert heading.startswith(f"# {TEXTS[node]['display_name']}\n")
    tables = [section for section in sections if section.lstrip().startswith("|")]
    assert len(tables) == 2, "inputs, outputs"
    english, own = TEXTS[node], make_locales.read(language)[node]
    for part, table in zip(("inputs", "outputs"), tables):
        first_cells = [line.split("|")[1] for line in table.splitlines()[2:] if line.startswith("|")]
        told = [name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)]
        slots = names(english[part])
        assert sorted(told) == sorted(slots.values()), "each once, none that is not there"
        for key, name in names(own[part]).items():
            assert any(name in cell for cell in first_cells), f"{key} is shown as {name!r} on the node"


@pytest.mark.parametrize("node, language", EVERY_PAGE)
def test_a_page_is_whole_tables_short_text_and_one_picture(node: str, language: str) -> None:
    text = page(node, language)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {4}
    tips = [line for line in text.split("\n## ")[-1].splitlines() if line.startswith("- ")]
    assert 2 <= len(tips) <= 4
    assert len(pictures(text)) == 1
    assert len(text) < 4500


@pytest.mark.parametrize("node, language", EVERY_PAGE)
def test_pictures_are_there_and_no_link_is_dead(node: str, language: str) -> None:
    """ComfyUI resolves pictures against /extensions/PACK/docs/, whatever the page; links it leaves alone."""
    text = page(node, language)
    for path in pictures(text):
        assert (PAGES / path).is_file() and path == Path(path).as_posix() and ".." not in path
    assert re.findall(r"(?<!!)\[[^\]]*\]\(", text) == [] and "<" not in text


def test_no_picture_is_left_over_or_large() -> None:
    used = {path for node, language in EVERY_PAGE for path in pictures(page(node, language))}
    kept = {file.relative_to(PAGES).as_posix(): file for file in PAGES.rglob("*.png")}
    assert set(kept) == used
    assert all(file.stat().st_size < 500_000 for file in kept.values())


@pytest.mark.parametrize("node", TEXTS)
def test_all_languages_show_the_same_picture_and_quote_the_same_messages(node: str) -> None:
    pages = [page(node, language) for language in LANGUAGES]
    assert len({tuple(pictures(text)) for text in pages}) == 1
    assert len({tuple(sorted(quoted(text))) for text in pages}) == 1


@pytest.mark.parametrize("node, language", EVERY_PAGE)
def test_quoted_messages_are_those_of_the_code(node: str, language: str, messages: list[str]) -> None:
    for quote in quoted(page(node, language)):
        assert any(quote in message for message in messages), quote


@pytest.mark.parametrize("node, language", EVERY_PAGE)
def test_nodes_of_ours_are_called_by_their_names(node: str, language: str) -> None:
    ours = {texts["display_name"] for texts in TEXTS.values()}
    assert set(re.findall(r"\*\*(InterAct [^*]+)\*\*", page(node, language))) <= ours


def test_pages_and_locales_are_in_the_published_pack(root: Path) -> None:
    rules = (root / ".comfyignore").read_text(encoding="utf-8").split()
    assert not [rule for rule in rules if rule.startswith(("/web", "/locales"))]


def quoted(text: str) -> list[str]:
    """Error messages stand in curly quotes and are English on every page."""
    return [quote for quote in re.findall(r"“([^”]+)”", text) if quote.isascii()]


@pytest.fixture(scope="module")
def messages(root: Path) -> list[str]:
    """Every text in the code that a node runs, an f-string's in the parts between its values."""
    found = []
    for file in (root / "interact_core").rglob("*.py"):
        constants = (
            one for one in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(one, ast.Constant)
        )
        found.extend(one.value for one in constants if isinstance(one.value, str))
    return found
