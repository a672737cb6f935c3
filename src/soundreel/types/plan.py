"""What is made of a request: shots and chunks on the frame grid, and their sound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from soundreel.options.faces import Face
from soundreel.options.shot_request import Take
from soundreel.options.sizes import MIN_SIDE, Size
from soundreel.types.request import Request
from soundreel.types.words import Cue, Words

if TYPE_CHECKING:  # `soundreel --help` needs no arrays
    import numpy as np

Rgb: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]"
"""One picture: (height, width, 3), uint8, RGB; of an overlay (height, width, 4), RGBA whose colours
are multiplied by their opacity already, so that what scales and mixes it mixes light."""


Span: TypeAlias = tuple[Fraction, Fraction]
"""Begin and end in seconds."""


@dataclass(frozen=True, slots=True)
class Loudness:
    """Of a sound as a whole: integrated LUFS, true_peak in dBTP, and the gain in dB that brings it
    to the target (LUFS), or as near as its peaks may go."""

    integrated: float
    true_peak: float
    gain_db: float
    target: float

    @property
    def reached(self) -> float:
        """LUFS with the gain."""
        return self.integrated + self.gain_db


@dataclass(frozen=True, slots=True)
class AudioClip:
    """The sound that a clip shows: `duration` seconds of the file from `start`.

    duration is exact: always the file's pictures / their rate. From `start + sound_duration` on
    there is silence, as there is where the file has no sound. `rate` and `channels` are the
    file's own; layout: FFmpeg's name for where the channels stand. track: which of the file's sound
    tracks, from 1. mix: the channels' weights in a mono sound, () for their average.
    channels: 0 is a clip without any sound, of which only the length counts: its path is that of
        the picture that it is made of.
    loudness: with the gain for the sound that is heard; what drives the engine never has it.
    silent: spans of the file, rising, that are read as silence.
    parts: (second, sound) from where on another sound of the same timeline is read instead, in one
        channel; () for the file itself.
    Read it with `audio.segment.stream_clip`.
    """

    path: Path
    start: Fraction
    duration: Fraction
    sound_duration: Fraction
    rate: int
    channels: int
    allow_truncated: bool = False
    track: int | None = None
    layout: str = ""
    mix: tuple[float, ...] = ()
    loudness: Loudness | None = None
    silent: tuple[Span, ...] = ()
    parts: tuple[tuple[Fraction, AudioClip], ...] = ()

    @property
    def has_sound(self) -> bool:
        """Whether the file gets a sound track."""
        return self.channels > 0

    @property
    def sound_end(self) -> Fraction:
        """Second in the file at which the requested sound ends."""
        return self.start + self.sound_duration


@dataclass(frozen=True, slots=True)
class ChunkGeometry:
    """How an engine cuts time into inference passes. Frames are counted at the engine's rate.

    fps: the rate of generated pictures.
    chunk_frames: most generated frames in one chunk.
    grid: generated frames of a chunk are a multiple of this (a latent frame is 4 pictures in Wan).
    dropped_frames: slots at the head of a shot that give no kept picture.
    lead_in_frames: how much earlier than the shot its driving sound starts.
    size_multiple: width and height are multiples of this, and at least least_side.
    best_area: pixels of the largest picture that the engine is good at; None for any.
    head_frames: pictures that a shot's first pass gives beyond its generated frames (the first
        latent of the Wan VAE is one picture; where it is the given image, it is kept).
    even_passes: all passes of a shot are of about one length; else the first is as long as it can
        be, since those after it take their motion from it.
    independent_chunks: a picture depends on the plan and its number alone: every chunk, and any
        span of one's pictures, can be made by itself. No record has it: it decides no picture.
    """

    fps: Fraction
    chunk_frames: int
    grid: int = 1
    dropped_frames: int = 0
    lead_in_frames: int = 0
    size_multiple: int = 2
    least_side: int = MIN_SIDE
    best_area: int | None = None
    head_frames: int = 0
    even_passes: bool = False
    independent_chunks: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One inference pass.

    index: position in the clip, from 0.          shot: index of its shot.
    first_slot: first generated frame, counted from the shot's first generated frame.
    generated_frames: slots that the engine makes, dropped and trimmed ones included.
    dropped_frames: slots at the head that are thrown away (first chunk of a shot only).
    head_frames: pictures beyond the slots (first chunk of a shot only).
    start_frame: first kept picture, counted in the clip.
    num_frames: kept pictures.
    lookahead_frames: 0 or 1 trimmed picture that `render` yields after the kept ones, for the
        interpolator.
    prompt, seed: of this pass; the seed counts up from the shot's, unless it is `own_seed`, which
        this chunk alone was given.
    """

    index: int
    shot: int
    first_slot: int
    generated_frames: int
    dropped_frames: int
    start_frame: int
    num_frames: int
    lookahead_frames: int = 0
    prompt: str = ""
    seed: int = 0
    head_frames: int = 0
    own_seed: int | None = None

    @property
    def end_frame(self) -> int:
        return self.start_frame + self.num_frames

    @property
    def trimmed_frames(self) -> int:
        """Generated frames after the last kept one."""
        return self.generated_frames + self.head_frames - self.dropped_frames - self.num_frames


