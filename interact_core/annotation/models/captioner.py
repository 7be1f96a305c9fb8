"""Who is in a clip, in words: a vision-language model is shown some frames and answers a question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...metrics.types import Film
from .folders import PREPROCESSING, kind_of, load_model, load_processor

KINDS = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
FILES = (PREPROCESSING, ("tokenizer_config.json",))
WHERE = "a folder of Qwen2-VL, Qwen2.5-VL or Qwen3-VL, such as huggingface.co/Qwen/Qwen3-VL-8B-Instruct"


class Captioner(Protocol):
    """Answers questions about clips."""

    def answer(self, film: Film, frames: Sequence[int], question: str) -> str:
        """The answer, as the model wrote it; frames: numbers of the film's frames that it is shown, rising."""
        ...


class VisionLanguageModel:
    """A Qwen-VL of transformers, asked without chance: the same clip and question give the same answer.

    tokens: most that an answer may have.
    """

    def __init__(self, model: Any, processor: Any, tokens: int) -> None:
        self.model, self.processor, self.tokens = model, processor, tokens

    def answer(self, film: Film, frames: Sequence[int], question: str) -> str:
        """The answer to a question about some frames of a film, shown as a video."""
        import torch

        about = [{"type": "video"}, {"type": "text", "text": question}]
        prompt = self.processor.apply_chat_template(
            [{"role": "user", "content": about}], add_generation_prompt=True, tokenize=False
        )
        inputs = self.processor(
            text=[prompt],
            videos=[film.pick(frames)],
            video_metadata=[
                {
                    "total_num_frames": film.frames,
                    "fps": film.fps,
                    "frames_indices": np.asarray(frames),
                    "duration": film.seconds,
                }
            ],
            do_sample_frames=False,
            return_tensors="pt",
        ).to(self.model.device, self.model.dtype)
        with torch.inference_mode():
            written = self.model.generate(**inputs, max_new_tokens=self.tokens, do_sample=False)
        return self.processor.batch_decode(
            written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )[0].strip()


def load_captioner(folder: Path, device: str, tokens: int = 512) -> VisionLanguageModel:
    """A Qwen-VL from a folder as it is published. Raises InteractError, as folders.py says."""
    kind_of(folder, KINDS, FILES, WHERE)
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = load_processor(AutoProcessor, folder, WHERE)
    return VisionLanguageModel(
        load_model(AutoModelForImageTextToText, folder, device, WHERE), processor, tokens
    )
