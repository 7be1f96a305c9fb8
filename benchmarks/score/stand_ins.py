"""Files for a scorer that cost what the public ones do: networks of the true layouts with chance weights.

The search for faces fires at bright spots, and the landmarks lie where a face would have some, so that everything
behind it has as much to do as for a film of two people. What comes out means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from ..scenes import held_out as held_out  # isort: skip  (it configures comfy, before anything imports comfy)
from comfy_extras.mediapipe.face_landmarker import FaceLandmarker

from ...interact_core.host.scorer import ScorerFiles
from ...interact_core.metrics.sync.syncnet import WIDTH, SyncNet
from ...interact_core.metrics.types import VOICE_RATE, Face
from ...interact_core.theatre import voices

FPS = 25
SPOTS = (2.5 / 8, 5.5 / 8)  # of the width, at which cells of the search lie
SPOT = 0.012  # of the width
FACE = 24.0  # of 128, width and height of the faces that are found
PARTS = ("face_oval", "left_eye", "right_eye", "left_eyebrow", "right_eyebrow", "lips", "irises", "nose")


def write_scorer(folder: Path) -> ScorerFiles:
    """A face landmarker and a SyncNet, as files."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    faces, syncnet = folder / "faces.safetensors", folder / "syncnet.safetensors"
    save_file(_landmarker(), faces)
    save_file({key: weight.contiguous() for key, weight in SyncNet().state_dict().items()}, syncnet)
    return ScorerFiles(faces, syncnet)


def _landmarker() -> dict[str, torch.Tensor]:
    """Of the layout that core reads (comfy_extras/nodes_mediapipe.py)."""
    weights = {f"topology.{part}": torch.zeros(2, 2, dtype=torch.int32) for part in PARTS}
    weights["canonical_vertices"] = torch.rand(468, 3)
    weights["procrustes_indices"] = torch.arange(8, dtype=torch.int32)
    weights["procrustes_weights"] = torch.ones(8)
    for variant in ("short", "full"):
        for key, value in FaceLandmarker(detector_variant=variant).state_dict().items():
            weights[key.replace("detector.", f"detector_{variant}.", 1)] = value.clone()
    weights["detector_full.cls_dw.bias"][:] = -100.0  # finds nothing
    for key, value in weights.items():
        if key.startswith("detector_short."):
            value.zero_()
    short = {key.removeprefix("detector_short."): value for key, value in weights.items()}
    short["stem.weight"][0, :, 2, 2] = (
        1 / 3
    )  # channel 0 is brightness above the middle, and stays it to the end
    short["cls_16.bias"][:] = short["cls_8.bias"][:] = -20.0
    short["cls_8.weight"][0, 0] = 40.0
    short["reg_8.bias"][2:4] = FACE
    short["reg_8.bias"][6] = FACE / 4  # the second eye lies beside the first
    weights["mesh.head_landmarks.bias"][:] = torch.rand(478 * 3) * 128 + 32  # of 192
    return {key: value.contiguous() for key, value in weights.items()}


def frames(count: int, width: int, height: int) -> Iterator[np.ndarray]:
    """Dark noise that moves, with a bright spot for each face: uint8 [height, width, 3], count times."""
    rng = np.random.default_rng(0)
    ground = rng.integers(20, 90, (height // 8, width // 8, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    rows, columns = np.mgrid[:height, :width]
    middle = height / 2 - width / 2 + 3.5 / 8 * width  # of a cell in the square around the picture
    near = [np.hypot(rows - middle, columns - x * width) < SPOT * width for x in SPOTS]
    for number in range(count):
        frame = np.roll(ground, number // 4, 1)
        frame[near[0] | near[1]] = 250
        yield frame


class NoSearch:
    """The two faces of `frames`, without a search; mouths open and shut with the number of the frame."""

    def __init__(self, width: int, height: int) -> None:
        half, middle = FACE / 256 * width, height / 2 - width / 2 + 3.5 / 8 * width
        self.boxes = [(x * width - half, middle - half, x * width + half, middle + half) for x in SPOTS]
        self.at = 0

    def find(self, frames: np.ndarray) -> list[list[Face]]:
        """Faces of each frame."""
        found = []
        for _ in frames:
            found.append([Face(box, 1.0, abs(np.sin(self.at / (k + 2)))) for k, box in enumerate(self.boxes)])
            self.at += 1
        return found


class NoNetwork(SyncNet):
    """SyncNet's features in number and size, but chance."""

    def mouths(self, crops: torch.Tensor) -> torch.Tensor:
        """Of every window of five crops."""
        return torch.rand(max(0, len(crops) - 4), WIDTH)

    def voices(self, columns: torch.Tensor) -> torch.Tensor:
        """Of every window of twenty columns."""
        return torch.rand(max(0, (len(columns) - 20) // 4 + 1), WIDTH)


def write_film(folder: Path, count: int, width: int, height: int) -> None:
    """films/film.mp4 with sound, and the folders voices/film and masks/film of two people."""
    import av
    from PIL import Image

    for place in ("films", "voices/film", "masks/film"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    with av.open(str(folder / "films" / "film.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "18", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, picture in enumerate(frames(count, width, height)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for number, name in enumerate(("Anna", "Ben")):
        once = voices.babble(rng, min(20.0, count / FPS + 1))
        sound = np.tile(once, int(np.ceil(count / FPS * VOICE_RATE / len(once))))
        _write_sound(folder / "voices" / "film" / f"{name}.wav", sound)
        mask = np.zeros((height, width), np.uint8)
        mask[:, number * width // 2 : (number + 1) * width // 2] = 255
        Image.fromarray(mask).save(folder / "masks" / "film" / f"{name}.png")


def _write_sound(path: Path, sound: np.ndarray) -> None:
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(VOICE_RATE)
        file.writeframes((sound.clip(-1, 1) * 32767).astype("<i2").tobytes())
