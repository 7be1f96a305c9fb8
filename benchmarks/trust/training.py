"""Training that is killed, runs out of disk, reads rotten shards, or loses one of its processes: resumed, it ends in
the same weights and curves as a run that nothing happened to, and what cannot be read is told and left out.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from ...interact_core.host.standalone import prepare_comfy

prepare_comfy()  # here too, as forked runs begin with this module

from ...interact_core.errors import InteractError  # noqa: E402
from ...interact_core.training import launch  # noqa: E402
from ...interact_core.training.config import TrainingConfig  # noqa: E402
from ...interact_core.training.data.shards import check_shards  # noqa: E402
from ...interact_core.training.distributed_checkpoints import checkpoint_steps  # noqa: E402
from ...interact_core.training.trainer import train  # noqa: E402
from ...tests.support.models import tiny_wan  # noqa: E402
from ...tests.support.training import lines_of, run_in, write_drawn  # noqa: E402
from ..scenes.result import Figure  # noqa: E402
from .campaign import Order, Tally  # noqa: E402

KINDS = (
    ("killed", 50),
    ("one of two dies", 4),
    ("disk full", 20),
    ("rotten cache", 20),
    ("rotten shard", 100),
)
"""What happens in the trials, in order of their numbers, and how many there are of each.

Killed runs and lost processes come first, as they are what a campaign with little time is for; a rotten shard is only
read, which costs next to nothing.
"""

TRIALS = sum(count for _, count in KINDS)
KEYS = {"base__train": "lora", "base__lora_rank": 2, "run__micro": 1}
RESULTS = ("adapter.safetensors", "lora.safetensors")
HEAVY = ("accelerate", "peft", "matplotlib.pyplot", "torch.utils.tensorboard", "torch.distributed.checkpoint")
MOST_KILLS = 3  # of one run
PATIENCE = 900  # seconds for one run, on a machine that others use


def kind_of(number: int) -> str:
    for kind, count in KINDS:
        if number < count:
            return kind
        number -= count
    raise ValueError("there are no more trials")


class World:
    """Shards, a base, and a run that nothing happened to; runs are processes forked off one that has imported all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_drawn(folder, range(6))
        tiny_wan.write_wan(folder / "wan.safetensors")
        multiprocessing.set_forkserver_preload([__name__, *HEAVY])
        self._forks = multiprocessing.get_context("forkserver")
        self.run(self.config("encoding", run__steps=1))  # so that no run below encodes
        began = time.monotonic()
        assert self.run(self.config("whole")) == 0
        self.seconds = time.monotonic() - began

    def config(self, name: str, **changes: object) -> TrainingConfig:
        return run_in(self.folder, name, **{**KEYS, **changes})

    def start(self, config: TrainingConfig, limit: int | None = None) -> multiprocessing.Process:
        """limit: bytes that a file may have in that process."""
        process = self._forks.Process(target=trained, args=(config, limit, self.folder / "said.txt"))
        process.start()
        return process

    def run(self, config: TrainingConfig, limit: int | None = None) -> int:
        """The exit code of a whole run: 0, or 1 after an InteractError, whose text is `said`."""
        process = self.start(config, limit)
        process.join(PATIENCE)
        assert process.exitcode is not None, "a run hangs"
        return process.exitcode

    @property
    def said(self) -> str:
        path = self.folder / "said.txt"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def differs(self, name: str, other: str = "whole") -> str | None:
        """What of two runs is not the same, None if nothing is: weights bit by bit, curves but for a clock's."""
        one, two = self.folder / other, self.folder / name
        for file in RESULTS:
            if not (two / file).exists() or (one / file).read_bytes() != (two / file).read_bytes():
                return f"{file} is another"
        if list(lines_of(one / "training.csv")) != list(lines_of(two / "training.csv")):
            return "training.csv is another"
        left = sorted(
            path.name for path in two.rglob("*") if ".partial" in path.name or ".part" in path.suffix
        )
        return f"left over: {', '.join(left)}" if left else None


