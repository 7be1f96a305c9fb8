"""The pack's own texts for ComfyUI's translations, taken from the nodes, so that the English never drifts.

    python -m interacthuman.tools.make_locales

writes locales/en/nodeDefs.json and main.json whole; in every other language only the tooltips of the numbered
sockets, which repeat one text; and web/docs/NODE.md, the English page for languages without one (with the paths that
dev.py sets). tests/project/test_locales.py and tests/project/test_help_pages.py see that all of it is up to date.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from interacthuman.interact_core.host.standalone import prepare_comfy
from interacthuman.interact_core.sentences import SENTENCES

ROOT = Path(__file__).resolve().parents[1]
LOCALES, PAGES = ROOT / "locales", ROOT / "web" / "docs"
ENGLISH = "en"
SENTENCES_KEY = "interacthuman"
VIEWER_KEY = "interacthuman_viewer"
# Parts of the page with texts of their own: the key that they look up, and the folder in web/ of their english.js.
SCRIPTS = {
    VIEWER_KEY: "viewer",
    "interacthuman_dialogue": "dialogue",
    "interacthuman_people": "people",
    "interacthuman_graph": "graph",
}

Texts = dict[str, dict[str, Any]]


def nodes() -> dict[str, type]:
    """Every node of the pack by its id, as ComfyUI is given them."""
    prepare_comfy()
    import interacthuman

    extension = asyncio.run(interacthuman.comfy_entrypoint())
    asyncio.run(extension.on_load())
    return {node.GET_SCHEMA().node_id: node for node in asyncio.run(extension.get_node_list())}


def english_texts() -> Texts:
    """What locales/en/nodeDefs.json holds: by node id its name, description, inputs and outputs."""
    return {name: texts_of(node.GET_NODE_INFO_V1()) for name, node in nodes().items()}


def texts_of(info: dict[str, Any]) -> dict[str, Any]:
    """One node's texts under the keys that the frontend looks up (src/i18n.ts, nodeDefs.*)."""
    inputs: dict[str, dict[str, str]] = {}
    for group in ("required", "optional"):
        for name in info["input_order"].get(group, []):
            options = info["input"][group][name][1]
            inputs[name] = {"name": options.get("display_name") or name, "tooltip": options["tooltip"]}
            inputs |= {socket: {"tooltip": text} for socket, text in sockets(name, options)}
    outputs = enumerate(zip(info["output_name"], info["output_tooltips"]))
    return {
        "display_name": info["display_name"],
        "description": info["description"],
        "inputs": inputs,
        "outputs": {str(number): {"name": name, "tooltip": text} for number, (name, text) in outputs},
    }


def sockets(name: str, options: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Key and tooltip of every numbered socket of a growing input.

    The frontend asks for them as `characters_character_0`, the dot of their name made a line, and shows
    nothing where no translation has it: their definition is not in the node's.
    """
    template = options.get("template")
    if template is None:
        return
    (entry,) = [*template["input"]["required"].values(), *template["input"].get("optional", {}).values()]
    names = template.get("names") or [f"{template['prefix']}{number}" for number in range(template["max"])]
    for socket in names:
        yield f"{name}_{socket}", entry[1]["tooltip"]


def with_sockets(translated: Texts, english: Texts) -> Texts:
    """A translation in the order of the English, the text of a first socket given to all those after it."""
    whole = {}
    for node, texts in english.items():
        own = translated.get(node, {"inputs": {}})
        inputs, first = {}, {}  # first: of the sockets that differ by their number only
        for key, entry in texts["inputs"].items():
            source = key if "name" in entry else first.setdefault(key.rstrip("0123456789"), key)
            if source in own["inputs"]:  # what is missing is for the test to name
                inputs[key] = own["inputs"][source]
        whole[node] = {**own, "inputs": inputs}
    return whole


def english_sentences() -> Texts:
    """What nodes say of themselves, under the key that web/node_text.js looks up."""
    sentences = {
        key: text if isinstance(text, str) else {form: text[form] for form in ("one", "other")}
        for key, text in SENTENCES.items()
    }
    return {SENTENCES_KEY: sentences}


def english_script(key: str) -> Texts:
    """The texts of a part of the page, under the key that it looks up: one in each line of its english.js."""
    script = (ROOT / "web" / SCRIPTS[key] / "english.js").read_text(encoding="utf-8")
    return {key: dict(re.findall(r'^  (\w+): "(.*)",$', script, re.MULTILINE))}


def english_main() -> Texts:
    """What locales/en/main.json holds."""
    whole = english_sentences()
    for key in SCRIPTS:
        whole |= english_script(key)
    return whole


def as_text(texts: Texts) -> str:
    return json.dumps(texts, indent=2, ensure_ascii=False) + "\n"


def read(language: str, name: str = "nodeDefs") -> Texts:
    return json.loads((LOCALES / language / f"{name}.json").read_text(encoding="utf-8"))


def languages() -> list[str]:
    """Every language there is, English first."""
    found = sorted(folder.name for folder in LOCALES.iterdir() if folder.is_dir())
    return [ENGLISH, *(language for language in found if language != ENGLISH)]


def write() -> None:
    english = english_texts()
    for language in languages():
        texts = english if language == ENGLISH else with_sockets(read(language), english)
        (LOCALES / language / "nodeDefs.json").write_text(as_text(texts), encoding="utf-8")
    (LOCALES / ENGLISH / "main.json").write_text(as_text(english_main()), encoding="utf-8")
    for node in english:
        page = (PAGES / node / f"{ENGLISH}.md").read_bytes()
        (PAGES / f"{node}.md").write_bytes(page)


if __name__ == "__main__":
    write()
