"""How much of the device `train adapter` uses: the trainer itself, from shards of noise, at a published size."""

from __future__ import annotations

import csv
import json
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ...interact_core.theatre.pipeline import MODELS
from ..scenes.result import Figure, at_least
from .forward import Bench
from .models import Grid, Shape, build_wan
from .timing import median

PEOPLE, CLIPS, RATE = 2, 2, 16000
WARM = 2  # steps that are not counted
STEPS = {True: 10, False: 4}  # with those; by whether it is a GPU
WANTED = 40.0  # percent of the device's own matrix products
CONFIG = Path(__file__).parents[2] / "configs" / "stage_two.toml"


def utilisation(bench: Bench) -> list[Figure]:
    """Percent of the device's own rate of matrix products, LoRA and all parts of the adapter, one clip a pass: with
    gradient checkpointing, whose second forward pass does not count, and without, if the memory is enough for that.
    """
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        base = _write_base(Path(folder), bench.shape)
        _write_shard(Path(folder), bench.grid)
        for name, checkpointing in (("checkpointed", True), ("stored", False)):
            try:
                rows = _train(Path(folder), base, bench, checkpointing)
            except torch.OutOfMemoryError:
                print(f"utilisation: activations of a whole step do not fit ({name})", flush=True)
                continue
            counted = rows[WARM:]
            percent = [100 * float(row["utilisation"]) for row in counted]
            waiting = 100 * statistics.median(float(row["waiting"]) for row in counted)
            note = f"percent of the device's own matrix products; {waiting:.1f} % waiting for clips"
            figures.append(at_least(f"utilisation_{name}", *median(percent), WANTED, note))
            speed = [float(row["tokens_per_second"]) for row in counted]
            figures.append(Figure(f"tokens_per_second_{name}", *median(speed)))
    return figures


def _write_base(folder: Path, shape: Shape) -> Path:
    """A text-to-video Wan of this size with random weights, as a file that ComfyUI recognises."""
    wan = build_wan(shape, shape.blocks, torch.device("cpu"), torch.bfloat16).model.diffusion_model
    sizes = {"num_heads": shape.heads, "freq_dim": 256}
    weights = {name: value.contiguous() for name, value in wan.state_dict().items()}
    path = folder / "wan.safetensors"
    save_file(weights, path, metadata={"config": json.dumps({"transformer": sizes})})
    return path


def _write_shard(folder: Path, grid: Grid) -> None:
    """Clips of still noise; two people side by side, of whom each speaks."""
    from ...interact_core.training.data.shards import Sample, writing_shards

    rng = np.random.default_rng(0)
    with writing_shards(folder, "noise") as writer:
        for number in range(CLIPS):
            picture = rng.integers(0, 256, (grid.height, grid.width, 3), dtype=np.uint8)
            masks = np.zeros((PEOPLE, grid.frames, grid.height, grid.width), np.uint8)
            for person in range(PEOPLE):
                masks[person, :, :, person * grid.width // 2 : person * grid.width // 2 + grid.width // 4] = (
                    255
                )
            sound = rng.normal(0, 0.1, (PEOPLE, round((grid.frames / 25 + 1) * RATE))).astype(np.float32)
            writer.write(
                Sample(
                    key=f"{number:04d}",
                    frames=np.repeat(picture[None], grid.frames, 0),
                    fps=25.0,
                    references=tuple((picture,) for _ in range(PEOPLE)),
                    masks=masks,
                    confidence=np.ones(masks.shape[:2], np.float32),
                    speech={person: (voice, RATE) for person, voice in enumerate(sound)},
                    starts=dict.fromkeys(range(PEOPLE), 0.0),
                    caption="",
                )
            )


def _train(folder: Path, base: Path, bench: Bench, checkpointing: bool) -> list[dict[str, str]]:
    """The curve's rows of a short run, one a step, by the preset of stage two with this base and these clips."""
    from ...interact_core.training.config import read_config
    from ...interact_core.training.trainer import train

    cuda = bench.device.type == "cuda"
    steps = STEPS[cuda]
    run = folder / ("checkpointed" if checkpointing else "stored")
    settings = {
        "base.file": base,
        "base.dtype": "bfloat16" if cuda else "float32",  # a CPU's layer norm takes one precision alone
        "base.lora_start": "",
        "base.checkpointing": str(checkpointing).lower(),
        "adapter.start": "",
        "shards.train": [str(folder / "noise-*.tar")],
        "shards.validation": [],
        "shards.vae": MODELS / "vae" / "theatre_wan_vae.safetensors",
        "shards.audio_encoder": MODELS / "audio_encoders" / "theatre_wav2vec2",
        "shards.text_encoder": "",
        "shards.width": bench.grid.width,
        "shards.height": bench.grid.height,
        "shards.frames": bench.grid.frames,
        "shards.views": 1,
        "shards.crops": "false",
        "mix.no_audio": 0.0,
        "mix.all_mute": 0.0,
        "run.folder": run,
        "run.steps": steps,
        "run.batch": 1,
        "run.log_every": 1,
        "run.save_every": steps,
        "run.validate_every": 0,
        "optimiser.warmup": 1,
        "optimiser.cooldown": 1,
    }
    train(read_config(CONFIG, [f"{key}={value}" for key, value in settings.items()]))
    with (run / "training.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
