"""The values that travel through the flow. All frozen; times are Fraction seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, InitVar, dataclass, field, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from soundreel.errors import InputError
from soundreel.options.encoding import Encoding as Encoding
from soundreel.options.given import AnyPath, Given, Rate, Time, given, reading_dataclass
from soundreel.options.platforms import PLATFORM_FIELDS, with_platform
from soundreel.options.sizes import MIN_SIDE
from soundreel.options.sizes import Size as Size
from soundreel.options.table import (
    read_engine_options,
    read_field,
    read_platform_option,
    read_size_option,
)

if TYPE_CHECKING:  # `soundreel --help` needs no arrays
    import numpy as np

Rgb: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]"
"""One picture: (height, width, 3), uint8, RGB."""

DEFAULT_PROMPT = (
    "A lively, natural performance that follows the sound: expressive face, fluid body movement, "
    "steady camera, rich detail, soft cinematic light"
)

# The negative prompt that Wan 2.2 publishes with the S2V model (Wan-Video/Wan2.2,
# wan/configs/wan_s2v_14B.py, `sample_neg_prompt`).
DEFAULT_NEGATIVE_PROMPT = (
    "画面模糊，最差质量，画面模糊，细节模糊不清，情绪激动剧烈，手快速抖动，字幕，丑陋的，残缺的，"
    "多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，"
    "静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)

COVER_WORDS = {"cover": True, "none": False}
"""What may stand for the name of an image."""


@reading_dataclass
class Request:
    """What one person asks for. The same request gives the same video (with a seed >= 0).

    image: who or what is seen; "cover" is the picture inside the sound file, "none" is none.
    cover: whether that picture is the image; None: with the preview. Not asked with an image.
    start, duration: seconds in the sound file; duration None is all of the rest.
    num_frames: pictures that the engine makes (before interpolation); None follows duration.
    fps: of the output; None is the engine's own rate.
    seed: -1 draws one when the job starts.
    size: width and height at once, also as a word: "1080p", "reel", "9:16". Not kept.
    render_size: what the engine draws; None follows width and height.
    fit_output: "crop", "pad" or "blur", where what is drawn has another shape than the file.
    draft: half of each side, marked in the picture.
    interpolate: "none", "flow" (optical flow, here), "film" (where the engine has it), or "auto":
        flow where `fps` is not the engine's own rate.
    options: options of the engine, by name; None values are left out.
    tag: short word in the file name.
    output: the file to write; None makes a name in the output folder.
    poster: second of the video whose picture file managers show; "auto" is the sound's cover where
        it has one, "none" is none. thumbnail: a picture as JPEG beside the video.
    Names of files may be given as str, times and rates as int, float or str: 10.1 is 101/10, and a
    time may be a clock's, "1:30.5". They read as Path and Fraction.
    Every value is read by its row in `options.table`; raises InputError naming the first wrong one.
    """

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    audio: Given[AnyPath, Path]
    image: Given[AnyPath | None, Path | None] = given(None)
    cover: bool | None = None
    prompt: str = DEFAULT_PROMPT
    negative_prompt: str = DEFAULT_NEGATIVE_PROMPT
    start: Given[Time, Fraction] = given(Fraction(0))
    duration: Given[Time | None, Fraction | None] = given(None)
    num_frames: int | None = None
    width: int = 832
    height: int = 1216
    size: InitVar[str | tuple[int, int] | None] = None
    render_size: Given[str | tuple[int, int] | None, tuple[int, int] | None] = given(None)
    fit_output: str = "crop"
    draft: bool = False
    fps: Given[Rate | None, Fraction | None] = given(None)
    interpolate: str = "auto"
    seed: int = -1
    engine: str = "auto"
    options: Mapping[str, object] = field(default_factory=dict)
    encoding: Encoding = Encoding()
    tag: str = "s2v"
    output: Given[AnyPath | None, Path | None] = given(None)
    poster: Given[Time, Fraction | str] = given("auto")
    thumbnail: bool = False
    allow_truncated: bool = False
    track: int | None = None

    def __post_init__(self, size: object) -> None:
        if size is not None:
            width, height = read_size_option(size)
            object.__setattr__(self, "width", width)
            object.__setattr__(self, "height", height)
        if isinstance(self.image, (str, Path)) and str(self.image) in COVER_WORDS:
            object.__setattr__(self, "cover", COVER_WORDS[str(self.image)])
            object.__setattr__(self, "image", None)
        elif self.image is not None:
            object.__setattr__(self, "cover", False)
        object.__setattr__(self, "options", read_engine_options(self.options))
        if not isinstance(self.encoding, Encoding):
            raise InputError.about({"encoding": self.encoding}, "give an Encoding")
        for each in fields(self):
            if each.name not in ("options", "encoding"):
                value = read_field(each.name, getattr(self, each.name))
                object.__setattr__(self, each.name, value)

    @property
    def output_size(self) -> Size:
        """Of the file's pictures."""
        size = Size(self.width, self.height)
        return size.halved() if self.draft else size

    @property
    def has_picture(self) -> bool:
        """Whether an engine gets a picture to show, once `cover` is settled."""
        return self.image is not None or self.cover is True

    @property
    def files(self) -> dict[str, Path]:
        """What it is made from, by name: "audio", "image", and the options that are paths."""
        named = {"audio": self.audio, "image": self.image, **self.options}
        return {name: value for name, value in named.items() if isinstance(value, Path)}


