"""What the registry and a user's ComfyUI rely on: bounds, licence, what is shipped; and the rooms' order."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:  # pytest brings it for 3.10
    import tomli as tomllib

COMFYUI = {"comfy", "comfy_api", "comfy_execution", "comfy_extras"}
COMFYUI |= {"execution", "folder_paths", "nodes", "server"}

# What each room of interact_core may import of the others: nodes -> host -> preview, guidance, adapter, speech,
# metrics. A file that lies in host itself is a room of its own name. What is listed in NO_NODE_NEEDS stands beside
# host: nothing that a node needs imports it.
FREE = {"errors", "frames", "json_values", "sentences", "weights_file"}
PLAIN = {"adapter", "guidance", "speech"}  # torch without ComfyUI
SMALL = {  # of host, without anything of host behind them
    "host/keys",
    "host/folders",
    "host/standalone",
    "host/node_text",
}
HOST = {"host/tokens", "host/forward", "host/run", "host/encode"}
NO_NODE_NEEDS = {
    *("annotation", "comfy_client", "comfy_server", "config_tables", "media"),
    *("ray_start", "rendering", "scoring", "tables", "theatre", "theatre/training", "training", "whole_file"),
}
MAY_IMPORT = {
    "errors": set(),
    "frames": set(),
    "json_values": set(),
    "sentences": set(),
    "weights_file": set(),
    "examples": set(),
    "adapter": set(),
    "speech": set(),
    "guidance": {"adapter", "speech"},
    "preview": {"guidance", "metrics"},
    **{file: set() for file in SMALL},
    "host/tokens": PLAIN | SMALL,
    "host/forward": PLAIN | SMALL | {"host/tokens"},
    "host/run": PLAIN | SMALL | {"preview", "host/tokens", "host/forward"},
    "host/encode": PLAIN | SMALL | {"preview", "media", "examples", "host/tokens", "host/forward"},
    "host/install": PLAIN | SMALL | HOST,
    "host/apply": PLAIN | SMALL | HOST | {"preview", "host/install", "host/loading"},
    "host/packed_linear": PLAIN,
    "host/loading": PLAIN | SMALL | HOST | {"preview", "host/install", "host/packed_linear"},
    "host/sampling": PLAIN | SMALL | HOST | {"preview", "host/apply", "host/install"},
    "host/probe": PLAIN | SMALL | HOST | {"metrics", "host/sampling"},
    "host/detectors": {"metrics", *SMALL},
    "host/scorer": SMALL | {"metrics", "host/detectors"},
    "host/score": PLAIN | SMALL | {"metrics", "preview", "host/scorer"},
    "media": set(),
    "metrics": set(),
    "ray_start": set(),
    "whole_file": set(),
    "comfy_client": set(),
    "comfy_server": {"comfy_client"},
}
MOST_FILES = 13  # Python files in a folder, without __init__.py and __main__.py


@pytest.fixture(scope="module")
def project(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def requirements(root: Path) -> list[str]:
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def python_files(root: Path) -> list[Path]:
    """Every Python file of the repository, without what set-ups and runs leave there."""
    made = ("output", "runs", "__pycache__")
    places = [place for place in root.iterdir() if place.name[0] != "." and place.name not in made]
    inside = [file for place in places if place.is_dir() for file in place.rglob("*.py")]
    return sorted([*inside, *root.glob("*.py")])


def shipped(root: Path) -> list[Path]:
    """The Python files that the registry's package would hold."""
    lines = (root / ".comfyignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert all(rule.startswith("/") for rule in rules), (
        "a rule without a leading / also matches deeper folders"
    )
    ignored = [root / rule.strip("/") for rule in rules]
    return [
        file for file in python_files(root) if not any(place in (file, *file.parents) for place in ignored)
    ]


