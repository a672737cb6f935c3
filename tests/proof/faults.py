"""One fault at a time, put into a clean file at a known place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from proof.clean import Clean
from soundreel.audio.load import probe
from soundreel.audio.segment import read_clip
from soundreel.proof.check import Proof, check
from soundreel.video.reader import probe_video, read_frames, read_tags

Pictures = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Film:
    """pictures: (N, height, width, 3). ticks: the time of each, in steps of 1 / fps. samples:
    (channels, n). tags: of the container."""

    pictures: Pictures
    ticks: NDArray[np.int64]
    fps: Fraction
    samples: NDArray[np.float32]
    rate: int
    tags: dict[str, str]

    @property
    def middle(self) -> int:
        """A picture past the middle."""
        return len(self.pictures) * 11 // 20

    def second(self, picture: int) -> float:
        return float(picture / self.fps)

    def with_pictures(self, pictures: Pictures) -> Film:
        return replace(self, pictures=pictures, ticks=np.arange(len(pictures)))


def read(path: Path) -> Film:
    pictures = np.array(list(read_frames(path)))
    sound, video = probe(path), probe_video(path)
    samples = read_clip(sound.clip)
    tags = read_tags(path)
    return Film(
        pictures, np.arange(len(pictures)), video.fps.limit_denominator(1001), samples,
        sound.rate, {"soundreel": tags["soundreel"]} if "soundreel" in tags else {},
    )  # fmt: skip


def write(film: Film, path: Path) -> Path:
    """H.264 and AAC in MP4, as anybody writes it."""
    height, width = film.pictures.shape[1:3]
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as output:
        output.metadata.update(film.tags)
        video = output.add_stream("libx264", rate=film.fps, width=width, height=height)
        video.pix_fmt, video.options = "yuv420p", {"preset": "veryfast", "crf": "18"}
        sound = output.add_stream("aac", rate=film.rate, layout=_layout(film.samples))
        sound.bit_rate = 160_000
        for tick, picture in zip(film.ticks.tolist(), film.pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = tick, 1 / film.fps
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        for begin in range(0, film.samples.shape[1], 1024):
            block = np.ascontiguousarray(film.samples[:, begin : begin + 1024])
            heard = av.AudioFrame.from_ndarray(block, "fltp", _layout(film.samples))
            heard.sample_rate, heard.pts, heard.time_base = film.rate, begin, Fraction(1, film.rate)
            output.mux(sound.encode(heard))
        output.mux(sound.encode(None))
    return path


def _layout(samples: NDArray[np.float32]) -> str:
    return "mono" if samples.shape[0] == 1 else "stereo"


@dataclass(frozen=True, slots=True)
class Fault:
    """put: the film with the fault. line: the one that must fail. place: second at which it must
    be found, None where it has none; within: seconds about it. against: only with the source.
    figure: name, value and tolerance of what must be measured. least_fps, most_fps: between which
    it is asked for. needs: what the clean file must be, "" for any."""

    name: str
    put: Callable[[Film], Film]
    lines: tuple[str, ...]
    place: Callable[[Film], float] | None = None
    within: float = 0.15
    against: bool = False
    figure: tuple[str, float, float] | None = None
    least_fps: int = 1
    most_fps: int = 240
    needs: str = ""


def found(fault: Fault, proof: Proof, film: Film) -> str:
    """ "" where the proof names the fault at its place, else what is missing."""
    lines = [line for line in proof.lines if line.name in fault.lines and line.word == "fail"]
    if not lines:
        failed = [line.name for line in proof.lines if line.word == "fail"]
        return f"no {' or '.join(fault.lines)} fails, but {failed}"
    if fault.place is not None:
        wanted = fault.place(film)
        if not any(abs(at - wanted) <= fault.within for line in lines for at in line.places):
            return f"not at {wanted:.2f} s but {[line.places for line in lines]}"
    if fault.figure is not None:
        name, value, near = fault.figure
        got = [line.figures[name] for line in lines if name in line.figures]
        if not any(abs(each - value) <= near for each in got):
            return f"{name} is {got}, not {value}"
    return ""


def inject(fault: Fault, clean: Path, folder: Path, source: Path) -> tuple[Film, Proof]:
    film = read(clean)
    path = write(fault.put(film), folder / "faulty.mp4")
    return film, check(path, source if fault.against else None)


def later(seconds: float) -> Callable[[Film], Film]:
    """The sound comes later by so much, and still ends with the picture; negative: earlier."""

    def put(film: Film) -> Film:
        by = round(abs(seconds) * film.rate)
        channels, count = film.samples.shape
        still = np.zeros((channels, by), np.float32)
        moved = [still, film.samples] if seconds > 0 else [film.samples[:, by:], still]
        return replace(film, samples=np.concatenate(moved, axis=1)[:, :count])

    return put


def lost(count: int) -> Callable[[Film], Film]:
    """So many samples are cut out past the middle (negative: heard twice)."""

    def put(film: Film) -> Film:
        at = _sample(film)
        before, after = film.samples[:, :at], film.samples[:, at + count :]
        return replace(film, samples=np.concatenate([before, after], axis=1))

    return put


def cut_sound(seconds: float) -> Callable[[Film], Film]:
    def put(film: Film) -> Film:
        return replace(film, samples=film.samples[:, : -round(seconds * film.rate)])

    return put


def slower(share: float) -> Callable[[Film], Film]:
    """The sound runs slower by the share, cut to its old length."""

    def put(film: Film) -> Film:
        count = film.samples.shape[1]
        places = np.arange(count) / (1 + share)
        rows = [np.interp(places, np.arange(count), row) for row in film.samples]
        return replace(film, samples=np.array(rows, np.float32))

    return put


def without_picture(*, gap: bool) -> Callable[[Film], Film]:
    """One picture is missing; gap: the others keep their times."""

    def put(film: Film) -> Film:
        pictures = np.delete(film.pictures, film.middle, axis=0)
        ticks = np.delete(film.ticks, film.middle) if gap else film.ticks[:-1]
        return replace(film, pictures=pictures, ticks=ticks)

    return put


def doubled(film: Film) -> Film:
    pictures = film.pictures.copy()
    at = _lively(film)
    pictures[at] = pictures[at - 1]
    return film.with_pictures(pictures)


def cut_pictures(seconds: float) -> Callable[[Film], Film]:
    def put(film: Film) -> Film:
        return film.with_pictures(film.pictures[: -round(seconds * film.fps)])

    return put


def held(seconds: float) -> Callable[[Film], Film]:
    """The picture stands still."""

    def put(film: Film) -> Film:
        pictures = film.pictures.copy()
        pictures[film.middle : film.middle + round(seconds * film.fps)] = pictures[film.middle]
        return film.with_pictures(pictures)

    return put


def blackened(seconds: float) -> Callable[[Film], Film]:
    def put(film: Film) -> Film:
        pictures = film.pictures.copy()
        pictures[film.middle : film.middle + round(seconds * film.fps)] = 0
        return film.with_pictures(pictures)

    return put


def again(seconds: float) -> Callable[[Film], Film]:
    """What was shown from a second on comes once more."""

    def put(film: Film) -> Film:
        pictures, count = film.pictures.copy(), round(seconds * film.fps)
        first = round(film.fps)
        pictures[film.middle : film.middle + count] = film.pictures[first : first + count]
        return film.with_pictures(pictures)

    return put


def jump(film: Film) -> Film:
    """From a calm picture on all lies a tenth of the width further, as after a bad chunk."""
    at = _calm(film)
    moved = np.roll(film.pictures[at:], film.pictures.shape[2] // 10, axis=2)
    return film.with_pictures(np.concatenate([film.pictures[:at], moved]))


def wandering(film: Film) -> Film:
    """Colour and light drift off by steady steps, as a model's do from chunk to chunk."""
    pictures = np.empty_like(film.pictures)
    for index, picture in enumerate(film.pictures):
        share = index / len(film.pictures)
        lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
        lab += np.array([0, 14, 10], np.float32) * share
        bytes_ = np.clip(lab, 0, 255).astype(np.uint8)
        pictures[index] = cv2.cvtColor(bytes_, cv2.COLOR_LAB2RGB)
    return film.with_pictures(pictures)