def trained(config: TrainingConfig, limit: int | None, said: Path) -> None:
    """Run in a process of its own."""
    import resource

    import torch

    torch.set_num_threads(1)
    said.unlink(missing_ok=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing fails then with an OSError, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        train(config)
    except InteractError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        said.write_text(str(error), encoding="utf-8")
        sys.exit(1)
    except BaseException:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        said.write_text(traceback.format_exc()[-600:], encoding="utf-8")
        sys.exit(2)


def killed(world: World, chance: random.Random, name: str) -> str | None:
    """Killed one to three times, at any moment or while a checkpoint is being written, and gone on with."""
    config = world.config(name)
    for _ in range(chance.randint(1, MOST_KILLS)):
        process, saving = world.start(config), chance.random() < 0.5
        end = time.monotonic() + chance.random() * world.seconds
        while process.is_alive() and time.monotonic() < end + (saving and world.seconds):
            if saving and any((world.folder / name).glob("step_*.partial")):
                time.sleep(chance.random() * 0.05)
                break
            time.sleep(0.002)
        process.kill()
        process.join()
    if world.run(config) != 0:
        return f"does not go on: {world.said}"
    return world.differs(name)


def disk_full(world: World, chance: random.Random, name: str) -> str | None:
    """No file can grow beyond some size; then there is room again."""
    config = world.config(name)
    code = world.run(config, limit=int(10 ** chance.uniform(2, 5.5)))
    said = world.said
    if code == 1 and ("\n" in said or not said):
        return f"is not told in one sentence: {said!r}"
    if code not in (0, 1):
        return f"ends with {code}: {said}"
    if world.run(config) != 0:
        return f"does not go on: {world.said}"
    return world.differs(name)


def rotten_cache(world: World, chance: random.Random, name: str) -> str | None:
    """Bits of the encoded clips, their index or the constants are flipped, or a file is cut; the run ends all the same,
    with finite weights, or says what is to be deleted."""
    from safetensors.torch import load_file

    copy = world.folder / f"{name}_encoded"
    shutil.copytree(world.folder / "encoded", copy)
    rot(chance.choice(sorted(path for path in copy.rglob("*") if path.is_file())), chance)
    code = world.run(world.config(name, shards__cache=str(copy)))
    shutil.rmtree(copy)
    if code == 1:
        return (
            None if world.said and "\n" not in world.said else f"is not told in one sentence: {world.said!r}"
        )
    if code != 0:
        return f"ends with {code}: {world.said}"
    weights = load_file(world.folder / name / "adapter.safetensors")
    return (
        None if all(bool(value.isfinite().all()) for value in weights.values()) else "weights are not finite"
    )


def rotten_shard(world: World, chance: random.Random, name: str) -> str | None:
    """Bits of a shard are flipped, or it is cut: every sample is decoded or told, each in a sentence."""
    path = world.folder / f"{name}.tar"
    shutil.copy(chance.choice(sorted(world.folder.glob("drawn-*.tar"))), path)
    rot(path, chance)
    try:
        found = check_shards([path])
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    finally:
        path.unlink()
    bad = [said for said in found.broken if "\n" in said or not said.endswith(".")]
    return f"is not one sentence: {bad[0]!r}" if bad else None


def rot(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    if chance.random() < 0.15:
        content = content[: chance.randrange(len(content))]
    for _ in range(chance.choice((1, 8, 200))):
        if content:
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def one_of_two_dies(world: World, chance: random.Random, name: str) -> str | None:
    """torchrun with two processes, of which one is killed; begun again it ends as two do that nothing happens to."""
    if not (world.folder / "pair" / RESULTS[0]).exists():
        code, said, world.pair_seconds = two_processes(world, "pair", ())
        assert code == 0, said
    rank, seconds = chance.randrange(2), chance.random() * world.pair_seconds
    two_processes(world, name, (rank, seconds if chance.random() < 0.5 else math.inf))
    code, said, _ = two_processes(world, name, ())
    return world.differs(name, "pair") if code == 0 else f"does not go on: {said[-300:]}"


def two_processes(world: World, name: str, kill: Sequence[float]) -> tuple[int, str, float]:
    """Exit code, what it said, and seconds.

    kill: rank of the process to kill, and after how many seconds; infinity: once there is a checkpoint, for which
    most of the time of so short a run is too early.
    """
    path = world.folder / f"{name}.toml"
    entries = world.config(name).entries()
    path.write_text(
        "\n".join(f"{key} = {json.dumps(value)}" for key, value in entries.items()), encoding="utf-8"
    )
    port = ("--master-port", str(20000 + os.getpid() % 10000))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *port, launch.__file__]
    command += [f"{__package__.split('.')[0]}.interact_core.training", "adapter", "--config", str(path)]
    folders = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {**os.environ, "PYTHONPATH": folders, "OMP_NUM_THREADS": "1"}
    began = time.monotonic()
    with (world.folder / "torchrun.txt").open("w+", encoding="utf-8") as said:
        child = subprocess.Popen(command, env=environment, cwd=world.folder, stdout=said, stderr=said)
        if kill:
            rank, seconds = kill
            while child.poll() is None and time.monotonic() < began + seconds:
                if math.isinf(seconds) and checkpoint_steps(world.folder / name):
                    break
                time.sleep(0.02)
            children = Path(f"/proc/{child.pid}/task/{child.pid}/children")
            inside = children.read_text(encoding="ascii").split() if child.poll() is None else []
            if len(inside) > rank:
                os.kill(int(inside[int(rank)]), signal.SIGKILL)
        code = child.wait(PATIENCE)
        said.seek(0)
        return code, said.read(), time.monotonic() - began


TRIED = {
    "killed": killed,
    "disk full": disk_full,
    "rotten cache": rotten_cache,
    "rotten shard": rotten_shard,
    "one of two dies": one_of_two_dies,
}


def run(order: Order) -> None:
    tally, world = order.tally, World(order.folder)
    for number in order.left():
        kind, name = kind_of(number), f"run_{number}"
        fault = TRIED[kind](world, order.draw(number), name)
        if fault is None:
            tally.count(number, kind)
        else:
            tally.fault(number, kind, fault)
        shutil.rmtree(world.folder / name, ignore_errors=True)


def figures(tally: Tally) -> list[Figure]:
    """None but the share of faults."""
    return []
