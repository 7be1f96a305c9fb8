"""Puts ComfyUI and the pack on the path and ComfyUI on the CPU, before any test module imports either."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _import_from_comfy() -> None:
    """Makes `comfy` and `interacthuman` importable, from the ComfyUI that dev.py names.

    The repository's root leaves sys.path (`python -m pytest` puts it there): our nodes/ would hide ComfyUI's
    nodes.py.
    """
    named = os.environ.get("INTERACT_COMFYUI", "")
    folders = [named, str(Path(named) / "custom_nodes")] if named else []
    kept = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT and entry not in folders]
    sys.path[:] = [*folders, *kept]
    try:
        import comfy.options  # noqa: F401  (only to see that it is there)
        import interacthuman
    except ImportError as missing:
        raise pytest.UsageError(
            f"The tests need ComfyUI and this pack linked into it ({missing}): run them by "
            "`python dev.py test`, or name a ComfyUI that has it in INTERACT_COMFYUI."
        ) from missing
    tested = Path(interacthuman.__file__).resolve().parent
    if tested != ROOT:
        raise pytest.UsageError(f"These tests would test another copy of the pack, the one in {tested}.")


def _run_comfy_on_the_cpu() -> None:
    """ComfyUI chooses its device when comfy.model_management is imported, so this has to come first."""
    import comfy.options

    comfy.options.enable_args_parsing(False)  # sys.argv is pytest's
    from comfy.cli_args import args

    args.cpu = True


_import_from_comfy()
_run_comfy_on_the_cpu()
# One of several processes that share the tests (`dev.py test`) takes one core, and so do the servers that it starts.
SHARED = "PYTEST_XDIST_WORKER" in os.environ
if SHARED:
    os.environ["OMP_NUM_THREADS"] = "1"

import torch  # noqa: E402  (only now: the path has to be right first)
from interacthuman.interact_core.comfy_server import ComfyServer  # noqa: E402
from interacthuman.tests.support.server import tiny_server  # noqa: E402

torch.set_num_threads(1 if SHARED else min(2, torch.get_num_threads()))
# The pack loads from local files alone: a call to the hub has to fail here, not to succeed quietly.
os.environ["HF_HUB_OFFLINE"] = "1"


def pytest_report_header() -> str:
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers")]
    return f"ComfyUI in {os.environ.get('INTERACT_COMFYUI', 'PYTHONPATH')}, {', '.join(versions)}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start a browser or a server come first: short ones at the end keep two processes busy to it."""
    long = (ROOT / "tests" / "browser", ROOT / "tests" / "server")
    items.sort(key=lambda item: not any(folder in item.path.parents for folder in long))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def comfy_folder() -> Path:
    """The ComfyUI that the tests run on."""
    import folder_paths

    return Path(folder_paths.__file__).absolute().parent


@pytest.fixture(scope="session")
def session_server(tmp_path_factory: pytest.TempPathFactory, comfy_folder: Path) -> Iterator[ComfyServer]:
    """One for all tests of a session, ended with it whatever happens.

    Without ComfyUI's nodes of paid services, a good part of what the server and each page have to read: those who try
    the newest frontend have them (tests/browser/comfyui/test_newest_frontend.py).
    """
    folder = tmp_path_factory.mktemp("comfy_server")
    with tiny_server(folder, comfy_folder, "--disable-api-nodes") as running:
        yield running


@pytest.fixture(scope="session")
def server(session_server: ComfyServer) -> ComfyServer:
    """The session's, where a module has none of its own by this name."""
    return session_server
