"""Names of characters while one edits: new ones and copies are numbered, and two of one name are told on both."""

from __future__ import annotations

import pytest
from interacthuman.tests.browser.comfy_page import complaints
from interacthuman.tests.browser.small_cast import edit, open_cast, prepare
from interacthuman.tests.browser.window import Window

TAKEN = {"en": "Name taken: rename one", "zh": "名称重复，请改一个"}  # noqa: RUF001 (Chinese comma)


@pytest.fixture(scope="module")
def page(comfy: Window) -> Window:
    prepare(comfy)
    return comfy


def names(page: Window) -> list[str]:
    return edit(page, "return names();")


def said(page: Window) -> list[str]:
    return edit(page, "await capture(); return said();")


def test_new_characters_are_numbered(page: Window) -> None:
    open_cast(page)
    edit(page, "add('InterActCharacter'); add('InterActRegion');")
    assert names(page) == ["Ann", "Bob", "Cid", "Character 1", "Character 2"]
    edit(page, "graph().remove(everyone()[3]); add('InterActCharacter');")
    assert names(page) == ["Ann", "Bob", "Cid", "Character 2", "Character 1"]
    edit(
        page,
        "const inside = pack(everyone()[0]).subgraph; inside.add(LiteGraph.createNode('InterActCharacter'));",
    )
    assert sorted(names(page)) == ["Ann", "Bob", "Character 1", "Character 2", "Character 3", "Cid"]


def test_copies_are_numbered_and_one_undo_takes_them_away(page: Window) -> None:
    open_cast(page)
    before = edit(page, "return tracker().undoQueue.length;")
    edit(page, "copy(characters()[0], characters()[1]); await capture();")
    assert names(page) == ["Ann", "Bob", "Cid", "Ann 2", "Bob 2"]
    assert edit(page, "return tracker().undoQueue.length;") == before + 1
    edit(page, "await tracker().undo(); await settled();")
    assert names(page) == ["Ann", "Bob", "Cid"]
    edit(page, "await tracker().redo(); await settled();")
    assert names(page) == ["Ann", "Bob", "Cid", "Ann 2", "Bob 2"]
    edit(page, "copy(characters()[3]); const around = pack(characters()[4]); await settled(); copy(around);")
    assert sorted(names(page)) == ["Ann", "Ann 2", "Ann 3", "Bob", "Bob 2", "Bob 3", "Cid"]


def test_a_copy_of_a_whole_cast_keeps_its_names(page: Window) -> None:
    open_cast(page)
    edit(page, "copy(...graph().nodes);")
    assert names(page) == ["Ann", "Bob", "Cid"] * 2
    assert said(page) == [""] * 6


def test_what_moves_keeps_its_name(page: Window) -> None:
    """Also two of one name: into a subgraph and out again is no copy."""
    open_cast(page)
    edit(page, "widget(characters()[1], 'name').value = 'Ann';")
    edit(
        page,
        "const around = pack(characters()[1]); await settled(); graph().unpackSubgraph(around); await settled();",
    )
    assert sorted(names(page)) == ["Ann", "Ann", "Cid"]


@pytest.mark.parametrize("language", TAKEN)
def test_two_of_one_name_are_told_until_one_is_renamed(page: Window, language: str) -> None:
    if language != "en":
        speak(page, language)
    try:
        open_cast(page)
        assert said(page) == ["", "", ""]
        edit(page, "widget(characters()[2], 'name').value = ' Ann ';")  # the server takes the blanks away
        assert said(page) == [TAKEN[language], "", TAKEN[language]]
        if page.renderer == "nodes2":
            badges = page.page.locator("[data-node-id]").get_by_text(TAKEN[language], exact=True)
            badges.nth(1).wait_for()
            assert badges.count() == 2
        edit(page, "characters()[0].mode = 2;")
        assert said(page) == ["", "", ""]
        edit(page, "characters()[0].mode = 0;")
        assert said(page) == [TAKEN[language], "", TAKEN[language]]
        edit(page, "widget(characters()[2], 'name').value = 'Dan';")
        assert said(page) == ["", "", ""]
    finally:
        if language != "en":
            speak(page, "en")


def speak(page: Window, language: str) -> None:
    edit(page, "await app.extensionManager.setting.set('Comfy.Locale', arg);", language)
    page.page.wait_for_timeout(1500)  # ComfyUI goes on to exchange the texts of all nodes


def test_loading_renames_nothing_and_changes_nothing(page: Window) -> None:
    """Two of one name and a default name, saved so: told, and the workflow is as it was saved."""
    open_cast(page)
    edit(
        page,
        "widget(characters()[1], 'name').value = 'Ann'; widget(characters()[2], 'name').value = 'Character';",
    )
    edit(
        page,
        """
        await capture();
        await app.loadGraphData(structuredClone(app.rootGraph.serialize()), true, true, "saved");
        await capture();
        """,
    )
    assert names(page) == ["Ann", "Ann", "Character"]
    assert said(page) == [TAKEN["en"], TAKEN["en"], ""]
    assert edit(page, "return app.extensionManager.workflow.activeWorkflow.isModified;") is False
    assert complaints(page) == []