def imports_of(file: Path) -> Iterator[tuple[int, str]]:
    """(level, module) of every import of a file, those inside functions as well; level 0 is absolute."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.level, node.module
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.level, alias.name) for alias in node.names)


def absolute_imports(file: Path) -> set[str]:
    """The top-level packages that a file imports by name."""
    return {module.split(".")[0] for level, module in imports_of(file) if level == 0}


def test_dependencies_are_the_requirements(project, requirements) -> None:
    assert project["project"]["dependencies"] == requirements


@pytest.mark.parametrize(
    "extra, listed",
    [("train", "TRAIN_TOOLS"), ("score", "SCORE_TOOLS"), ("scale", "SCALE_TOOLS"), ("gguf", "GGUF_TOOLS")],
)
def test_what_a_command_needs_is_an_extra_that_dev_py_installs(
    project, requirements, root: Path, extra: str, listed: str
) -> None:
    text = (root / "dev.py").read_text(encoding="utf-8")
    tools = re.search(rf"^{listed} = \(([^)]+)\)", text, re.MULTILINE)[1]
    lines = project["project"]["optional-dependencies"][extra]
    assert re.findall(r'"([^"]+)"', tools) == [line for line in lines if ";" not in line]
    assert not set(lines) & set(requirements)


def test_requirements_are_loose_lower_bounds_and_never_torch(requirements) -> None:
    names = [re.fullmatch(r"([\w-]+)>=[\d.]+", line)[1] for line in requirements]
    assert names == ["transformers", "torchaudio", "opencv-python", "safetensors"]


def test_lower_bounds_do_not_exceed_comfyuis(requirements, comfy_folder: Path, root: Path) -> None:
    """A user whose packages satisfy ComfyUI must not be made to replace them.

    What its transformers asks for in turn counts as ComfyUI's own: safetensors 0.4.2 goes with none that it takes.
    """
    listed = (comfy_folder / "requirements.txt").read_text(encoding="utf-8")
    theirs = dict(re.findall(r"^([\w-]+)>=([\d.]+)$", listed, re.MULTILINE))
    oldest = os.environ.get("INTERACT_OLDEST_TRANSFORMERS") or root / ".cache" / "transformers-oldest"
    (asked,) = importlib.metadata.distributions(name="transformers", path=[str(oldest)])
    theirs |= dict(re.findall(r"^(safetensors) ?>=([\d.]+)$", "\n".join(asked.requires or ()), re.MULTILINE))
    for name, bound in (line.split(">=") for line in requirements):
        if name in theirs:
            numbers = [[int(part) for part in version.split(".")] for version in (bound, theirs[name])]
            assert numbers[0] <= numbers[1], name


def test_the_oldest_transformers_that_is_tested_is_the_bound(root: Path, requirements) -> None:
    tested = re.search(r'"transformers==([\d.]+)"', (root / "dev.py").read_text(encoding="utf-8"))[1]
    assert f"transformers>={tested}" in requirements


def test_registry_fields(project) -> None:
    about = project["project"]
    assert re.fullmatch(r"[a-z][a-z0-9-]*", about["name"]) and "comfyui" not in about["name"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", about["version"])
    assert about["license"] == "GPL-3.0-or-later"
    assert "Repository" in about["urls"]
    assert {"PublisherId", "DisplayName", "requires-comfyui"} <= set(project["tool"]["comfy"])
    assert "web" not in project["tool"]["comfy"], "with WEB_DIRECTORY everything would load twice"


def test_the_licence_is_there_in_full(root: Path) -> None:
    text = (root / "LICENSE").read_text(encoding="utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in text and "Version 3, 29 June 2007" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_ci_runs_what_the_readme_says(root: Path) -> None:
    script = root / ".ci" / "run"
    lines = script.read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["python3 dev.py check", "python3 dev.py test"]
    assert os.access(script, os.X_OK)


def test_nothing_that_scanners_flag_is_shipped(root: Path) -> None:
    flagged = re.compile(
        r"(?<![.\w])(eval|exec)\(|os\.environ\.get\(|\.connect\(|subprocess|jit\.load|"
        r"https?://\S+\.(whl|zip|tar)"
    )
    hits = {
        file.relative_to(root): flagged.search(file.read_text(encoding="utf-8")) for file in shipped(root)
    }
    assert {file: hit[0] for file, hit in hits.items() if hit} == {}


def test_shipped_files_import_each_other_relatively(root: Path) -> None:
    """ComfyUI imports the pack under any folder name."""
    ours = {"interacthuman", "interact_core"}
    assert [file.relative_to(root) for file in shipped(root) if ours & absolute_imports(file)] == []


def test_only_host_and_nodes_import_comfyui(root: Path) -> None:
    free = [root / "interact_core" / "host", root / "nodes"]
    bound = [file for file in shipped(root) if not any(folder in file.parents for folder in free)]
    assert [file.relative_to(root) for file in bound if COMFYUI & absolute_imports(file)] == []


def room_of(core: Path, file: Path) -> str:
    """The room of a file of interact_core, by its name in MAY_IMPORT."""
    parts = file.relative_to(core).with_suffix("").parts
    if parts[0] == "host" or parts[:2] == ("theatre", "training"):
        return "/".join(parts[:2])
    return parts[0]


def targets_of(file: Path) -> Iterator[Path]:
    """The files that a file's relative imports lead to, those inside functions as well."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        place = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
        for name in (alias.name for alias in node.names):
            inner = place / name
            if inner.with_suffix(".py").is_file():
                yield inner.with_suffix(".py")
            elif (inner / "__init__.py").is_file() or not place.with_suffix(".py").is_file():
                yield (inner if inner.is_dir() else place) / "__init__.py"
            else:
                yield place.with_suffix(".py")


