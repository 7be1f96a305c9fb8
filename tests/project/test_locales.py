"""The pack's texts in every language that it speaks: complete, up to date, and safe for the frontend."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from interacthuman.tools import make_locales

ENGLISH = make_locales.english_texts()
LANGUAGES = make_locales.languages()
TRANSLATIONS = LANGUAGES[1:]
# The languages of ComfyUI's frontend 1.47 to 1.58: others would never be shown (src/locales/localeConfig.ts).
KNOWN = {"en", "zh", "zh-TW", "ru", "ja", "ko", "fr", "es", "ar", "tr", "pt-BR", "fa", "he"}
TRANSLATED_FROM = "ed8e052cc9a07671"
"""Digest of the English that the translations were made from; see the test that compares it."""


def flat(texts: Any, path: str = "") -> dict[str, str]:
    """Every text under its dotted key."""
    if isinstance(texts, str):
        return {path: texts}
    return {
        key: text
        for name, part in texts.items()
        for key, text in flat(part, f"{path}.{name}".strip(".")).items()
    }


def pairs(language: str) -> list[tuple[str, str, str]]:
    """(key, English, translation)."""
    translated = flat(make_locales.read(language))
    return [(key, text, translated[key]) for key, text in flat(ENGLISH).items()]


def test_there_is_english_and_another_language_that_the_frontend_knows() -> None:
    assert len(TRANSLATIONS) >= 1 and set(LANGUAGES) <= KNOWN


def test_english_is_what_the_nodes_say() -> None:
    path = make_locales.LOCALES / "en" / "nodeDefs.json"
    assert path.read_text(encoding="utf-8") == make_locales.as_text(ENGLISH), "run make_locales.py"


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_every_text_is_translated_and_none_is_stale(language: str) -> None:
    translated = flat(make_locales.read(language))
    assert set(translated) == set(flat(ENGLISH))
    assert all(text.strip() for text in translated.values())
    whole = make_locales.as_text(make_locales.with_sockets(make_locales.read(language), ENGLISH))
    path = make_locales.LOCALES / language / "nodeDefs.json"
    assert path.read_text(encoding="utf-8") == whole, "run make_locales.py"


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_sentences_are_in_the_language_and_nodes_keep_their_names(language: str) -> None:
    for key, english, translated in pairs(language):
        if key.endswith("display_name"):
            assert translated == english, key
        elif key.endswith(("description", "tooltip")):
            assert translated != english, key
        ours = set(re.findall(r"InterAct(?: [A-Z][A-Za-z0-9]*)+", english))
        assert all(
            name in translated for name in ours & {node["display_name"] for node in ENGLISH.values()}
        ), key


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_numbers_choices_and_files_are_those_of_the_english(language: str) -> None:
    """What a translation must not change: a default, a range, a choice, a file's name."""
    facts = re.compile(r"\d+(?:\.\d+)?|'\w+'|\w+_\w+|\.safetensors", re.ASCII)
    for key, english, translated in pairs(language):
        if not key.endswith(".name"):
            found = [set(facts.findall(text)) for text in (english, translated)]
            assert found[0] == found[1], key


def test_the_english_has_not_moved_on_since_it_was_translated() -> None:
    digest = hashlib.sha256(make_locales.as_text(ENGLISH).encode()).hexdigest()[:16]
    assert digest == TRANSLATED_FROM, (
        f"a text of a node has changed: bring locales/{{{','.join(TRANSLATIONS)}}} and the help pages in web/docs "
        f"into line with it (git diff locales/en shows what), then set TRANSLATED_FROM to {digest!r}"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_holds_what_vue_i18n_reads_as_syntax(language: str) -> None:
    for name in ("nodeDefs", "commands"):
        for key, text in flat(make_locales.read(language, name)).items():
            assert not re.search(r"[{}@|]", text), key


def test_commands_are_called_in_english_what_the_viewer_calls_them(root: Path) -> None:
    """The frontend asks for a_b, not a.b, and prefers what it finds to the command's own label."""
    script = (root / "web" / "interact.js").read_text(encoding="utf-8")
    found = dict(re.findall(r'\bcommand\(\s*"(\w+)",\s*"([^"]+)"', script))
    labels = {f"InterAct_{name}": {"label": f"InterAct: {label}"} for name, label in found.items()}
    assert labels and make_locales.read("en", "commands") == labels


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_commands_are_translated(language: str) -> None:
    english, translated = (make_locales.read(name, "commands") for name in ("en", language))
    assert set(translated) == set(english)
    for key, entry in translated.items():
        assert entry["label"].startswith("InterAct") and entry != english[key]


def test_comfyui_reads_the_folder_as_it_is(
    monkeypatch: pytest.MonkeyPatch, root: Path, tmp_path: Path
) -> None:
    import folder_paths
    from app.custom_node_manager import CustomNodeManager

    (tmp_path / "interacthuman").symlink_to(root, target_is_directory=True)
    monkeypatch.setattr(folder_paths, "get_folder_paths", lambda _: [str(tmp_path)])
    served = CustomNodeManager().build_translations()
    assert sorted(served) == sorted(LANGUAGES)
    assert all(set(served[language]) == {"nodeDefs", "commands"} for language in LANGUAGES)
    assert served["en"]["nodeDefs"] == ENGLISH
