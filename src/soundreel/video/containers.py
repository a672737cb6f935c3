"""The kinds of files that a video can be: what each holds, and what it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from soundreel.errors import InputError, mention
from soundreel.types import Encoding, Request

DEFAULT, OVERLAY = "mp4", "mov"
"""What a file is of which nobody says it, and one with alpha."""


@dataclass(frozen=True, slots=True)
class Container:
    """name: of the format, and the ending of the file's name. codecs, sounds: what it may be asked
    to hold; no sounds where it is silent. overlay: what pictures with alpha are stored as, "" where
    none can be. tick: its times are whole multiples, 0 where they are exact. most_fps: the highest
    rate that it shows, 0 where nothing bounds it. subtitles: what a track of them is stored as, ""
    where there can be none. remark: what the user is told.
    """

    name: str
    codecs: tuple[str, ...] = ("h264", "h265", "av1")
    sounds: tuple[str, ...] = ("aac",)
    overlay: str = ""
    tick: Fraction = Fraction(0)
    most_fps: int = 0
    subtitles: str = ""
    remark: str = ""

    @property
    def shows_poster(self) -> bool:
        """Whether it holds a picture beside its pictures, and the words of the sound, where players
        look for them."""
        return self.name in ("mp4", "mov")

    @property
    def silent(self) -> bool:
        return not self.sounds


# A browser that meets a delay of 10 ms or less takes 100 ms instead; hence the highest rates.
_CONTAINERS: Mapping[str, Container] = {
    one.name: one
    for one in (
        Container("mp4", sounds=("aac", "copy", "flac", "alac"), subtitles="mov_text"),
        Container(
            "mov",
            codecs=("h264", "h265"),
            sounds=("aac", "copy", "alac"),
            overlay="ProRes 4444",
            subtitles="mov_text",
        ),
        Container(
            "webm",
            codecs=("av1",),
            overlay="VP9",
            subtitles="webvtt",
            tick=Fraction(1, 1000),
            remark="WebM: the sound is stored as Opus, and times are in whole milliseconds",
        ),
        Container(
            "gif",
            sounds=(),
            tick=Fraction(1, 100),
            most_fps=50,
            remark="GIF has no sound and 256 colours, and its times are in hundredths of a second",
        ),
        Container(
            "webp",
            sounds=(),
            tick=Fraction(1, 1000),
            most_fps=90,
            remark="WebP has no sound, and its times are in whole milliseconds",
        ),
    )
}
NAMES = tuple(_CONTAINERS)


def container_of(encoding: Encoding) -> Container:
    return _CONTAINERS[encoding.container or _usual(encoding)]


def with_container(request: Request) -> Request:
    """The request with the container that it names, or else the name of its output, and with the
    codec that suits it where none was named. Raises InputError where two of them differ."""
    encoding = request.encoding
    ending = "" if request.output is None else request.output.suffix.lower().removeprefix(".")
    name = encoding.container or (ending if ending in _CONTAINERS else _usual(encoding))
    if request.output is not None and ending != name:
        better = mention(output=request.output.with_suffix(f".{name}").name)
        raise InputError(
            f"output {request.output.name!r} does not end in .{name}",
            hint=f"write e.g. {better}; known endings: {', '.join(_CONTAINERS)}",
        )
    container = _CONTAINERS[name]
    if encoding.alpha:
        _require_alpha(encoding, container)
    else:
        encoding = replace(encoding, codec=encoding.codec or container.codecs[0])
    encoding = replace(encoding, container=name)
    _require_fitting(encoding, container)
    if isinstance(request.poster, Fraction) and not (container.shows_poster or request.thumbnail):
        raise InputError.about(
            {"poster": request.poster},
            f"{name} holds no picture beside its own",
            hint=f"leave it out, or add {mention(thumbnail=True)}",
        )
    if request.lyrics_mode == "soft" and not container.subtitles:
        raise InputError.about(
            {"lyrics_mode": "soft"},
            f"{name} holds no subtitles",
            hint=f"leave it out, or choose {mention(container=DEFAULT)}",
        )
    return replace(request, encoding=encoding)


def require_rate(encoding: Encoding, fps: Fraction) -> None:
    """Raises InputError where the container cannot show so many pictures a second."""
    container = container_of(encoding)
    if container.most_fps and fps > container.most_fps:
        raise InputError.about(
            {"fps": fps},
            f"{container.name.upper()} shows at most {container.most_fps} pictures a second: "
            "browsers slow down what is quicker",
            hint=f"give {mention(fps=25)}, or {mention(container=DEFAULT)}",
        )


def _usual(encoding: Encoding) -> str:
    return OVERLAY if encoding.alpha else DEFAULT


def _require_alpha(encoding: Encoding, container: Container) -> None:
    """An overlay's codec is that of its container, and the CPU encodes it."""
    if not container.overlay:
        able = [one.name for one in _CONTAINERS.values() if one.overlay]
        raise InputError.about(
            {"encoding.container": container.name},
            "an overlay needs a file that holds alpha",
            hint=f"name an output that ends in .{' or .'.join(able)}",
        )
    said = {
        "codec": encoding.codec,
        "encoder": None if encoding.encoder == "cpu" else encoding.encoder,
        "crf": encoding.crf if container.name == OVERLAY else None,  # ProRes has no such scale
    }
    for name, value in said.items():
        if value is not None:
            raise InputError.about(
                {f"encoding.{name}": value},
                f"an overlay in a {container.name} is {container.overlay}, encoded by the CPU"
                if name != "crf"
                else f"{container.overlay} has no such scale of quality",
                hint="leave it out",
            )


def _require_fitting(encoding: Encoding, container: Container) -> None:
    if not encoding.alpha and encoding.codec not in container.codecs:
        known = ", ".join(container.codecs)
        raise InputError.about(
            {"encoding.codec": encoding.codec},
            f"{container.name} holds {known} pictures here",
            hint=f"leave it out, or choose {mention(container=DEFAULT)}",
        )
    # AAC is what is not chosen: where there is none, its place is taken, and that is said.
    if encoding.audio_codec != "aac" and encoding.audio_codec not in container.sounds:
        sounds = "no sound" if container.silent else "no such sound"
        raise InputError.about(
            {"encoding.audio_codec": encoding.audio_codec},
            f"{container.name} holds {sounds}",
            hint=f"leave it out, or choose {mention(container=DEFAULT)}",
        )
