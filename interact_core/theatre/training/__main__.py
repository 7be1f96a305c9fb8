"""`python dev.py train`: trains the theatre from scratch, stage by stage; a stage that was killed resumes."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...host.standalone import prepare_comfy
from ..scenes import WORLDS

STAGES = ("speech", "vae", "clips", "dit")
# Run only if named: the ablation's alternative to masks (id_embedding.py); all of a GPU for some minutes.
OPTIONAL_STAGES = ("identity", "gpu")
PACK = Path(__file__).resolve().parents[3]
log = logging.getLogger(__name__)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py train", description=__doc__)
    parser.add_argument(
        "stages",
        nargs="*",
        metavar="STAGE",
        help=f"any of {', '.join(STAGES)}; none means all, in this order; "
        f"only if named: {', '.join(OPTIONAL_STAGES)}",
    )
    parser.add_argument(
        "--runs", type=Path, default=PACK / "runs" / "theatre", help="checkpoints, clips and curves"
    )
    parser.add_argument("--models", type=Path, default=PACK / "models", help="where finished weights go")
    parser.add_argument("--clips", type=int, default=3000, help="clips to draw and encode, a multiple of 100")
    parser.add_argument("--recordings", type=int, default=400, help="recordings to synthesise for the clips")
    parser.add_argument(
        "--set",
        nargs="*",
        default=[],
        metavar="NAME=VALUE",
        help="fields of the stage's recipe, such as steps=200",
    )
    parser.add_argument(
        "--warm",
        action="store_true",
        help="start vae and dit from the weights in --models, unless there is a checkpoint",
    )
    parser.add_argument(
        "--world",
        choices=WORLDS,
        default="fast",
        help="of vae, clips and dit: how fast and large the puppets are (default: %(default)s)",
    )
    parser.add_argument(
        "--minutes", type=float, default=15.0, help="of gpu: all that it may take (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    chosen = parser.parse_args()
    known = (*STAGES, *OPTIONAL_STAGES)
    unknown = set(chosen.stages) - set(known)
    if unknown:
        parser.error(f"no stage is called {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    return chosen


def with_settings(recipe: Any, settings: list[str]) -> Any:
    """Replace fields of a recipe, or of a dataclass among them, by NAME=VALUE texts; names of other stages'
    fields are ignored.
    """
    values = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
    nested = {name: with_settings(value, settings) for name, value in values.items() if is_dataclass(value)}
    recipe = replace(recipe, **nested)
    kinds = {name: type(value) for name, value in values.items() if name not in nested}
    kinds = {
        name: (lambda text: text.lower() in ("1", "true", "yes")) if kind is bool else kind
        for name, kind in kinds.items()
    }
    given = dict(setting.split("=", 1) for setting in settings)
    return replace(recipe, **{name: kinds[name](value) for name, value in given.items() if name in kinds})


def run_speech(chosen: argparse.Namespace) -> None:
    from .train_speech import SpeechRecipe, train_speech

    train_speech(with_settings(SpeechRecipe(), chosen.set), speech_folder(chosen))


def speech_folder(chosen: argparse.Namespace) -> Path:
    return chosen.models / "audio_encoders" / "theatre_wav2vec2"


def run_vae(chosen: argparse.Namespace) -> None:
    from .clips import latent_statistics
    from .models import export_vae
    from .train_vae import VAE_FILE, VAERecipe, train_vae
    from .wan_vae import fold_latent_format

    recipe, world = with_settings(VAERecipe(), chosen.set), WORLDS[chosen.world]
    vae = train_vae(recipe, chosen.runs, chosen.models if chosen.warm else None, world).eval()
    statistics = latent_statistics(vae, world=world)
    fold_latent_format(vae.cpu(), *statistics)
    export_vae(vae, chosen.models / VAE_FILE)


def bank_file(chosen: argparse.Namespace) -> Path:
    from ...speech.wav2vec2 import load_wav2vec2
    from .clips import speech_bank, write_bank

    path = chosen.runs / "speech_bank.safetensors"
    if not path.exists():
        log.info("synthesising and encoding %d recordings", chosen.recordings)
        encoder = load_wav2vec2(speech_folder(chosen))
        write_bank(path, speech_bank(np.random.default_rng(1), chosen.recordings, encoder))
    return path


def run_clips(chosen: argparse.Namespace) -> None:
    from .clips import write_clips
    from .train_vae import VAE_FILE

    vae_file = chosen.models / VAE_FILE
    world = WORLDS[chosen.world]
    write_clips(clips_folder(chosen), chosen.clips, bank_file(chosen), vae_file, chosen.threads, world)


def clips_folder(chosen: argparse.Namespace) -> Path:
    """Clips of different worlds do not mix."""
    return chosen.runs / ("clips" if chosen.world == "fast" else f"clips_{chosen.world}")


def run_dit(chosen: argparse.Namespace) -> None:
    from .clips import read_bank, read_clips
    from .train_dit import DiTRecipe, train_dit

    recipe = with_settings(DiTRecipe(), chosen.set)
    train_dit(
        recipe,
        chosen.runs,
        read_clips(clips_folder(chosen)),
        read_bank(bank_file(chosen)),
        chosen.models,
        chosen.warm,
    )


def run_identity(chosen: argparse.Namespace) -> None:
    from .clips import read_bank, read_clips
    from .id_embedding import VARIANTS, IdentityRecipe, train_identity

    recipe, clips = with_settings(IdentityRecipe(), chosen.set), read_clips(clips_folder(chosen))
    for variant in VARIANTS:
        bank = read_bank(bank_file(chosen))
        log.info("%s", train_identity(recipe, variant, chosen.runs / "identity", clips, bank, chosen.models))


def run_gpu(chosen: argparse.Namespace) -> None:
    from .gpu_run import GPURun
    from .train_dit import DiTRecipe
    from .train_vae import VAERecipe

    GPURun(
        minutes=chosen.minutes,
        runs=chosen.runs / "gpu",
        models=chosen.models,
        bank=bank_file(chosen),
        workers=chosen.threads,
        vae=with_settings(VAERecipe(), chosen.set),
        dit=with_settings(DiTRecipe(readers=4), chosen.set),
        world=WORLDS[chosen.world],
    ).train()


def write_shards(arguments: list[str]) -> None:
    """`train shards theatre`; arguments: "theatre" and its options."""
    parser = argparse.ArgumentParser(
        prog="dev.py train shards", description="Render puppet clips into shards."
    )
    parser.add_argument("job", choices=("theatre",))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument(
        "--puppets", type=int, nargs="+", default=[2], help="numbers of puppets, which the clips take in turn"
    )
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    from .shards import write_theatre_shards

    written = write_theatre_shards(
        chosen.folder, chosen.seed, chosen.clips, puppets=tuple(chosen.puppets), frames=chosen.frames
    )
    log.info("wrote %d clips into %d shards in %s", chosen.clips, len(written), chosen.folder)


def main() -> None:
    if sys.argv[1:2] == ["shards"]:
        write_shards(sys.argv[2:])
        return
    chosen = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(chosen.threads)
    prepare_comfy()
    for stage in chosen.stages or STAGES:
        log.info("stage %s", stage)
        RUN[stage](chosen)


RUN = {
    "speech": run_speech,
    "vae": run_vae,
    "clips": run_clips,
    "dit": run_dit,
    "identity": run_identity,
    "gpu": run_gpu,
}


if __name__ == "__main__":
    main()
