"""`python dev.py train adapter` and `python dev.py train shards`: the trainer's command line."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from ..errors import InteractError
from .config import describe, read_config

log = logging.getLogger(__name__)


def adapter_parser() -> argparse.ArgumentParser:
    """Arguments of `train adapter`."""
    parser = argparse.ArgumentParser(
        prog="dev.py train adapter", description="Train an InterAct adapter on a Wan base: docs/training.md."
    )
    parser.add_argument("--config", type=Path, help="the run's TOML file; configs/ has presets")
    parser.add_argument(
        "--set",
        nargs="*",
        default=[],
        metavar="TABLE.KEY=VALUE",
        help="keys to change, such as run.steps=200",
    )
    parser.add_argument(
        "--explain", action="store_true", help="print a configuration with every key explained"
    )
    parser.add_argument(
        "--launch", nargs=argparse.REMAINDER, help="run on several processes; takes torchrun's options"
    )
    return parser


def shards_parser() -> argparse.ArgumentParser:
    """Arguments of `train shards`."""
    parser = argparse.ArgumentParser(prog="dev.py train shards", description="Check or encode shards.")
    jobs = parser.add_subparsers(dest="job", required=True)
    check = jobs.add_parser("check", help="decode every sample and report what is broken")
    check.add_argument("shards", type=Path, nargs="+")
    encode = jobs.add_parser("encode", help="encode a run's shards before the run")
    encode.add_argument("--config", type=Path, required=True)
    encode.add_argument("--set", nargs="*", default=[], metavar="TABLE.KEY=VALUE")
    encode.add_argument(
        "--part", default="0/1", help="2/8: shards 2, 10, 18, ..., the share of one of 8 machines"
    )
    return parser


def launch_command(chosen: argparse.Namespace) -> list[str]:
    """The same training under torchrun, whose environment variables tell accelerate ranks and devices."""
    launcher = Path(__file__).with_name("launch.py")
    package = __spec__.parent  # __name__ is "__main__" here
    arguments = ["adapter", "--config", str(chosen.config), *(["--set", *chosen.set] if chosen.set else [])]
    return [sys.executable, "-m", "torch.distributed.run", *chosen.launch, str(launcher), package, *arguments]


def train_adapter(arguments: list[str]) -> None:
    """Run `train adapter`, by itself or under torchrun."""
    chosen = adapter_parser().parse_args(arguments)
    if chosen.explain:
        sys.stdout.write(describe())
        return
    if chosen.config is None:
        raise InteractError("Give a training configuration by --config; --explain prints one.")
    config = read_config(chosen.config, chosen.set)
    if chosen.launch:
        command = launch_command(chosen)
        os.execv(command[0], command)
    from ..host.standalone import prepare_comfy

    prepare_comfy()
    from .trainer import train

    log.info("finished: %s", train(config))


def run_shards_job(arguments: list[str]) -> int:
    """Check or encode shards; returns the exit code, 1 if a sample is broken."""
    chosen = shards_parser().parse_args(arguments)
    if chosen.job == "check":
        from .data.shards import check_shards

        findings = check_shards(chosen.shards)
        for sentence in findings.broken:
            log.warning("%s", sentence)
        log.info(
            "%d samples are good, %d of them with masks, %d with speech; %d broken",
            *(findings.good, findings.masked, findings.speaking, len(findings.broken)),
        )
        return int(bool(findings.broken))
    from ..host.standalone import prepare_comfy

    prepare_comfy()
    from .data.cache import encode_shards, find_shards

    keys = read_config(chosen.config, chosen.set).shards
    part, parts = (int(number) for number in chosen.part.split("/"))
    for name in ("train", "validation"):
        if getattr(keys, name):
            encode_shards(keys, find_shards(getattr(keys, name), f"shards.{name}"), part, parts)
    return 0


def main(arguments: list[str]) -> int:
    """arguments: "adapter" or "shards", then its options. Returns the exit code; an InteractError is logged
    as one sentence.
    """
    rank = os.environ.get("RANK", "0")
    level = logging.INFO if rank == "0" else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True)
    try:
        if arguments[0] == "adapter":
            train_adapter(arguments[1:])
            return 0
        return run_shards_job(arguments[1:])
    except InteractError as error:
        log.error("%s", error)  # noqa: TRY400 - a user's mistake is one sentence, without a traceback
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