def clipped(film: Film) -> Film:
    loud = film.samples / max(float(np.abs(film.samples).max()), 1e-6) * 4
    return replace(film, samples=np.clip(loud, -1, 1).astype(np.float32))


def _sample(film: Film) -> int:
    return int(film.samples.shape[1] * 0.55)


def _changes(film: Film) -> NDArray[np.float64]:
    small = film.pictures[:, ::4, ::4].astype(np.float64)
    return np.asarray(np.abs(np.diff(small, axis=0)).mean(axis=(1, 2, 3)))


def _near_middle(film: Film) -> range:
    return range(film.middle, film.middle + round(2 * film.fps))


def _calm(film: Film) -> int:
    """The picture past the middle with the least change about it: a fault there is its own."""
    changes = _changes(film)
    return min(_near_middle(film), key=lambda k: changes[k - 3 : k + 3].max())


def _lively(film: Film) -> int:
    """A picture in whose neighbourhood much moves."""
    changes = _changes(film)
    return max(_near_middle(film), key=lambda k: min(changes[k - 2], changes[k - 1], changes[k]))


def _middle_second(film: Film) -> float:
    return film.second(film.middle)


FAULTS = (
    Fault("777 samples lost", lost(777), ("samples",), lambda f: _sample(f) / f.rate, 0.002,
          against=True, figure=("lost_samples", 777, 0)),
    Fault("1 sample lost", lost(1), ("samples",), lambda f: _sample(f) / f.rate, 0.5,
          against=True, figure=("lost_samples", 1, 0)),
    Fault("2205 samples added", lost(-2205), ("samples",), lambda f: _sample(f) / f.rate, 0.2,
          against=True, figure=("added_samples", 2205, 0)),
    Fault("sound 1 sample late", lambda f: later(1 / f.rate)(f), ("offset",), against=True,
          figure=("offset_samples", -1, 0)),
    Fault("sound 25 ms early", later(-0.025), ("offset",), against=True,
          figure=("offset_s", 0.025, 1e-4)),
    Fault("last 0.8 s of sound missing", cut_sound(0.8), ("tail",), against=True,
          figure=("missing_s", 0.8, 0.03)),
    Fault("sound 1 % slow", slower(0.01), ("samples",), against=True,
          figure=("drift", -0.0099, 0.002)),
    Fault("sound 80 ms late", later(0.08), ("lag",), needs="reacts",
          figure=("lag_s", -0.08, 0.045)),
    Fault("sound 80 ms early", later(-0.08), ("lag",), needs="reacts",
          figure=("lag_s", 0.08, 0.045)),
    Fault("sound 187 ms late", later(0.1875), ("lag",), needs="reacts",
          figure=("lag_s", -0.1875, 0.045)),
    Fault("sound 187 ms early", later(-0.1875), ("lag",), needs="reacts",
          figure=("lag_s", 0.1875, 0.045)),
    Fault("sound 40 ms late", later(0.04), ("lag",), needs="prompt", least_fps=30,
          figure=("lag_s", -0.04, 0.03)),
    Fault("sound 40 ms early", later(-0.04), ("lag",), needs="prompt", least_fps=30,
          figure=("lag_s", 0.04, 0.03)),
    Fault("sound runs 1 % slow", slower(0.01), ("drift",), needs="lasts",
          figure=("change_s", -0.11, 0.06)),
    Fault("picture dropped, others moved up", without_picture(gap=False), ("drift",),
          _middle_second, 1.0, most_fps=30, needs="lasts"),
    Fault("picture dropped, a gap left", without_picture(gap=True), ("timestamps",),
          _middle_second),
    Fault("picture shown twice", doubled, ("doubled",), lambda f: f.second(_lively(f)),
          needs="moves"),
    Fault("last 0.8 s of pictures missing", cut_pictures(0.8), ("length",),
          lambda f: f.second(len(f.pictures)) - 0.8, figure=("end_s", -0.8, 0.1)),
    Fault("picture stands for 1 s", held(1), ("frozen",), _middle_second, needs="moves"),
    Fault("black for 0.7 s", blackened(0.7), ("black",), _middle_second),
    Fault("1.5 s of pictures again", again(1.5), ("repeated",), _middle_second, needs="moves"),
    Fault("jump", jump, ("jumps",), lambda f: f.second(_calm(f)), needs="calm"),
    Fault("colour wanders", wandering, ("colour",), needs="steady"),
    Fault("sound 12 dB too loud, cut off", clipped, ("clipping",)),
)  # fmt: skip


def asked_of(fault: Fault, clean: Clean) -> bool:
    """Whether the fault is to be found in a file of this kind."""
    rates = fault.least_fps <= clean.fps <= fault.most_fps
    return rates and (not fault.needs or getattr(clean, fault.needs))
