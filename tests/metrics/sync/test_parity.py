"""Against the package syncnet-python on one random network and one clip: features, distances, D, C, offset, crops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from interacthuman.interact_core.metrics.sync import crop
from interacthuman.interact_core.metrics.sync.convert import convert_syncnet
from interacthuman.interact_core.metrics.sync.features import mouth_features, voice_features
from interacthuman.interact_core.metrics.sync.mfcc import mfcc
from interacthuman.interact_core.metrics.sync.scores import distances, score
from interacthuman.interact_core.metrics.sync.syncnet import SyncNet, load_syncnet
from interacthuman.interact_core.metrics.sync.tracks import TrackRules, boxes_of, link_faces, why_dropped
from interacthuman.interact_core.metrics.types import Face, Film
from interacthuman.tests.support.syncnet.other_syncnet import (
    import_other,
    lip_windows,
    random_network,
    voice_windows,
)
from scipy.io import wavfile

FRAMES = 18


@pytest.fixture(scope="module")
def other(root: Path) -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        yield import_other(root, patch)


@pytest.fixture(scope="module")
def clip() -> SimpleNamespace:
    """Crops that change, uint8 BGR [18, 224, 224, 3], and a voice of another length than theirs, 16 kHz."""
    rng = np.random.default_rng(5)
    small = rng.integers(0, 256, (FRAMES, 14, 14, 3), dtype=np.uint8)
    crops = np.stack([cv2.resize(frame, (224, 224), interpolation=cv2.INTER_CUBIC) for frame in small])
    at = np.arange(640 * FRAMES + 300) / 16000
    voice = 0.3 * np.sin(900 * at + 40 * np.sin(11 * at)) * np.abs(np.sin(17 * at)) + rng.normal(
        0, 0.01, len(at)
    )
    return SimpleNamespace(crops=crops, voice=voice.astype(np.float32))


@pytest.fixture(scope="module")
def theirs(other: ModuleType, clip: SimpleNamespace) -> torch.nn.Module:
    return random_network(other, clip.crops, mfcc(clip.voice))


@pytest.fixture(scope="module")
def ours(theirs: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> SyncNet:
    """The same weights, by the converter and the file."""
    folder = tmp_path_factory.mktemp("syncnet")
    torch.save(theirs.state_dict(), folder / "syncnet_v2.model")
    convert_syncnet(folder / "syncnet_v2.model", folder / "syncnet_v2.safetensors")
    return load_syncnet(folder / "syncnet_v2.safetensors")


@torch.no_grad()
def test_features_are_theirs(theirs, ours, clip) -> None:
    """All windows of ours by one pass over the crops, each of theirs by itself."""
    expected = theirs.forward_lip(lip_windows(clip.crops))
    found = ours.mouths(torch.from_numpy(clip.crops))
    assert expected.std(0).mean() > 0.05  # windows differ
    assert (found - expected).abs().max() < 1e-4
    columns = mfcc(clip.voice)
    expected = theirs.forward_aud(voice_windows(columns))
    found = ours.voices(torch.from_numpy(columns))
    assert expected.std(0).mean() > 0.05
    assert (found - expected).abs().max() < 1e-4


def test_scores_are_theirs(other, theirs, ours, clip, tmp_path) -> None:
    """Their evaluate, from pictures and a WAV file, against ours from a film and a voice of another length."""
    for number, frame in enumerate(clip.crops):
        png = cv2.imencode(".png", frame)[1]  # told by its bytes: a JPEG would be another picture
        (tmp_path / f"{number:06d}.jpg").write_bytes(png.tobytes())
    wavfile.write(tmp_path / "audio.wav", 16000, np.round(clip.voice * 32768).astype(np.int16))
    options = SimpleNamespace(tmp_dir=str(tmp_path), batch_size=20, vshift=15)
    offset, confidence, distance = other.SyncNetInstance(net=theirs, device="cpu").evaluate(options)

    whole = crop.Path(0, np.zeros(FRAMES), np.zeros(FRAMES), np.zeros(FRAMES))
    film = Film.of_frames(clip.crops, 25)
    with pytest.MonkeyPatch.context() as patch:  # the clip is cropped already
        patch.setattr(crop.Path, "crop", lambda self, frame, number: frame)
        mouth = mouth_features(film, [[whole]], ours)[0]
    by_shift = distances(mouth.features, voice_features(clip.voice, FRAMES, ours))
    found = score(by_shift, mouth.seen)
    assert found.windows == FRAMES - 5 and bool(mouth.seen.all())
    assert abs(found.distance - distance) < 1e-4 and abs(found.confidence - confidence) < 1e-4
    assert found.offset == offset and confidence > 0.01


def test_distances_are_theirs(other) -> None:
    mouths, voices = torch.randn(2, 40, 64, generator=torch.manual_seed(1))
    from syncnet_python.SyncNetInstance import calc_pdist

    expected = torch.stack(calc_pdist(mouths, voices, vshift=15))
    assert (distances(mouths, voices) - expected).abs().max() < 1e-5


class Recorder:
    """In the place of cv2.VideoWriter: keeps the pictures, which a codec would change."""

    def __init__(self, path: str, *_: object) -> None:
        Path(path).touch()
        self.pictures: list[np.ndarray] = []
        Recorder.last = self

    def write(self, picture: np.ndarray) -> None:
        self.pictures.append(picture)

    def release(self) -> None:
        pass


def test_tracks_and_crops_are_theirs(other, tmp_path, monkeypatch) -> None:
    """A face that wanders over the frame's edges, grows, jitters and is missed now and then."""
    from syncnet_python import syncnet_pipeline

    rng = np.random.default_rng(2)
    pictures = rng.integers(0, 256, (60, 96, 128, 3), dtype=np.uint8)
    faces: list[list[Face]] = []
    for n in range(60):
        x, y, half = 10 + 1.9 * n + rng.normal(0, 1.5), 80 - 1.3 * n + rng.normal(0, 1.5), 26 + 0.3 * n
        faces.append(
            [] if n in (7, 20, 21, 22, 40) else [Face((x - half, y - half, x + half, y + 1.2 * half))]
        )
    files = []
    for number, picture in enumerate(pictures):
        (tmp_path / f"{number}.jpg").write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
        files.append(str(tmp_path / f"{number}.jpg"))
    pipeline = SimpleNamespace(cfg=syncnet_pipeline.PipelineConfig(min_face_size=50))
    pipeline._iou = syncnet_pipeline.SyncNetPipeline._iou
    detections = [[{"frame": n, "bbox": list(f.box)} for f in here] for n, here in enumerate(faces)]
    (expected,) = syncnet_pipeline.SyncNetPipeline._track(pipeline, detections)
    monkeypatch.setattr(syncnet_pipeline.cv2, "VideoWriter", Recorder)
    monkeypatch.setattr(syncnet_pipeline.subprocess, "run", lambda *_, **__: None)
    syncnet_pipeline.SyncNetPipeline._crop(pipeline, expected, files, "", tmp_path / "crop")

    (track,) = link_faces(faces, 25)
    assert why_dropped(track, 25, TrackRules()) is None
    assert np.abs(boxes_of(track) - expected["bbox"]).max() < 1e-9
    path = crop.path_of(track, np.arange(60))
    assert (path.first, path.stop) == (expected["frame"][0], expected["frame"][-1] + 1) == (0, 60)
    for n, theirs_cropped in enumerate(Recorder.last.pictures):
        assert np.array_equal(path.crop(pictures[n], n), theirs_cropped), n
