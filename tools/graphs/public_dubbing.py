"""Dubbing on public weights: somebody in one's own video, whom SAM3 follows, says something else by InfiniteTalk.

SAM3's loader, text and tracker are those of ComfyUI's template video_wan21_scail2_character_replacement.
"""

from __future__ import annotations

from interacthuman.tools.graphs.converted_graphs import ONE, encoded, recording, saved, voice
from interacthuman.tools.graphs.parts import Graph, decode, node, viewer
from interacthuman.tools.graphs.public_files import I2V, INFINITETALK, SAM3, VAE_BF16, WAV2VEC2
from interacthuman.tools.graphs.public_graphs import (
    HEIGHT,
    LENGTH,
    WIDTH,
    adapter,
    base,
    region_of,
    sampled,
    text,
)

AROUND = 16  # pixels around SAM3's mask that are made anew, and as many over which it fades


def followed(video: list) -> Graph:
    """Node "74": where the person of number 0 is in every frame; "77" in the first one."""
    return {
        "70": node("CheckpointLoaderSimple", "Load SAM3", ckpt_name=SAM3),
        "71": node("CLIPTextEncode", "Whom SAM3 looks for", clip=["70", 1], text="person"),
        "72": node(
            "SAM3_VideoTrack", "Follow everybody", images=video, model=["70", 0], conditioning=["71", 0],
            detection_threshold=0.5, max_objects=4, detect_interval=1,
        ),
        "73": node("SAM3_TrackPreview", "Who has which number", track_data=["72", 0], images=video, opacity=0.5,
                   fps=24.0),
        "74": node("SAM3_TrackToMask", "Who is dubbed", track_data=["72", 0], object_indices="0"),
        "75": node("MaskToImage", "Masks as pictures", mask=["74", 0]),
        "76": node("ImageFromBatch", "The first one", image=["75", 0], batch_index=0, length=1),
        "77": node("ImageToMask", "As a mask", image=["76", 0], channel="red"),
    }  # fmt: skip


def needs_weights_infinitetalk_dubbing() -> Graph:
    """One person of a video is made anew with another recording; everything else stays as it is, pixel by pixel."""
    person = region_of(ONE, "21", ["77", 0])
    person["inputs"]["layout"] = ["74", 0]
    cast = encoded(WIDTH, HEIGHT, LENGTH, ["26", 0], ["26", 1], "22")
    cast["30"]["inputs"]["fps"] = ["11", 2]
    return {
        **base(I2V),
        **adapter(INFINITETALK, "5"),
        "3": node("VAELoader", "Load VAE", vae_name=VAE_BF16),
        "4": node("AudioEncoderLoader", "Load Audio Encoder", audio_encoder_name=WAV2VEC2),
        **text("A person is talking."),
        "10": node("LoadVideo", "Your video", file="people_talking.mp4"),
        "11": node("GetVideoComponents", "Its frames", video=["10", 0]),
        "12": node("ImageFromBatch", "Its first frame", image=["11", 0], batch_index=0, length=1),
        **followed(["11", 0]),
        **recording("20", f"New words of {ONE}", "new_words.mp3"),
        **voice("21", f"Speech of {ONE}", "20"),
        "22": person,
        "26": node(
            "WanImageToVideo", "WanImageToVideo", positive=["9", 0], negative=["14", 0], vae=["3", 0],
            width=WIDTH, height=HEIGHT, length=LENGTH, batch_size=1, start_image=["12", 0],
        ),
        **cast,
        "65": node(
            "InterActDub", "InterAct Dub Video", vae=["3", 0], video=["11", 0], cast=["30", 3], grow=AROUND,
            feather=AROUND, mask=["74", 0],
        ),
        **sampled(latent=["65", 0], mask_source="fixed"),
        **decode("32", "31"),
        "68": node(
            "ImageCompositeMasked", "All else as it was", destination=["65", 1], source=["32", 0], x=0, y=0,
            resize_source=False, mask=["65", 2],
        ),
        **saved("40", "Video", ["68", 0], ["30", 4]),
        **viewer("50", "31", "68"),
    }  # fmt: skip