def with_values(request: Request, values: Mapping[str, Any]) -> Request:
    """The request with some values by their paths, e.g. {"width": 832, "encoding.crf": 20}.

    Raises InputError naming the first that does not fit.
    """
    own = {path: value for path, value in values.items() if "." not in path}
    prefix = "encoding."
    encoding = {
        path.removeprefix(prefix): value
        for path, value in values.items()
        if path.startswith(prefix)
    }
    changed = replace(request, encoding=replace(request.encoding, **encoding))
    return replace(changed, **own)


def for_platform(platform: str, audio: AnyPath, **chosen: Any) -> Request:
    """A request with the size, rate, loudness and quality that suit "youtube", "reels", "tiktok" or
    "podcast", where `chosen`, values of a Request by name, says nothing else. Raises InputError."""
    wanted = zip(PLATFORM_FIELDS, read_platform_option(platform), strict=True)
    return with_values(Request(audio=audio), with_platform(dict(wanted), chosen))


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
    loudness: with the gain for the sound that is heard; what drives the engine never has it.
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
    """

    fps: Fraction
    chunk_frames: int
    grid: int = 1
    dropped_frames: int = 0
    lead_in_frames: int = 0
    size_multiple: int = 2
    least_side: int = MIN_SIDE
    best_area: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """One inference pass.

    index: position in the clip, from 0.          shot: index of its shot.
    first_slot: first generated frame, counted from the shot's first generated frame.
    generated_frames: slots that the engine makes, dropped and trimmed ones included.
    dropped_frames: slots at the head that are thrown away (first chunk of a shot only).
    start_frame: first kept picture, counted in the clip.
    num_frames: kept pictures.
    lookahead_frames: 0 or 1 trimmed picture that `render` yields after the kept ones, for the
        interpolator.
    """

    index: int
    shot: int
    first_slot: int
    generated_frames: int
    dropped_frames: int
    start_frame: int
    num_frames: int
    lookahead_frames: int = 0

    @property
    def end_frame(self) -> int:
        return self.start_frame + self.num_frames

    @property
    def trimmed_frames(self) -> int:
        """Generated frames after the last kept one."""
        return self.generated_frames - self.dropped_frames - self.num_frames


@dataclass(frozen=True, slots=True)
class Shot:
    """A continuous span of pictures [start_frame, start_frame + num_frames); engine state resets
    at its border."""

    index: int
    start_frame: int
    num_frames: int


@dataclass(frozen=True, slots=True)
class Interpolation:
    """`factor` times as many pictures a second as are generated: 2, 15/8, 3/4. Done by the engine
    if `by_engine`, in whole multiples."""

    method: str = "none"
    factor: Fraction = Fraction(1)
    by_engine: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides the pictures: resolved, exact, the same on every run.

    request.seed is resolved (>= 0) and request.engine names the engine.
    num_frames counts generated (kept) pictures; output_frames those of the file.
    scaled_from: the size that the engine draws, where the file has another one.
    """

    request: Request
    geometry: ChunkGeometry
    audio: AudioClip
    num_frames: int
    shots: tuple[Shot, ...]
    chunks: tuple[Chunk, ...]
    interpolation: Interpolation = Interpolation()
    scaled_from: Size | None = None

    @property
    def drawn_size(self) -> Size:
        """Of the pictures that the engine gives."""
        return self.scaled_from or self.request.output_size

    @property
    def for_engine(self) -> Plan:
        """As an engine shall read it: the request's width and height are those that it draws."""
        width, height = self.drawn_size
        return replace(self, request=replace(self.request, width=width, height=height, draft=False))

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


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan will cost. None is unknown. `source` says where the figures come from, e.g.
    "measured here", "predicted", "reported by others". likely_seconds: from, to; then `seconds` is
    the least that it can take. work_bytes, video_bytes: on the disk, about; of every engine."""

    seconds: float | None = None
    memory_bytes: int | None = None
    source: str = ""
    details: tuple[tuple[str, str], ...] = ()
    likely_seconds: tuple[float, float] | None = None
    work_bytes: int | None = None
    video_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `soundreel doctor`: what was looked at, whether it is there, and the mend.
    optional: nothing is wrong without it."""

    name: str
    ok: bool
    found: str
    hint: str = ""
    optional: bool = False

    @property
    def serves(self) -> bool:
        """Whether the engine can run as far as this goes."""
        return self.ok or self.optional


@dataclass(frozen=True, slots=True)
class Result:
    """A finished job: the video, its sidecar, and what it took (seconds of wall time by stage)."""

    path: Path
    sidecar: Path
    plan: Plan
    timings: Mapping[str, float]
    resumed_chunks: int = 0
