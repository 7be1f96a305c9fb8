"""Files to a Scorer: what is there is loaded, what is missing is said with file, source and folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import folder_paths

from ..errors import InteractError
from ..metrics.detectors.interface import FaceDetector, HandDetector
from ..metrics.detectors.mediapipe_package import MediaPipeFaces, MediaPipeHands, has_package
from ..metrics.likeness import CLIP_KIND, DINO_KIND, ImageEmbedder, load_embedder
from ..metrics.score import Scorer
from ..metrics.sync.syncnet import load_syncnet
from ..metrics.sync.tracks import TrackRules
from .detectors.faces import FACE_FILE, FACE_FOLDER, NO_FACE_FILE, face_landmarker_names, load_face_landmarker
from .detectors.hands import NO_POSE_FILE, POSE_FILE, load_sdpose, sdpose_hands
from .folders import METRICS_FOLDER

NO_SYNCNET = (
    "There is no SyncNet, so Sync-C and Sync-D are left out: convert syncnet_v2.model (joonson/syncnet_python) as "
    f"docs/metrics.md of this pack says, and put the file into models/{METRICS_FOLDER}."
)
NO_CLIP = (
    "There is no CLIP, so CLIP-I is left out: put the folder of huggingface.co/openai/clip-vit-base-patch32 into "
    f"models/{METRICS_FOLDER}."
)
NO_DINO = (
    "There is no DINO, so DINO-I is left out: put the folder of huggingface.co/facebook/dino-vits16 into "
    f"models/{METRICS_FOLDER}."
)
MISSING = MappingProxyType(
    {"faces": NO_FACE_FILE, "syncnet": NO_SYNCNET, "hands": NO_POSE_FILE, "clip": NO_CLIP, "dino": NO_DINO}
)
"""For parts that a Scorer does not have."""

NO_POSE_OPTION = (
    f"There is no SDPose, so hands are not measured: name {POSE_FILE} of huggingface.co/Comfy-Org/SDPose (1.9 GB) by "
    "--pose."
)
BY_PACKAGE = (
    f"Faces were searched with the Python package mediapipe, not with {FACE_FILE}: compare the figures with those of "
    "films that were scored in the same way."
)
HANDS_BY_PACKAGE = (
    "Hands were searched with the Python package mediapipe, not with SDPose: HKC is another figure then."
)


@dataclass(frozen=True)
class ScorerFiles:
    """Where the files are: paths, or None for what is found in ComfyUI's folders, if anything is.

    device: torch's name of where networks run; pose: SDPose's checkpoint, which is never looked for, as it is slow;
    package: faces, and hands where there is no pose model, by the package mediapipe; rules: which faces make a track.
    """

    faces: Path | None = None
    syncnet: Path | None = None
    clip: Path | None = None
    dino: Path | None = None
    device: str = "cpu"
    pose: Path | None = None
    package: bool = False
    rules: TrackRules = field(default_factory=TrackRules)

    def found(self) -> ScorerFiles:
        """The same with what lies in ComfyUI's folders in place of None; without a face landmarker the package."""
        faces = self.faces or _first(face_places())
        return replace(
            self,
            faces=faces,
            syncnet=self.syncnet or _first(syncnet_places()),
            clip=self.clip or _first(embedder_places("clip")),
            dino=self.dino or _first(embedder_places("dino")),
            package=faces is None and has_package(),
        )

    def identity(self) -> dict[str, Any]:
        """Of the files that are found, place and time, and the rules: what a figure was measured with."""
        found = self.found()
        places = {name: getattr(found, name) for name in ("faces", "syncnet", "clip", "dino", "pose")}
        files = {
            name: None if path is None or not path.exists() else [str(path), path.stat().st_mtime_ns]
            for name, path in places.items()
        }
        return {**files, "package": found.package, "rules": asdict(self.rules)}


def face_places() -> dict[str, Path]:
    """Face landmarkers by name, core's usual file first."""
    names = sorted(face_landmarker_names(), key=lambda name: (name != FACE_FILE, name))
    return {name: Path(folder_paths.get_full_path_or_raise(FACE_FOLDER, name)) for name in names}


def syncnet_places() -> dict[str, Path]:
    """Safetensors of models/interact_metrics by name."""
    return _in_folder("*.safetensors")


def embedder_places(kind: str) -> dict[str, Path]:
    """Folders of models/interact_metrics with a config.json and `kind` in their name ("clip", "dino"), by name."""
    found = {path.parent.name: path.parent for path in _in_folder("*/config.json").values()}
    return {name: path for name, path in found.items() if kind in name.lower()}


def _in_folder(pattern: str) -> dict[str, Path]:
    """Matches in models/interact_metrics, by their path in it; an earlier folder wins."""
    found: dict[str, Path] = {}
    for base in folder_paths.get_folder_paths(METRICS_FOLDER):
        for path in sorted(Path(base).glob(pattern)):
            found.setdefault(path.relative_to(base).as_posix(), path)
    return found


def _first(places: dict[str, Path]) -> Path | None:
    return next(iter(places.values()), None)


def load_scorer(files: ScorerFiles, pose_model: Any = None, pose_vae: Any = None) -> Scorer:
    """Load what is named; None leaves its figures out, and the scorer says where the file would come from.

    pose_model, pose_vae: SDPose's MODEL and VAE as ComfyUI loads a checkpoint, in place of files.pose; both or none.
    Raises InteractError for a file that is not what it should be.
    """
    if (pose_model is None) != (pose_vae is None):
        raise InteractError(
            "Hands need both MODEL and VAE of SDPose: connect both outputs of Load Checkpoint."
        )
    notes = []
    if files.package and files.faces is None:
        faces: FaceDetector | None = MediaPipeFaces()
        notes.append(BY_PACKAGE)
    else:
        faces = None if files.faces is None else load_face_landmarker(files.faces)
    hands: HandDetector | None = None
    if pose_model is not None:
        hands = sdpose_hands(pose_model, pose_vae)
    elif files.pose is not None:
        hands = load_sdpose(files.pose)
    elif files.package:
        hands = MediaPipeHands()
        notes.append(HANDS_BY_PACKAGE)
    return Scorer(
        faces=faces,
        syncnet=None if files.syncnet is None else load_syncnet(files.syncnet).to(files.device),
        hands=hands,
        clip=None if files.clip is None else _embedder(files.clip, CLIP_KIND, files.device),
        dino=None if files.dino is None else _embedder(files.dino, DINO_KIND, files.device),
        missing=MISSING,
        rules=files.rules,
        notes=tuple(notes),
    )


def load_found_scorer(files: ScorerFiles) -> Scorer:
    """load_scorer of what is named and what lies in ComfyUI's folders besides, where there is no graph."""
    scorer = load_scorer(files.found())
    return replace(scorer, missing={**MISSING, "hands": NO_POSE_OPTION})


def _embedder(folder: Path, kind: str, device: str) -> ImageEmbedder:
    embedder = load_embedder(folder)
    if embedder.kind != kind:
        raise InteractError(
            f"{folder} gives {embedder.kind}, but {kind} was asked of it: choose another folder."
        )
    embedder.model.to(device)
    return embedder