@dataclass(frozen=True, slots=True)
class Shot:
    """A continuous span of pictures [start_frame, start_frame + num_frames); engine state resets
    at its border. All that it shows is resolved here, so that a shot can be made alone.

    changes: (frame, prompt) where another prompt begins inside the shot, frames counted in the
        clip and rising.
    seed: -1 where the request's is not drawn yet.
    options: of the engine, where they differ from the request's.
    fade_in, fade_out: its first and last pictures that are mixed with the last and first ones of
        the shots beside it: by so many the spans overlap, and the cut is in their middle. Even.
    takes: what single chunks say otherwise, by their number in the shot, from 1.
    faces: where there are several, each driven by its own one of the plan's `voices`.
    """

    index: int
    start_frame: int
    num_frames: int
    prompt: str = ""
    negative_prompt: str = ""
    image: Path | None = None
    seed: int = 0
    changes: tuple[tuple[int, str], ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    fade_in: int = 0
    fade_out: int = 0
    takes: Mapping[int, Take] = field(default_factory=dict)
    faces: tuple[Face, ...] = ()

    @property
    def end_frame(self) -> int:
        return self.start_frame + self.num_frames

    @property
    def span(self) -> range:
        """Its pictures from cut to cut: those of all shots adjoin."""
        return range(self.start_frame + self.fade_in // 2, self.end_frame - self.fade_out // 2)


@dataclass(frozen=True, slots=True)
class Interpolation:
    """`factor` times as many pictures a second as are generated: 2, 15/8, 3/4. Done by the engine
    if `by_engine`, in whole multiples.

    weights: the file of a method that needs one, where it is done here.
    """

    method: str = "none"
    factor: Fraction = Fraction(1)
    by_engine: bool = False
    weights: Path | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides the pictures: resolved, exact, the same on every run.

    request.seed is resolved (>= 0) and request.engine names the engine.
    num_frames counts generated (kept) pictures; output_frames those of the file.
    scaled_from: the size that the engine draws, where the file has another one.
    drive: the sound that steers the engine, where it is another than `audio`, which is heard.
    voices: by name, the sound of each speaker whose face is one of several.
    words: what is written into the pictures.
    """

    request: Request
    geometry: ChunkGeometry
    audio: AudioClip
    num_frames: int
    shots: tuple[Shot, ...]
    chunks: tuple[Chunk, ...]
    interpolation: Interpolation = Interpolation()
    scaled_from: Size | None = None
    drive: AudioClip | None = None
    voices: Mapping[str, AudioClip] = field(default_factory=dict)
    words: Words | None = None

    @property
    def subtitles(self) -> tuple[Cue, ...]:
        """Of the file's own track; () where it has none."""
        return () if self.words is None else self.words.track

    @property
    def drawn_size(self) -> Size:
        """Of the pictures that the engine gives."""
        return self.scaled_from or self.request.output_size

    @property
    def channels(self) -> int:
        """Of the pictures: three, or four of an overlay."""
        return 4 if self.request.encoding.alpha else 3

    @property
    def for_engine(self) -> Plan:
        """As an engine shall read it: the request's width and height are those that it draws, and
        its sound is the one that drives it."""
        width, height = self.drawn_size
        request = replace(self.request, width=width, height=height, draft=False)
        return replace(self, request=request, audio=self.drive or self.audio)

    @property
    def made_frames(self) -> int:
        """Pictures that the engine is asked for: where shots cross-fade, each of both."""
        return sum(chunk.num_frames for chunk in self.chunks)

    @property
    def fps(self) -> Fraction:
        """Rate of the generated pictures."""
        return self.geometry.fps

    @property
    def output_fps(self) -> Fraction:
        return self.geometry.fps * self.interpolation.factor

    @property
    def output_frames(self) -> int:
        return math.ceil(self.audio.duration * self.output_fps)

    def shot(self, chunk: Chunk) -> Shot:
        """The shot that the chunk is part of."""
        return self.shots[chunk.shot]

    def shows_picture(self, shot: Shot) -> bool:
        """Whether the shot has a reference image, be it the cover inside the sound."""
        return shot.image is not None or self.request.cover is True

    @property
    def most_faces(self) -> int:
        """That a shot drives at once."""
        return max((1, *(len(shot.faces) for shot in self.shots)))

    def following(self, chunk: Chunk) -> Chunk | None:
        """The next chunk of the same shot; None where `chunk` ends its shot."""
        after = self.chunks[chunk.index + 1 : chunk.index + 2]
        return after[0] if after and after[0].shot == chunk.shot else None

    def sound_start(self, chunk: Chunk) -> Fraction:
        """Second in the sound file that drives the chunk's first generated slot, for engines that
        make a picture of every slot; negative means silence before the file begins."""
        shot = self.shots[chunk.shot]
        slot = shot.start_frame + chunk.first_slot - self.geometry.lead_in_frames
        return self.audio.start + slot / self.fps


@dataclass(frozen=True, slots=True)
class Frame:
    """Picture `index` of the clip, counted at the rate of the generated pictures."""

    index: int
    rgb: Rgb
