"""Raw films drawn with known rates, cuts, sound and copies."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from interacthuman.interact_core.annotation.film.cuts import CUTS, CutKeys, find_cuts, shots_between, spans_of
from interacthuman.interact_core.annotation.film.decoding import (
    ClipWriter,
    decoded_on_clock,
    frames_on_clock,
    read_wav,
    sampled_frames,
    write_wav,
)
from interacthuman.interact_core.annotation.film.duplicates import (
    DuplicateKeys,
    HashKeys,
    find_duplicates,
    make_hashes,
)
from interacthuman.interact_core.annotation.film.films import FILMS, FilmKeys
from interacthuman.interact_core.annotation.film.quality import (
    QUALITY,
    QualityKeys,
    load_text_detector,
    measure,
    text_share,
)
from interacthuman.interact_core.annotation.pipeline.record import FPS, RATE, Places, Record, Rejected
from interacthuman.interact_core.errors import InteractError

HEIGHT, WIDTH = 64, 96


def write_film(
    path: Path,
    pictures: list[np.ndarray],
    fps: Fraction | int = 25,
    sound: np.ndarray | None = None,
    late: float = 0,
    transfer: int = 2,
) -> None:
    """sound: float32 at 48000 Hz, which begins `late` seconds after the picture; transfer: curve of ITU-T H.273 that
    the film says it has, 2 for none.
    """
    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=Fraction(fps), options={"crf": "10", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], "yuv420p"
        stream.codec_context.color_trc = transfer
        codec = "pcm_s16le" if path.suffix == ".mkv" else "aac"
        heard = None if sound is None else film.add_stream(codec, rate=48000, layout="mono")
        for picture in pictures:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(stream.encode())
        if heard is not None:
            frame = av.AudioFrame.from_ndarray((sound[None] * 32767).astype(np.int16), "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 48000, round(late * 48000), Fraction(1, 48000)
            film.mux(heard.encode(frame))
            film.mux(heard.encode())


def grey(value: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), value, np.uint8)


def tone(seconds: float) -> np.ndarray:
    return (0.3 * np.sin(np.arange(round(seconds * 48000)) / 20)).astype(np.float32)


def scene(seed: int, frames: int, moved: int = 0) -> list[np.ndarray]:
    """A textured wall that moves two pixels a frame."""
    rng = np.random.default_rng(seed)
    colour = rng.permutation([70, 130, 200])
    wall = np.kron(colour + rng.integers(-30, 30, (16, 200, 1)), np.ones((4, 4, 1))).astype(np.uint8)
    return [wall[:, 2 * (n + moved) : 2 * (n + moved) + WIDTH].copy() for n in range(frames)]


@pytest.mark.parametrize("fps", [24, 25, 30, 50, Fraction(30000, 1001)])
def test_frames_are_those_nearest_to_the_clock(tmp_path: Path, fps: Fraction | int) -> None:
    count = 60
    write_film(tmp_path / "film.mp4", [grey(20 + 3 * n) for n in range(count)], fps)
    shown = [round((float(p.mean()) - 20) / 3) for p in frames_on_clock(tmp_path / "film.mp4")]
    assert len(shown) == pytest.approx(count / fps * FPS, abs=1)
    assert max(abs(n / fps - tick / FPS) for tick, n in enumerate(shown)) <= Fraction(1, 2) / fps + Fraction(
        1, 100
    )


def test_high_films_are_made_smaller_with_even_sides(tmp_path: Path) -> None:
    write_film(tmp_path / "film.mp4", [grey(100)] * 3)
    assert next(frames_on_clock(tmp_path / "film.mp4", height=34)).shape == (34, 52, 3)
    assert next(frames_on_clock(tmp_path / "film.mp4", height=720)).shape == (HEIGHT, WIDTH, 3)


def test_a_film_of_a_phone_held_upright_is_turned(tmp_path: Path) -> None:
    """The matrix of its track header says that its left edge is to be shown at the top, as phones write it."""
    picture = grey(40)
    picture[:, : WIDTH // 4] = 200
    write_film(tmp_path / "film.mp4", [picture] * 3)
    data = bytearray((tmp_path / "film.mp4").read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, HEIGHT << 16, 0, 1 << 30)
    (tmp_path / "film.mp4").write_bytes(data)
    shown = next(frames_on_clock(tmp_path / "film.mp4"))
    assert shown.shape == (WIDTH, HEIGHT, 3)
    assert shown[: WIDTH // 4 - 2].mean() == pytest.approx(200, abs=3)
    assert shown[WIDTH // 4 + 2 :].mean() == pytest.approx(40, abs=3)


def film_row(places: Places, name: str) -> Record:
    return FILMS.make(FilmKeys(least_height=60))(Record(name, name, folder=f"films/{name}"), places)


def test_sound_stands_where_the_picture_is(tmp_path: Path) -> None:
    places = Places(tmp_path / "raw", tmp_path)
    write_film(places.raw / "late.mkv", [grey(100)] * 50, sound=tone(1.0), late=0.5)
    row = film_row(places, "late.mkv")
    sound = read_wav(tmp_path / "films" / "late.mkv" / "sound.wav")
    assert row.end == 2.0 and row.figures["film_fps"] == pytest.approx(25)
    assert len(sound) == 2 * RATE
    (loud,) = np.nonzero(abs(sound) > 1000)
    assert loud[0] / RATE == pytest.approx(0.5, abs=0.01) and loud[-1] / RATE == pytest.approx(1.5, abs=0.01)


def test_films_that_cannot_be_used_are_rejected_with_their_figure(tmp_path: Path) -> None:
    places = Places(tmp_path / "raw", tmp_path)
    write_film(places.raw / "mute.mp4", [grey(100)] * 30)
    write_film(places.raw / "silent.mp4", [grey(100)] * 30, sound=np.zeros(48000, np.float32))
    write_film(places.raw / "slow.mp4", [grey(100)] * 30, fps=5, sound=tone(6))
    write_film(places.raw / "small.mp4", [p[:32] for p in [grey(100)] * 30], sound=tone(1))
    write_film(places.raw / "phone.mp4", [grey(100)] * 30, sound=tone(1), transfer=18)
    write_film(places.raw / "cinema.mkv", [grey(100)] * 30, sound=tone(1), transfer=16)
    (places.raw / "text.mp4").write_text("not a film")
    for name, reason, figure in (
        ("mute.mp4", "has no sound", None),
        ("silent.mp4", "is silent", -200.0),
        ("slow.mp4", "fewer frames a second than films.least_fps", 5.0),
        ("small.mp4", "smaller than films.least_height", 32.0),
        ("phone.mp4", r"is in HDR \(HLG\)", None),
        ("cinema.mkv", r"is in HDR \(PQ\)", None),
    ):
        with pytest.raises(Rejected, match=reason) as rejected:
            film_row(places, name)
        assert rejected.value.figure == (None if figure is None else pytest.approx(figure))
    with pytest.raises(av.FFmpegError):
        film_row(places, "text.mp4")


def test_cuts_fades_and_black_part_shots() -> None:
    light = np.linspace(1, 0, 15)
    fade_out = [(p * f).astype(np.uint8) for p, f in zip(scene(2, 15, 100), light, strict=True)]
    fade_in = [(p * f).astype(np.uint8) for p, f in zip(scene(3, 15), light[::-1], strict=True)]
    shots = [scene(1, 100), scene(2, 100), fade_out, [grey(0)] * 30, fade_in, scene(3, 100, 15), scene(4, 40)]
    pictures = [p for shot in shots for p in shot]
    cuts, luminance = find_cuts(iter(pictures), CutKeys())
    found = shots_between(cuts, luminance, black=12)
    ends = np.cumsum([len(shot) for shot in shots])
    # Of a fade stays what is nearly as light as the rest.
    truth = [(0, 100), (100, ends[1]), (ends[4], ends[5]), (ends[5], ends[6])]
    assert len(found) == 4
    assert np.abs(np.array(found) - truth).max() <= 3
    assert spans_of([(0, 100), (100, 2000)], longest=30.0) == [
        (0, 100),
        (100, 733),
        (733, 1367),
        (1367, 2000),
    ]


def test_clips_hold_their_frames_and_their_sound(tmp_path: Path) -> None:
    places = Places(tmp_path / "raw", tmp_path)
    sound = np.concatenate([tone(2), np.zeros(48000, np.float32), tone(2)])
    write_film(places.raw / "film.mp4", [*scene(1, 60), *scene(2, 20), *scene(3, 45)], sound=sound)
    rows = CUTS.make(CutKeys(shortest=1.0))(film_row(places, "film.mp4"), places)
    assert [(row.start, row.end, row.rejected) for row in rows] == [
        (0.0, 2.4, ""),
        (2.4, 3.2, "shorter than cuts.shortest"),
        (3.2, 5.0, ""),
    ]
    assert rows[1].figure == pytest.approx(0.8)
    folder = tmp_path / rows[2].folder
    shown = np.stack(list(frames_on_clock(folder / "video.mp4")))[..., ::-1]
    assert shown.shape == (45, HEIGHT, WIDTH, 3)
    assert np.abs(shown - np.stack(scene(3, 45)).astype(float)).mean() < 6
    assert len(read_wav(folder / "sound.wav")) == round(1.8 * RATE)
    (seen,) = sampled_frames(folder / "video.mp4", [1.2])
    assert np.array_equal(seen[..., ::-1], shown[30])


@pytest.mark.parametrize("most", [0, 32])  # lines: as large as it is, and made smaller
@pytest.mark.parametrize(
    "pixels, space, colorspace, color_range",
    [("yuv420p", "ITU709", 1, 1), ("yuvj420p", "ITU601", 5, 2), ("yuvj420p", "ITU709", 1, 2)],
    ids=["BT.709", "full range", "BT.709 of full range"],
)
def test_a_clip_has_the_colours_of_its_film(
    tmp_path: Path, pixels: str, space: str, colorspace: int, color_range: int, most: int
) -> None:
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [220, 120, 40], [128, 128, 128], [255] * 3])
    picture = np.kron(colours[None], np.ones((HEIGHT, 16, 1))).astype(np.uint8)
    with av.open(str(tmp_path / "film.mp4"), "w") as film:
        stream = film.add_stream("libx264", rate=25, options={"crf": "0"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, pixels
        stream.codec_context.colorspace, stream.codec_context.color_range = colorspace, color_range
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        film.mux(
            stream.encode(frame.reformat(format=pixels, dst_colorspace=space, dst_color_range=color_range))
        )
        film.mux(stream.encode())
    writer = ClipWriter(tmp_path / "clip.mp4", crf=1)
    for frame, aspect in decoded_on_clock(tmp_path / "film.mp4"):
        writer.add_decoded(frame, most, aspect)
    writer.finish()
    (shown,) = frames_on_clock(tmp_path / "clip.mp4")
    height, width = shown.shape[:2]
    middles = shown[height // 2, width // 12 :: width // 6, ::-1].astype(int)
    assert np.abs(middles - colours).max() <= 5


def clip(places: Places, name: str, pictures: list[np.ndarray], sound: np.ndarray) -> Record:
    record = Record(name, name, 0.0, len(pictures) / FPS, folder=name)
    writer = ClipWriter(places.folder(record) / "video.mp4", 14)
    for picture in pictures:
        writer.add(picture[..., ::-1])
    writer.finish()
    write_wav(places.folder(record) / "sound.wav", sound)
    return make_hashes(HashKeys())(record, places)


def words(seed: int, seconds: float) -> np.ndarray:
    """Noise whose loudness goes up and down as that of speech does, int16 at 16 kHz."""
    rng = np.random.default_rng(seed)
    knots = rng.uniform(0, 1, int(seconds * 5) + 2) ** 2
    level = np.interp(np.arange(round(seconds * RATE)) / RATE * 5, np.arange(len(knots)), knots)
    return (8000 * level * rng.standard_normal(len(level)).clip(-3, 3)).astype(np.int16)


def test_a_copy_is_found_however_it_is_cut_and_a_dub_is_none(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path)
    pictures, sound = scene(5, 150), words(5, 6)
    lighter = [np.clip(p * 1.05, 0, 255).astype(np.uint8) for p in pictures[17:]]
    still = [pictures[0]] * 150  # a person before the same wall says something else
    rows = [
        clip(places, "a", pictures, sound),
        clip(places, "copy", lighter, sound[17 * RATE // FPS :]),
        clip(places, "dub", pictures, words(6, 6)),
        clip(places, "one", still, words(7, 6)),
        clip(places, "two", still, words(8, 6)),
    ]
    found = find_duplicates(rows[::-1], DuplicateKeys(), places)
    assert [row.id for row in found if row.rejected] == ["copy"]
    copy = next(row for row in found if row.rejected)
    assert copy.texts["duplicate_of"] == "a" and copy.figure < 0.1


def test_figures_of_the_picture() -> None:
    pairs = [(scene(1, 2)[0], scene(1, 2)[1])]
    figures = measure(pairs)
    assert figures["motion"] == pytest.approx(2 * FPS / HEIGHT, rel=0.25)  # two pixels a frame of 64 lines
    flat = measure(
        [(grey(77), grey(77).copy())], lambda picture: [np.array([[0, 0], [47, 0], [47, 63], [0, 63]])]
    )
    assert flat["luminance"] == pytest.approx(77, abs=1) and flat["blur"] == 0 and flat["motion"] == 0
    assert flat["text"] == pytest.approx(0.5)
    assert text_share(grey(0), []) == 0.0
    assert (
        measure([(np.roll(grey(0) + np.eye(HEIGHT, WIDTH)[..., None] * 255, 0, 1).astype(np.uint8),) * 2])[
            "blur"
        ]
        > 100
    )


def test_bounds_reject_and_keep_the_columns(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path)
    dark = clip(places, "dark", [grey(5)] * 30, words(1, 1.2))
    row = QUALITY.make(QualityKeys(frames=2))(dark, places)
    assert row.rejected == "darker than quality.luminance" and row.figure == pytest.approx(5, abs=0.6)
    assert row.figures["motion"] == pytest.approx(0, abs=0.01)
    with pytest.raises(InteractError, match="text_model nowhere.onnx is not there"):
        QUALITY.check(QualityKeys(text_model="nowhere.onnx"))
    assert load_text_detector("") is None
