"""Raw films of the theatre with known truth, to prove `dev.py annotate` on: several scenes cut together, with what real
footage has besides people who speak: fades, black, a shot that comes twice, voices of nobody in sight, two at once.

    python -m interacthuman.interact_core.theatre.raw_films FOLDER --films 4

writes films and looks.json, which tells the pipeline's oracles who may appear. A film follows from its seed alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..metrics.loudness import speaking_spans
from ..metrics.puppets.drawing import Look, random_looks
from ..whole_file import whole_file
from .scenes import Rendering, Scene, random_backdrop, random_paths, render
from .voices import RATE, babble, mouth_opening

WIDTH, HEIGHT = 192, 128
LOOKS_FILE = "looks.json"
CAST = 4  # puppets of a film
RATES = (25, 24, 30)  # frames a second of a film
SOUND_RATE = 48000  # Hz, as films have it
SHORTEST, LONGEST = 4.6, 6.5  # seconds of a shot
FADE = 0.5  # seconds to black, and from it
FADES = 0.3  # share of the cuts
LIGHTER = 1.05  # of the second of two shots that are the same
SPEAKING = ("alone", "turns", "bystander", "turns")
OTHERS = ("together", "narrator", "answer", "voice over")
"""Two at once; voices off screen alone, in turn with somebody who is seen, and over them."""
ODD = ("crowd", "short", "copy", "black")
OFF_SCREEN = ("narrator", "answer", "voice over")


@dataclass(frozen=True, eq=False)
class Shot:
    """One shot. kind: a word of SPEAKING, OTHERS or ODD; begin, frames: in the film; scene: None for black; tracks:
    float32 [N + 1, samples], each puppet's voice over the shot, and last that of nobody in sight; cast: numbers of the
    puppets in the film's cast; fades: frames to black at either end; light: factor of the picture.
    """

    kind: str
    begin: int
    frames: int
    scene: Scene | None
    tracks: np.ndarray
    cast: tuple[int, ...] = ()
    fades: tuple[int, int] = (0, 0)
    light: float = 1.0

    def mouths(self, fps: float) -> np.ndarray:
        """How far mouths are open, float32 [N, frames]."""
        rows = [mouth_opening(track, RATE, fps, self.frames) for track in self.tracks[:-1]]
        return np.stack(rows) if rows else np.zeros((0, self.frames), np.float32)

    def drawn(self, fps: float, frames: range | None = None) -> Rendering:
        """Frames and true masks; of black, no puppets."""
        assert self.scene is not None
        return render(self.scene, self.mouths(fps), frames)

    def speaking(self, fps: float) -> np.ndarray:
        """Bool [N + 1, frames]: who truly speaks, pauses of speech included; last whoever is off screen."""
        said = np.zeros((len(self.tracks), self.frames), bool)
        for row, track in zip(said, self.tracks, strict=True):
            for first, last in speaking_spans(mouth_opening(track, RATE, fps, self.frames), fps):
                row[first:last] = True
        return said


@dataclass(frozen=True, eq=False)
class RawFilm:
    """A film and all that is true of it."""

    name: str
    fps: int
    looks: tuple[Look, ...]
    shots: tuple[Shot, ...]

    @property
    def cuts(self) -> list[float]:
        """Seconds at which a shot begins, the first left out."""
        return [shot.begin / self.fps for shot in self.shots[1:]]

    def shot_at(self, second: float) -> Shot:
        """The shot that is shown then."""
        return [shot for shot in self.shots if shot.begin / self.fps <= second + 1e-6][-1]


def draw_film(seed: int, number: int) -> RawFilm:
    """The film of a number; each has every kind of SPEAKING and two of OTHERS and ODD each."""
    rng = np.random.default_rng([seed, number])
    fps = RATES[number % len(RATES)]
    looks = random_looks(rng, CAST)
    kinds = [*SPEAKING, *(OTHERS[(number + k) % len(OTHERS)] for k in (0, 1))]
    kinds += [ODD[(number + k) % len(ODD)] for k in (0, 1)]
    order = [kinds[k] for k in rng.permutation(len(kinds))]
    shots: list[Shot] = []
    begin = 0
    for kind in sorted(
        order, key=lambda kind: kind == "copy"
    ):  # a copy comes last, so that there is one to copy
        shot = _copy(rng, shots, begin) if kind == "copy" else _shot(rng, kind, looks, fps, begin)
        shots.append(shot)
        begin += shot.frames
    return RawFilm(f"film_{seed}_{number:03d}.mp4", fps, looks, _faded(rng, shots, round(FADE * fps)))


def _shot(rng: np.random.Generator, kind: str, looks: tuple[Look, ...], fps: int, begin: int) -> Shot:
    seconds = {"short": 2.0, "black": 2.5}.get(kind, rng.uniform(SHORTEST, LONGEST))
    frames = round(seconds * fps)
    if kind == "black":
        return Shot(kind, begin, frames, None, np.zeros((1, round(frames / fps * RATE)), np.float32))
    count = {"alone": 1, "bystander": 3, "crowd": 4}.get(kind, 2)
    cast = tuple(int(k) for k in rng.choice(CAST, count, replace=False))
    paths = random_paths(rng, WIDTH, HEIGHT, count, float(rng.uniform(0, 1)) ** 0.5)
    scene = Scene(WIDTH, HEIGHT, tuple(looks[k] for k in cast), paths, random_backdrop(rng, WIDTH, HEIGHT))
    return Shot(kind, begin, frames, scene, _tracks(rng, kind, count, frames / fps), cast)


def _tracks(rng: np.random.Generator, kind: str, count: int, seconds: float) -> np.ndarray:
    """Voices of a shot, [count + 1, samples]; the last is off screen."""
    tracks = np.zeros((count + 1, round(seconds * RATE)), np.float32)
    middle = seconds * rng.uniform(0.42, 0.58)
    whole, early, late = (0.0, seconds), (0.0, middle - 0.25), (middle + 0.25, seconds)
    said = {
        "turns": ((0, early), (1, late)),
        "crowd": ((0, early), (1, late)),
        "bystander": ((0, early), (1, late)) if rng.random() < 0.5 else ((0, whole),),
        "together": ((0, (0.0, seconds * 0.75)), (1, (seconds * 0.45, seconds))),
        "narrator": ((-1, whole),),
        "answer": ((0, early), (-1, late)),
        "voice over": ((0, whole), (-1, whole)),
    }.get(kind, ((0, whole),))
    for who, (first, last) in said:
        a, b = round(first * RATE), round(last * RATE)
        voice = babble(rng, last - first + 0.1)[: b - a]
        tracks[who, a:b] = voice * (rng.uniform(0.3, 0.6) / np.abs(voice).max())
    return tracks


def _copy(rng: np.random.Generator, shots: Sequence[Shot], begin: int) -> Shot:
    copied = [shot for shot in shots if shot.kind in SPEAKING]
    return replace(copied[int(rng.integers(len(copied)))], kind="copy", begin=begin, light=LIGHTER)


def _faded(rng: np.random.Generator, shots: Sequence[Shot], frames: int) -> tuple[Shot, ...]:
    """Some cuts between pictures become fades through black."""
    faded = list(shots)
    for k in range(1, len(faded)):
        one, other = faded[k - 1], faded[k]
        if rng.random() < FADES and one.scene is not None and other.scene is not None:
            faded[k - 1] = replace(one, fades=(one.fades[0], frames))
            faded[k] = replace(other, fades=(frames, other.fades[1]))
    return tuple(faded)


def pictures(film: RawFilm) -> Iterator[np.ndarray]:
    """The film's frames, uint8 [HEIGHT, WIDTH, 3]."""
    for shot in film.shots:
        if shot.scene is None:
            yield from np.zeros((shot.frames, HEIGHT, WIDTH, 3), np.uint8)
            continue
        ends = np.arange(shot.frames) + 0.5
        light = np.full(shot.frames, shot.light)
        for edge, away in zip(shot.fades, (ends, ends[::-1]), strict=True):
            if edge:
                light *= np.clip(away / edge, 0, 1)
        for frame, bright in zip(shot.drawn(film.fps).frames, light, strict=True):
            yield np.clip(frame * bright, 0, 255).round().astype(np.uint8)


