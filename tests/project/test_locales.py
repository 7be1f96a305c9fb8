"""The pack's texts in every language that it speaks: complete, up to date, and safe for the frontend."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from interacthuman.interact_core.sentences import SENTENCES, sentence
from interacthuman.tools import make_locales

ENGLISH = make_locales.english_texts()
LANGUAGES = make_locales.languages()
TRANSLATIONS = LANGUAGES[1:]
# The languages of ComfyUI's frontend 1.47 to 1.58: others would never be shown (src/locales/localeConfig.ts).
KNOWN = {"en", "zh", "zh-TW", "ru", "ja", "ko", "fr", "es", "ar", "tr", "pt-BR", "fa", "he"}
TRANSLATED_FROM = {
    "nodes": "6cb7a5d475fac53c",
    "sentences": "d858038cf8e427d1",
    "viewer": "d73836a493fa5415",
    "dialogue": "acb26f9f6bd9af62",
    "people": "707a444d4829a486",
    "graph": "23e797461f8670f9",
}
"""Digests of the English that the translations were made from; see the test that compares them."""


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
    for name, texts in (("nodeDefs", ENGLISH), ("main", make_locales.english_main())):
        path = make_locales.LOCALES / "en" / f"{name}.json"
        assert path.read_text(encoding="utf-8") == make_locales.as_text(texts), "run make_locales.py"


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


# What a number decides in each language: the categories of Intl.PluralRules but those of fractions.
FORMS = {
    **{language: {"other"} for language in ("zh", "zh-TW", "ja", "ko")},
    **{language: {"one", "other"} for language in ("en", "es", "fr", "pt-BR", "tr", "fa")},
    "ru": {"one", "few", "many", "other"},
    "he": {"one", "two", "other"},
    "ar": {"zero", "one", "two", "few", "many", "other"},
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_there_with_its_places(language: str) -> None:
    """And with every form that the language has for a number; English says a lone one in its own words."""
    sentences = make_locales.read(language, "main")[make_locales.SENTENCES_KEY]
    assert list(sentences) == list(SENTENCES)
    for key, english in SENTENCES.items():
        own = sentences[key]
        assert isinstance(own, str) is isinstance(english, str), key
        if isinstance(own, str):
            assert places(own) == places(english), key
            continue
        assert set(own) == FORMS[language], key
        for form, text in own.items():
            may_count = {"count"} if form in ("zero", "one", "two") else set()
            assert places(text) | may_count == places(english["other"]) | may_count, (key, form)


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_sentences_name_the_same_inputs_numbers_and_nodes(language: str) -> None:
    sentences = make_locales.read(language, "main")[make_locales.SENTENCES_KEY]
    facts = re.compile(r"'\w+'|\b[a-z]+_[a-z_]+\b|\b\d+\b|InterAct(?: [A-Z]\w+)+|MASK|MODEL|DC", re.ASCII)
    for key, english in SENTENCES.items():
        own = sentences[key]
        told, asked = (text if isinstance(text, str) else text["other"] for text in (own, english))
        assert set(facts.findall(told)) >= set(facts.findall(asked)), key
        assert told != asked and "  " not in told, key


@pytest.mark.parametrize("part", make_locales.SCRIPTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_page_is_there_with_its_places(language: str, part: str, root: Path) -> None:
    """And the English is said somewhere: a key that nobody says is a text that nobody needs."""
    (english,) = make_locales.english_script(part).values()
    own = make_locales.read(language, "main")[part]
    assert list(own) == list(english) and len(english) > {
        "interacthuman_graph": 8,
        "interacthuman_people": 40,
    }.get(part, 70)
    kept = {"seconds"}  # its unit is the same everywhere
    for key, text in english.items():
        assert places(own[key]) == places(text), key
        assert language == "en" or own[key] != text or key in kept, key
    scripts = [file for file in (root / "web").rglob("*.js") if file.stem != "english"]
    said = {word for file in scripts for word in re.findall(r'"(\w+)"', file.read_text(encoding="utf-8"))}
    assert set(english) - said == set()


def places(text: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", text))


def test_every_sentence_is_said_somewhere_with_a_value_for_each_place(root: Path) -> None:
    """A key that is not written out where it is said stands elsewhere, or without what summary.py: CUT adds."""
    files = [file for folder in ("interact_core", "nodes") for file in (root / folder).rglob("*.py")]
    code = [file.read_text(encoding="utf-8") for file in files if file.name != "sentences.py"]
    calls = [
        call
        for text in code
        if "sentence(" in text
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "sentence"
    ]
    assert len(calls) > 30
    said = set()
    for call in calls:
        key = call.args[0]
        if not isinstance(key, ast.Constant):
            continue
        template = SENTENCES[key.value]
        said.add(key.value)
        given = {word.arg for word in call.keywords}
        if None not in given:  # **values
            counted = isinstance(template, dict)  # by count, which the sentence need not name
            wanted = places(template["other"] if counted else template)
            assert given in (wanted, wanted | {"count"}) if counted else given == wanted, key.value
    written = {word for text in code for word in re.findall(r'"(\w+)"', text)}
    unsaid = set(SENTENCES) - said - written
    assert {key for key in unsaid if re.sub("_cut(_start|_end)?$", "", key) not in written} == set()


def test_a_number_decides_the_form_and_names_are_listed() -> None:
    for count, told in ((1, "1 frame remains"), (0, "0 frames remain"), (2, "2 frames remain")):
        assert str(sentence("part_left", count=count)) == f"{told} after this part."
    listed = [str(sentence("silent", names=names)) for names in (["A"], ["A", "B"], ("A", "B", "C"))]
    assert listed == ["Silent: A.", "Silent: A and B.", "Silent: A, B and C."]
    kind = sentence("kind_humo")
    outer = sentence("adapter_replaces", kind=kind)
    assert outer.record()["values"]["kind"] == kind.record() and str(kind) in str(outer)
    assert json.loads(json.dumps(outer.record()))["text"] == str(outer)
    braces = sentence("silent", names=["{name} <b>&"])
    assert str(braces) == "Silent: {name} <b>&."


def test_the_english_has_not_moved_on_since_it_was_translated() -> None:
    english = {
        "nodes": ENGLISH,
        "sentences": make_locales.english_sentences(),
        **{folder: make_locales.english_script(key) for key, folder in make_locales.SCRIPTS.items()},
    }
    found = {
        name: hashlib.sha256(make_locales.as_text(texts).encode()).hexdigest()[:16]
        for name, texts in english.items()
    }
    assert found == TRANSLATED_FROM, (
        f"a text of a node has changed: bring locales/{{{','.join(TRANSLATIONS)}}} and the help pages in web/docs "
        f"into line with it (git diff locales/en shows what), then set TRANSLATED_FROM to {found}"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_holds_what_vue_i18n_reads_as_syntax(language: str) -> None:
    for name in ("nodeDefs", "commands"):
        for key, text in flat(make_locales.read(language, name)).items():
            assert not re.search(r"[{}@|]", text), key


def test_commands_are_called_in_english_what_the_viewer_calls_them(root: Path) -> None:
    """The frontend asks for a_b, not a.b, and prefers what it finds to the command's own label."""
    scripts = [(root / "web" / name).read_text(encoding="utf-8") for name in ("interact.js", "cast_tools.js")]
    found = dict(re.findall(r'\bcommand\(\s*"(\w+)",\s*"([^"]+)"', "".join(scripts)))
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
    parts = {"nodeDefs", "commands", make_locales.SENTENCES_KEY, *make_locales.SCRIPTS}
    assert all(set(served[language]) == parts for language in LANGUAGES)
    assert served["en"]["nodeDefs"] == ENGLISH
