"""The trainer's configuration: every key explained, presets that are read, mistakes in one sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.training.config import TrainingConfig, config_of, describe, read_config

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_the_description_is_the_defaults_and_explains_every_key() -> None:
    assert config_of(tomllib.loads(describe()), "described") == TrainingConfig()
    keys = [line for line in describe().splitlines() if " = " in line and not line.startswith("#")]
    assert len(keys) == len(TrainingConfig().entries())
    assert all(len(line.split("  # ")[1]) >= 8 for line in keys)


def test_the_page_shows_the_description(root: Path) -> None:
    assert describe() in (root / "docs" / "training.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["stage_one", "stage_two", "heads_only", "theatre_heads", "theatre"])
def test_presets_are_read(root: Path, name: str) -> None:
    config = read_config(root / "configs" / f"{name}.toml")
    assert config.run.folder and config.shards.train
    wanted = {
        "stage_one": (False, True, "lora"),
        "stage_two": (True, True, "lora"),
        "heads_only": (True, False, "frozen"),
        "theatre_heads": (True, False, "frozen"),
        "theatre": (True, True, "full"),
    }
    assert (config.adapter.mask_heads, config.adapter.audio_blocks, config.base.train) == wanted[name]
    assert config.needs_masks == (name != "stage_one")


def test_settings_change_keys(root: Path) -> None:
    settings = ["run.steps=7", "run.folder=elsewhere", "shards.people=[2, 3]", "optimiser.rate=1"]
    config = read_config(root / "configs" / "theatre.toml", settings)
    assert (config.run.steps, config.run.folder, config.shards.people) == (7, "elsewhere", (2, 3))
    assert config.optimiser.rate == 1.0


@pytest.mark.parametrize(
    "text, message",
    [
        ("[run]\nstep = 3", r"\[run\] has no key 'step'; its keys are batch,"),
        ("[runs]\nsteps = 3", r"there is no table \[runs\]"),
        ("steps = 3", "steps stands outside of any table"),
        ("[run]\nsteps = '3'", "run.steps is '3'; give a whole number"),
        ("[run]\nsteps = true", "run.steps is True; give a whole number"),
        ("[base]\ntrain = 'half'", "base.train is 'half'; choose one of frozen, lora, full"),
        ("[mix]\nno_audio = 2", "mix.no_audio is 2.0; give a share"),
        ("[shards]\nframes = 80", "shards.frames is 80; give 4n"),
        ("[base]\ntrain = 'full'\ndtype = 'bfloat16'", "needs 'float32'"),
        ("[base]\ndtype = 'bfloat16'\n[run]\nprecision = 'no'", "it has to be 'float32'"),
        (
            "[adapter]\naudio_projector = false\naudio_blocks = false\nmask_heads = false",
            "everything is frozen",
        ),
        ("[run", "is not TOML"),
        ("a = " + "[" * 100000, "is not TOML"),
        ("[optimiser]\nrate = nan", "optimiser.rate is nan; give a finite number"),
        ("[shards]\nfps = inf", "shards.fps is inf; give a finite number"),
        ("[run]\nseed = -1", "run.seed is -1; give 0 or more"),
        ("run.steps.x = 1", "run.steps is {'x': 1}; give a whole number"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InteractError, match=message) as error:
        read_config(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_not_there_and_a_setting_without_value(tmp_path: Path, root: Path) -> None:
    with pytest.raises(InteractError, match="cannot be read"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"[run]\nfolder = '\xff'")
    with pytest.raises(InteractError, match="is not TOML"):
        read_config(tmp_path / "latin.toml")
    (tmp_path / "flat.toml").write_text("run = 3")
    with pytest.raises(InteractError, match="run stands outside of any table"):
        read_config(tmp_path / "flat.toml", ["run.steps=3"])
    with pytest.raises(InteractError, match="has no key 'steps.more'"):
        read_config(root / "configs" / "theatre.toml", ["run.steps.more=3"])
    with pytest.raises(InteractError, match="not of the form"):
        read_config(root / "configs" / "theatre.toml", ["steps=3"])
