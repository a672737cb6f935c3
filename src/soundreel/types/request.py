"""What one person asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, InitVar, field, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from soundreel.errors import InputError
from soundreel.options.encoding import Encoding
from soundreel.options.faces import Region
from soundreel.options.given import AnyPath, Given, Rate, Time, given, reading_dataclass
from soundreel.options.platforms import PLATFORM_FIELDS, with_platform
from soundreel.options.shot_request import ShotRequest, read_shots
from soundreel.options.sizes import Size
from soundreel.options.table import (
    read_engine_options,
    read_field,
    read_platform_option,
    read_size_option,
)

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

Kind = Literal["sound", "image"]
"""What a video is made of: a sound, or a picture that begins to move."""

WORD_FILES = ("lyrics", "captions", "artwork", "logo", "recogniser")
"""What is written or laid over the pictures, and what hears it; some may be a word in place of a
file."""

COVER_WORDS = {"cover": True, "none": False}
"""What may stand for the name of an image."""


@reading_dataclass
class Request:
    """What one person asks for. The same request gives the same video (with a seed >= 0).

    kind: what it is made of; of an image, see `types.ImageRequest`. file_fields: what names one
        file, but for `drive` and `output`.

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
    interpolate: "none", "flow" (optical flow, here), "film" (by the engine where it has it, else
        here), "rife" (here), or "auto": flow where `fps` is not the engine's own rate.
    drive: a sound of the same timeline that steers the engine while `audio` is heard; second t of
        one goes with second t + drive_offset of the other, and "auto" finds that out. Or each
        speaker's own track, by name. "vocals" is the voice in `audio`, which `separator`, weights
        of Demucs, takes out of it; None are those in the models folders.
    gate: decibels, negative: what lies so far below the driving sound's loud level is silence to
        the engine.
    prompt: may change in time (see `directing.spans`).
    shots: "none", "auto", a file that lists them (see `directing.shot_list`), or the list itself.
    transition: "cut", or "crossfade:0.5": how a shot gives way to the next where it says nothing.
    steady: "off", "colour" or "full", which is sharpness too: later parts of a shot look like its
        first one (see `post.steady`).
    shot_length: seconds of the shortest and the longest shot of "auto", the shortest of turns.
    turns: a file that says who speaks when (see `directing.turn_files`), or "tracks", which
        hears it in those of `drive`; the shots follow it, each with its speaker's picture in
        `cast`. Where `cast` has places in one picture ("@left"), it is one shot of all of them.
    images, prompts: handed out over the shots that have none of their own, in turn; images may be a
        folder, prompts a file. by_section: shots of the same part of a song get the same ones.
    lyrics, captions: words in time, burned in (see `words`); captions few at a time, large. font:
        files that are asked for every character before those in the package and on this machine.
        captions may be "auto", which hears them by `recogniser`, the model.bin of a Whisper model;
        None is one in the models folders.
    lyrics_mode: "burn", or "soft", which makes them a track of subtitles in the file.
    title, artist: written into the pictures; "tags" is what the sound file says.
    artwork: a picture beside them; "tags" is the one inside the sound file. logo: in a corner.
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

    kind: ClassVar[Kind] = "sound"
    file_fields: ClassVar[tuple[str, ...]] = ("audio", "image", "separator", *WORD_FILES)
    audio: Given[AnyPath, Path]
    image: Given[AnyPath | None, Path | None] = given(None)
    cover: bool | None = None
    prompt: str = DEFAULT_PROMPT
    negative_prompt: str = DEFAULT_NEGATIVE_PROMPT
    start: Given[Time, Fraction] = given(Fraction(0))
    duration: Given[Time | None, Fraction | None] = given(None)
    num_frames: int | None = None
    drive: Given[
        AnyPath | Mapping[str, AnyPath] | Sequence[str] | None,
        Path | Mapping[str, Path] | str | None,
    ] = given(None)
    separator: Given[AnyPath | None, Path | None] = given(None)
    drive_offset: Given[Time, Fraction | str] = given(Fraction(0))
    gate: float | None = None
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
    shots: str | Path | tuple[ShotRequest, ...] = "none"
    transition: str = "cut"
    steady: str = "off"
    shot_length: Given[str | tuple[Time, Time], tuple[Fraction, Fraction]] = given("4-12")
    images: Given[AnyPath | Sequence[AnyPath], tuple[Path, ...]] = given(())
    prompts: Given[AnyPath | Sequence[str], Path | tuple[str, ...]] = given(())
    by_section: bool = False
    turns: Given[AnyPath | None, Path | str | None] = given(None)
    lyrics: Given[AnyPath | None, Path | None] = given(None)
    captions: Given[AnyPath | None, Path | str | None] = given(None)
    recogniser: Given[AnyPath | None, Path | None] = given(None)
    lyrics_mode: str = "burn"
    font: Given[AnyPath | Sequence[AnyPath], tuple[Path, ...]] = given(())
    title: str | None = None
    artist: str | None = None
    artwork: Given[AnyPath | None, Path | str | None] = given(None)
    logo: Given[AnyPath | None, Path | None] = given(None)
    cast: Given[Mapping[str, AnyPath | Region] | Sequence[str], Mapping[str, Path | Region]] = (
        given(())
    )

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
        object.__setattr__(self, "shots", read_shots(self.shots))
        if not isinstance(self.encoding, Encoding):
            raise InputError.about({"encoding": self.encoding}, "give an Encoding")
        for each in fields(self):
            value = getattr(self, each.name)
            is_list = each.name == "shots" and isinstance(value, tuple)
            if each.name not in ("options", "encoding") and not is_list:
                object.__setattr__(self, each.name, self._read_field(each.name, value))

    def _read_field(self, name: str, value: object) -> object:
        return read_field(name, value)

    @property
    def source(self) -> Path:
        """The file that the video is made of, and named after."""
        return self.audio

    @property
    def sound(self) -> Path | None:
        """What is heard; None for nothing."""
        return self.audio

    @property
    def shot_list(self) -> tuple[ShotRequest, ...]:
        """The shots that are asked for one by one; () for one over the whole clip, and before the
        file that lists them is read."""
        return self.shots if isinstance(self.shots, tuple) else ()

    @property
    def pictures(self) -> tuple[Path, ...]:
        """All reference images, each once."""
        named = [self.image, *self.images, *(shot.image for shot in self.shot_list)]
        return tuple(dict.fromkeys(path for path in named if path is not None))

    @property
    def output_size(self) -> Size:
        """Of the file's pictures."""
        size = Size(self.width, self.height)
        return size.halved() if self.draft else size

    @property
    def has_picture(self) -> bool:
        """Whether an engine gets a picture to show, once `cover` is settled."""
        return bool(self.pictures) or self.cover is True

    @property
    def picture_word(self) -> str:
        """Which pictures are given, for the file's name."""
        return "with_ref" if self.has_picture else "no_ref"

    @property
    def tracks(self) -> Mapping[str, Path]:
        """The driving sound of each speaker; none where one drives all."""
        return self.drive if isinstance(self.drive, Mapping) else {}

    @property
    def files(self) -> dict[str, Path]:
        """What it is made from, by name: `file_fields`, "drive" or "drive.anna", ...,
        "font.1", ..., the options that are paths, "images.1", ... for those of single shots,
        "masks.1", ... for faces."""
        own = {name: getattr(self, name) for name in (*self.file_fields, "drive")}
        tracks = {f"drive.{name}": each for name, each in self.tracks.items()}
        fonts = {f"font.{number}": path for number, path in enumerate(self.font, 1)}
        named = {**own, **tracks, **fonts, **self.options, **self.shot_images, **self.masks}
        return {name: value for name, value in named.items() if isinstance(value, Path)}

    @property
    def shot_images(self) -> dict[str, Path]:
        """The images of single shots, each once, in the order in which they are first seen."""
        own = [shot.image for shot in self.shot_list if shot.image is not None]
        seen = dict.fromkeys([*own, *self.images])
        return {f"images.{number}": path for number, path in enumerate(seen, 1)}

    @property
    def masks(self) -> dict[str, Path]:
        """The pictures that say where faces are, each once, so too."""
        faces = [face for shot in self.shot_list for face in shot.faces]
        seen = dict.fromkeys(face.region.mask for face in faces if face.region.mask is not None)
        return {f"masks.{number}": path for number, path in enumerate(seen, 1)}


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
    return with_values(Request(audio=audio), with_platform({}, dict(wanted), chosen))
