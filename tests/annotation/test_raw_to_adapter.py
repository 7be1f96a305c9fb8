"""The run of docs/scale.md from raw film to a trained adapter: its lines fit together, and the last one takes its steps
with as few clips as four films give."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from interacthuman.tests.support.training import MODELS

from interacthuman.interact_core.adapter import read_adapter  # isort: skip
from interacthuman.interact_core.annotation.__main__ import parse
from interacthuman.interact_core.annotation.pipeline.config import read_config as read_annotation_config
from interacthuman.interact_core.annotation.pipeline.record import FPS
from interacthuman.interact_core.annotation.stages import STAGES
from interacthuman.interact_core.theatre.training.shards import write_theatre_shards
from interacthuman.interact_core.training.__main__ import adapter_parser
from interacthuman.interact_core.training.config import read_config
from interacthuman.interact_core.training.trainer import Trainer


@pytest.fixture(scope="module")
def lines(root: Path) -> list[list[str]]:
    """The words behind `python dev.py` of the commands below "From raw film to a trained adapter"."""
    section = (root / "docs" / "scale.md").read_text(encoding="utf-8").partition("## From raw film")[2]
    typed = section.partition("### Try it")[2].partition("\n### ")[0].replace("\\\n", " ")
    return [shlex.split(line)[2:] for line in typed.splitlines() if line.startswith("    python dev.py ")]


def test_each_line_begins_where_the_one_before_it_ended(lines: list[list[str]], root: Path) -> None:
    films, annotate, train = lines
    assert (
        films[:2] == ["annotate", "theatre"]
        and annotate[0] == "annotate"
        and train[:2] == ["train", "adapter"]
    )
    raw, options = Path(films[2]), parse(annotate[1:])
    assert options.raw == raw
    stages = read_annotation_config(root / options.config, options.set, STAGES).tables
    assert Path(stages["masks"].looks) == raw / "looks.json"
    chosen = adapter_parser().parse_args(train[2:])
    config = read_config(root / chosen.config, chosen.set)
    assert config.shards.train == (f"{options.out}/shards/train-*.tar",)
    assert config.shards.frames / FPS == stages["references"].window
    assert not config.shards.validation and not config.run.validate_every


def test_fewer_clips_than_a_step_takes_are_enough(lines: list[list[str]], root: Path, tmp_path: Path) -> None:
    write_theatre_shards(tmp_path / "shards", 1, 3, puppets=(2,), frames=25)
    chosen = adapter_parser().parse_args(lines[-1][2:])
    config = read_config(
        root / chosen.config,
        [
            *chosen.set,
            f"base.file={MODELS / 'diffusion_models' / 'theatre_wan.safetensors'}",
            f"adapter.start={MODELS / 'interact' / 'theatre_adapter.safetensors'}",
            f"shards.train={[str(tmp_path / 'shards' / '*.tar')]}",
            f"shards.vae={MODELS / 'vae' / 'theatre_wan_vae.safetensors'}",
            f"shards.audio_encoder={MODELS / 'audio_encoders' / 'theatre_wav2vec2'}",
            "run.steps=1",
            f"run.folder={tmp_path / 'run'}",
            "run.measure_peak=false",
        ],
    )
    assert config.run.batch > 3
    shipped, trained = read_adapter(Path(config.adapter.start)), read_adapter(Trainer(config).run())
    assert trained[0].mask_blocks == shipped[0].mask_blocks
    assert any(
        not value.equal(shipped[1][name]) for name, value in trained[1].items() if "audio_blocks" in name
    )
