"""The values that an adapter file recommends: written beside its configuration, and no hindrance to anybody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.adapter import (
    Adapter,
    AdapterConfig,
    Recommended,
    read_adapter,
    save_adapter,
)
from interacthuman.interact_core.adapter.recommended import RECOMMENDED_KEY
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.theatre.training.models import theatre_values
from interacthuman.interact_core.training.config import TrainingConfig
from interacthuman.interact_core.training.trainer import recommended_by
from safetensors import safe_open

CONFIG = AdapterConfig(
    model_width=24, model_blocks=2, audio_layers=2, audio_width=8, audio_frame_width=8, audio_window=1, audio_hidden=8,
    audio_tokens=2, audio_context_width=8, audio_heads=2, mask_width=12, mask_heads=2, mask_blocks=(1,),
)  # fmt: skip


def metadata(path: Path) -> dict[str, str]:
    with safe_open(str(path), framework="pt") as file:
        return file.metadata()


def test_they_are_written_beside_the_configuration(tmp_path: Path) -> None:
    """The weights and the configuration are read as from a file without them."""
    weights = Adapter(CONFIG).state_dict()
    for name, advice in (("without", None), ("with", Recommended(steps=20, cfg=3.0))):
        save_adapter(tmp_path / name, weights, CONFIG, recommended=advice)
        config, found = read_adapter(tmp_path / name)
        assert config == CONFIG and all(torch.equal(found[key], weights[key]) for key in weights)
    assert RECOMMENDED_KEY not in metadata(tmp_path / "without")
    assert json.loads(metadata(tmp_path / "with")[RECOMMENDED_KEY]) == {"steps": 20, "cfg": 3.0}
    assert Recommended().to_metadata() == {}


@pytest.mark.parametrize(
    "values",
    [
        {"steps": -1},
        {"cfg": float("nan")},
        {"stage_boundary": 1.5},
        {"negative_references": "no"},
        {"sampler_name": ""},
    ],
)
def test_a_value_that_no_node_takes_is_refused(values: dict) -> None:
    with pytest.raises(InteractError, match=next(iter(values))):
        Recommended(**values)


def test_the_shipped_adapter_has_those_of_the_shipped_graph(root: Path) -> None:
    shipped = metadata(root / "models" / "interact" / "theatre_adapter.safetensors")
    assert json.loads(shipped[RECOMMENDED_KEY]) == theatre_values().values()


def test_training_writes_the_size_of_its_clips() -> None:
    found = recommended_by(TrainingConfig()).values()
    assert found == {"width": 832, "height": 480, "fps": 25.0, "steps": 30, "cfg": 5.0, "shift": 5.0}