def sound_of(film: RawFilm) -> np.ndarray:
    """All voices together, float32 [samples] at RATE."""
    last = film.shots[-1]
    sound = np.zeros(round((last.begin + last.frames) / film.fps * RATE), np.float32)
    for shot in film.shots:
        begin = round(shot.begin / film.fps * RATE)
        mixed = shot.tracks.sum(0)[: len(sound) - begin]
        sound[begin : begin + len(mixed)] += mixed
    return np.clip(sound, -1, 1)


def write_film(film: RawFilm, folder: Path) -> Path:
    """As H.264 and AAC. A film has its name when it is whole: what a run that was killed left behind is made anew."""
    import av
    from scipy.signal import resample_poly

    path = folder / film.name
    sound = resample_poly(sound_of(film), SOUND_RATE // RATE, 1).astype(np.float32)
    with whole_file(path) as partial, av.open(str(partial), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=Fraction(film.fps), options={"crf": "14"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = container.add_stream("aac", rate=SOUND_RATE, layout="mono", options={"b": "128k"})
        for picture in pictures(film):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        for at in range(0, len(sound), 1024):
            frame = av.AudioFrame.from_ndarray(sound[None, at : at + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, at, Fraction(1, SOUND_RATE)
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return path


def write_films(folder: Path, seed: int, count: int) -> list[RawFilm]:
    """Write films that are not there yet, and looks.json; gives all of them with their truth."""
    folder.mkdir(parents=True, exist_ok=True)
    films = [draw_film(seed, number) for number in range(count)]
    looks = {film.name: [asdict(look) for look in film.looks] for film in films}
    (folder / LOOKS_FILE).write_text(json.dumps(looks, indent=1), encoding="utf-8")
    for film in films:
        if not (folder / film.name).is_file():
            write_film(film, folder)
    return films


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="folder for films and looks.json")
    parser.add_argument("--films", type=int, default=4, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: %(default)s)")
    options = parser.parse_args()
    for film in write_films(options.folder, options.seed, options.films):
        print(options.folder / film.name, f"{len(film.shots)} shots")


if __name__ == "__main__":
    main()