@pytest.fixture(scope="module")
def arrows(root: Path) -> dict[str, dict[str, list[str]]]:
    """Room -> the rooms that it imports -> the files that do so."""
    core = root / "interact_core"
    found: dict[str, dict[str, list[str]]] = {}
    for file in core.rglob("*.py"):
        room = room_of(core, file)
        reached = found.setdefault(room, {})
        for target in targets_of(file):
            if core in target.parents and room_of(core, target) != room:
                reached.setdefault(room_of(core, target), []).append(str(file.relative_to(core)))
    return found


def test_rooms_import_in_one_direction(arrows) -> None:
    wrong = {
        (room, other): files
        for room, reached in arrows.items()
        if room in MAY_IMPORT
        for other, files in reached.items()
        if other not in MAY_IMPORT[room] | FREE
    }
    assert wrong == {}


def test_every_room_has_its_place(arrows) -> None:
    """A new room belongs into MAY_IMPORT, or into NO_NODE_NEEDS where no node needs it."""
    empty = {"__init__", "host/__init__"}
    assert set(arrows) - empty - set(MAY_IMPORT) - NO_NODE_NEEDS == set()


def test_the_adapters_trainer_knows_nothing_of_the_theatre(arrows) -> None:
    assert not {"theatre", "theatre/training"} & set(arrows["training"])


def test_rooms_import_in_no_circle(arrows) -> None:
    try:
        list(TopologicalSorter({room: set(reached) for room, reached in arrows.items()}).static_order())
    except CycleError as error:
        circle = error.args[1]
        pairs = zip(circle[1:], circle, strict=False)
        pytest.fail(str([(room, other, arrows[room][other]) for room, other in pairs]))


def test_no_folder_has_more_files_than_one_can_overlook(root: Path) -> None:
    """Where there are more, two ideas share a room."""
    counted = Counter(file.parent for file in python_files(root) if not file.stem.startswith("__"))
    assert {str(folder.relative_to(root)): n for folder, n in counted.items() if n > MOST_FILES} == {}


def test_importing_the_pack_leaves_the_heavy_packages_alone(comfy_folder: Path) -> None:
    """ComfyUI brings some of them itself; what counts is what the pack adds."""
    script = (
        "import asyncio, sys; import comfy.options; from comfy.cli_args import args; args.cpu = True\n"
        "import nodes, comfy_api.latest, comfy.samplers\n"
        "before = set(sys.modules)\n"
        "import interacthuman\n"
        "asyncio.run(asyncio.run(interacthuman.comfy_entrypoint()).get_node_list())\n"
        "heavy = {'transformers', 'cv2', 'torchaudio', 'matplotlib', 'scipy'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))\n"
    )
    path = [str(comfy_folder), str(comfy_folder / "custom_nodes")]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{script}"]
    done = subprocess.run(command, cwd=comfy_folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
