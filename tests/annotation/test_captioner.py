"""A Qwen-VL from a local folder: every kind is loaded and asked by the same code, other folders are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from interacthuman.interact_core.annotation.models.captioner import load_captioner
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.metrics.types import Film
from interacthuman.tests.support.models.tiny_annotators import save_qwen_vl


@pytest.mark.parametrize("kind", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_an_answer_hangs_on_the_pictures_and_the_question(kind: str, tmp_path: Path) -> None:
    captioner = load_captioner(save_qwen_vl(tmp_path / kind, kind), "cpu", tokens=6)
    noise = np.random.default_rng(0).integers(0, 255, (12, 64, 96, 3)).astype(np.uint8)
    asked: list[dict[str, object]] = []
    generate = captioner.model.generate
    captioner.model.generate = lambda **inputs: asked.append(inputs) or generate(**inputs)
    answer = captioner.answer(Film.of_frames(noise, 25.0), [1, 4, 7, 10], "Who is there?")
    assert answer == captioner.answer(Film.of_frames(noise, 25.0), [1, 4, 7, 10], "Who is there?")
    captioner.answer(Film.of_frames(noise[::-1].copy(), 25.0), [1, 4, 7, 10], "Who is there?")
    first, _, other = asked
    assert first["video_grid_thw"].tolist()[0][0] == 2, "four frames are two temporal patches"
    assert not np.allclose(first["pixel_values_videos"], other["pixel_values_videos"])
    words = captioner.processor.batch_decode(first["input_ids"])[0]
    assert "Who is there?" in words
    if kind == "qwen3_vl":  # which is told when each pair of frames is shown
        assert "<0.1 seconds>" in words and "<0.3 seconds>" in words


def test_a_folder_that_is_not_one_is_refused_with_all_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InteractError, match="is no folder.*Qwen3-VL"):
        load_captioner(tmp_path / "none", "cpu")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen3_vl"}))
    with pytest.raises(
        InteractError, match="has no preprocessor_config.json, tokenizer_config.json, model.safe"
    ):
        load_captioner(tmp_path, "cpu")
    for name in ("preprocessor_config.json", "tokenizer_config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(InteractError, match="is of the kind 'llama'"):
        load_captioner(tmp_path, "cpu")
