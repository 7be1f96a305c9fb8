"""The viewer's files as they are shipped, without a browser."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from interacthuman.interact_core.preview import palette

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXTENSIONS = (
    "interact.js",
    "node_text.js",
    "cast_tools.js",
    "characters.js",
    "dialogue.js",
    "example.js",
    "people.js",
)


@pytest.fixture(scope="module")
def scripts(root: Path) -> dict[str, str]:
    """Every script that ComfyUI imports, by its path below web/."""
    web = root / "web"
    return {str(file.relative_to(web)): file.read_text(encoding="utf-8") for file in web.rglob("*.js")}


def imports(text: str) -> list[str]:
    return re.findall(r'^import [^;"]*"([^"]+)";', text, re.MULTILINE)


def test_the_version_is_the_packs(root: Path, scripts) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert re.search(r'VERSION = "(.+)"', scripts["version.js"])[1] == project["version"]


def test_colours_are_those_of_the_pictures(scripts) -> None:
    numbers = re.findall(r"^  \[(\d+), (\d+), (\d+)\],$", scripts["viewer/palette.js"], re.MULTILINE)
    assert tuple(tuple(map(int, colour)) for colour in numbers) == palette.OKABE_ITO
    paper = re.search(r"PAPER = \[(\d+), (\d+), (\d+)\]", scripts["viewer/palette.js"]).groups()
    assert tuple(map(int, paper)) == palette.PAPER


def test_the_tiles_lie_as_the_host_lays_them(scripts) -> None:
    from interacthuman.interact_core.preview import atlas, manifest, people

    assert f"const COLUMNS = {atlas.COLUMNS};" in scripts["viewer/atlas.js"]
    assert f"FORMAT = {manifest.FORMAT};" in scripts["viewer/run_store.js"]
    assert f"OUTLINE = {people.OUTLINE};" in scripts["people/model.js"]
    assert f"FORMAT = {people.FORMAT};" in scripts["people/model.js"]


def test_comfyui_serves_the_folder(root: Path) -> None:
    import interacthuman

    assert (root / interacthuman.WEB_DIRECTORY).resolve() == root / "web"
    ignored = (root / ".comfyignore").read_text(encoding="utf-8").splitlines()
    assert not [rule for rule in ignored if rule.strip("/").startswith("web")]


def test_only_the_extensions_know_comfyui(scripts) -> None:
    """ComfyUI imports every script: those without ComfyUI must do nothing by that."""
    for name, text in scripts.items():
        assert text.startswith("// @ts-check\n"), name
        outside = [path for path in imports(text) if path.startswith("../../")]
        allowed = {"../../scripts/app.js", "../../scripts/api.js"} if name in EXTENSIONS else set()
        assert set(outside) <= allowed, name
        if name in EXTENSIONS:
            continue
        began = [line for line in text.splitlines() if re.match(r"[\w$.]+\s*(\(|\.|=[^=>])", line)]
        statements = [
            line for line in began if not re.match(r"(import|export|const|let|function|class)\b", line)
        ]
        assert statements == [], name


def test_every_import_is_there(root: Path, scripts) -> None:
    for name, text in scripts.items():
        for path in imports(text):
            assert path.startswith(("./", "../")), (name, path)
            if not path.startswith("../../scripts/"):
                assert ((root / "web" / name).parent / path).is_file(), (name, path)


def test_files_are_short(scripts) -> None:
    assert [name for name, text in scripts.items() if text.count("\n") > 400] == []


def test_nothing_comes_from_elsewhere(scripts) -> None:
    """No script, font or picture of another server; the paper and SVG's name space are not fetched."""
    known = {"https://arxiv.org/abs/2506.09984", "http://www.w3.org/2000/svg"}
    found = {address for text in scripts.values() for address in re.findall(r"https?://[^\s\"'`]+", text)}
    assert found <= known


def test_the_style_touches_nothing_but_ours(scripts) -> None:
    """The page is ComfyUI's and every pack's: each selector begins with a class of ours."""
    style = re.sub(r"/\*.*?\*/", "", re.search(r"STYLE = `(.*)`", scripts["viewer/style.js"], re.DOTALL)[1])
    style = re.sub(r"@keyframes interact-[^{]+\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", style)
    selectors = [
        part.strip()
        for group in re.findall(r"([^{};]+)\{", style)
        if not group.strip().startswith(("@container", "@media"))
        for part in re.split(r",(?![^(]*\))", group)
    ]
    assert len(selectors) > 50
    assert [selector for selector in selectors if not selector.startswith(".interact-")] == []


def test_listeners_are_on_what_is_ours_or_on_the_canvas(scripts) -> None:
    """One on the page or the window hears every other pack's events."""
    found = {
        name: re.findall(r"\b(?:document|document\.body|window)\.addEventListener", text)
        for name, text in scripts.items()
    }
    assert {name for name, calls in found.items() if calls} == set()
