"""VoiceTracks: packed for CONDITIONING and unpacked, cut to the frames of a part, whole in context windows."""

import interacthuman.tests.support.models.tiny_wan  # noqa: F401 - before anything of comfy
import torch
from torch import Tensor

import comfy.conds  # isort: skip
import comfy.context_windows  # isort: skip

from interacthuman.interact_core.host.forward.voice_tracks import VoiceTracks
from interacthuman.interact_core.host.keys import TRACKS_COND

LATENT_FRAMES = 5
FRAMES = 4 * (LATENT_FRAMES - 1) + 1


def tracks(frames: int = FRAMES) -> Tensor:
    """[2, 3, F, 2, 4]: two rows, two voices and mute."""
    return torch.randn(2, 3, frames, 2, 4, generator=torch.Generator().manual_seed(1))


def test_unpacked_they_are_what_was_packed() -> None:
    voices = VoiceTracks(tracks())
    packed = voices.pack()
    assert packed.shape == (2, 3, FRAMES + 1, 2, 4)
    assert torch.equal(VoiceTracks.unpack(packed).features, voices.features)
    assert (voices.count, voices.frames) == (3, FRAMES)
    assert torch.equal(voices.rows(slice(1, 2)).features, voices.features[1:])


def test_beyond_the_end_every_track_repeats_the_last_frame_of_mute() -> None:
    features = tracks()
    inside = VoiceTracks(features).of_frames(4, 9)
    assert torch.equal(inside.features, features[:, :, 4:13])
    beyond = VoiceTracks(features).of_frames(FRAMES - 2, 5).features
    assert beyond.shape[2] == 5 and torch.equal(beyond[:, :, :2], features[:, :, -2:])
    for frame in range(2, 5):
        for track in range(3):
            assert torch.equal(beyond[:, track, frame], features[:, -1, -1])


def test_cores_context_windows_do_not_slice_packed_tracks() -> None:
    handler = comfy.context_windows.IndexListContextHandler(
        context_schedule=comfy.context_windows.get_matching_context_schedule("standard_static"),
        fuse_method=comfy.context_windows.get_matching_fuse_method("pyramid"),
        dim=2,
    )
    handler._model = None  # set where it runs; it is asked about conds of other models than Wan
    for latent_frames in (1, 2, LATENT_FRAMES):
        packed = VoiceTracks(tracks(4 * (latent_frames - 1) + 1)).pack()
        window = comfy.context_windows.IndexListContextWindow([0, 0], dim=2, total_frames=latent_frames)
        latent = torch.zeros(2, 16, latent_frames, 4, 6)
        conds = {TRACKS_COND: packed, "of_latent_frames": packed[:, :, :latent_frames]}
        conds = {"model_conds": {key: comfy.conds.CONDRegular(cond) for key, cond in conds.items()}}
        cut = handler.get_resized_cond([conds], latent, window)[0]["model_conds"]
        assert torch.equal(cut[TRACKS_COND].cond, packed)
        assert torch.equal(cut["of_latent_frames"].cond, packed[:, :, [0, 0]])
