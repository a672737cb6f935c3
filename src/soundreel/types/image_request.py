"""What one person asks for who has a picture that shall move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import ClassVar

from soundreel.errors import InputError
from soundreel.options.given import AnyPath, Given, given, reading_dataclass
from soundreel.options.image_table import SOUND_ONLY, read_image_field
from soundreel.types.request import WORD_FILES, Kind, Request

DEFAULT_IMAGE_PROMPT = (
    "The scene comes to life with slow, natural movement, steady camera, rich detail, soft "
    "cinematic light"
)

# The negative prompt that Wan 2.2 publishes with all its models but S2V (Wan-Video/Wan2.2,
# wan/configs/shared_config.py, `sample_neg_prompt`); ComfyUI's image-to-video workflow has it too.
DEFAULT_IMAGE_NEGATIVE_PROMPT = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，"
    "低质量，JPEG压缩残留，丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，"
    "毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)


@reading_dataclass
class ImageRequest(Request):
    """A picture that begins to move. Fields that are not named here are those of `Request`.

    image: what is seen first; with `last_only`, and no `last_frame`, what is seen last.
    last_frame: what is seen last.
    last_only: no picture is given for the beginning.
    audio: a sound under the video; None for none.
    start: second of that sound.
    num_frames: else `duration` says how long, else the sound, else it is 81/16 s.
    Raises InputError, also for what only a video of a sound can have.
    """

    kind: ClassVar[Kind] = "image"
    file_fields: ClassVar[tuple[str, ...]] = ("audio", "image", "last_frame", *WORD_FILES)
    image: Given[AnyPath, Path]
    last_frame: Given[AnyPath | None, Path | None] = given(None)
    last_only: bool = False
    audio: Given[AnyPath | None, Path | None] = given(None)  # type: ignore[assignment]
    prompt: str = DEFAULT_IMAGE_PROMPT
    negative_prompt: str = DEFAULT_IMAGE_NEGATIVE_PROMPT
    tag: str = "i2v"

    def __post_init__(self, size: object) -> None:
        Request.__post_init__(self, size)
        if not isinstance(self.image, Path):
            raise InputError.about({"image": self.image}, "name the picture that shall move")
        for each in fields(Request):
            value = getattr(self, each.name)
            if each.name in SOUND_ONLY and value != self._read_field(each.name, each.default):
                raise InputError.about(
                    {each.name: value}, "a video of an image does not know it", "leave it out"
                )
        if self.audio is None:
            self._require_no_sound()

    def _read_field(self, name: str, value: object) -> object:
        return read_image_field(name, value)

    def _require_no_sound(self) -> None:
        said: Mapping[str, object] = {
            "start": self.start or None,
            "track": self.track,
            "encoding.audio_codec": None
            if self.encoding.audio_codec == "aac"
            else self.encoding.audio_codec,
        }
        for name, value in said.items():
            if value is not None:
                raise InputError.about(
                    {name: value}, "there is no sound that it could be of", "name one, or leave it"
                )

    @property
    def source(self) -> Path:
        return self.image

    @property
    def sound(self) -> Path | None:
        return self.audio

    @property
    def first_picture(self) -> Path | None:
        """What the first picture of the video is; None: the engine makes it."""
        return None if self.last_only else self.image

    @property
    def last_picture(self) -> Path | None:
        """What the last picture of the video is; None: the engine makes it."""
        return self.last_frame or (self.image if self.last_only else None)

    @property
    def pictures(self) -> tuple[Path, ...]:
        named = (self.first_picture, self.last_picture)
        return tuple(dict.fromkeys(path for path in named if path is not None))

    @property
    def picture_word(self) -> str:
        if self.last_only:
            return "last"
        return "first" if self.last_frame is None else "first_last"


_CLASSES: Mapping[str, type[Request]] = {each.kind: each for each in (Request, ImageRequest)}


def request_class(kind: str) -> type[Request]:
    """Of the requests of a kind. Raises InputError."""
    if kind not in _CLASSES:
        raise InputError(
            f"videos of kind {kind!r} are unknown here",
            hint="another version of soundreel made this one",
        )
    return _CLASSES[kind]
