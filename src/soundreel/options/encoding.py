"""How a finished file stores what was made."""

from __future__ import annotations

from dataclasses import dataclass, fields

from soundreel.errors import InputError, mention
from soundreel.options.given import Given, given
from soundreel.options.table import read_field


@dataclass(frozen=True, slots=True)
class Encoding:
    """How pictures and sound are stored.

    crf: quality on the codec's own scale, 0 (H.264: lossless) to 51; None is what looks like 18 of
    H.264. preset: a speed, by x264's names. codec: of the pictures, "h264", "h265" or "av1"; None
    follows the container. container: "mp4", "mov", "webm", "gif" or "webp"; None follows the name
    of the output. encoder: "cpu", or "nvenc" of NVIDIA's cards. alpha: an overlay, clear where
    nothing is drawn; its codec is that of its container, "mov" or "webm".
    loudness: LUFS that the sound is brought to by one gain; None leaves it as it is.
    audio_codec: what the sound is stored as. audio_bitrate: bits a second, of AAC only; None
    follows the rate and the channels.
    """

    crf: int | None = None
    preset: str = "veryfast"
    audio_codec: str = "aac"
    audio_bitrate: Given[int | str | None, int | None] = given(None)
    codec: str | None = None
    container: str | None = None
    encoder: str = "cpu"
    alpha: bool = False
    loudness: Given[float | str | None, float | None] = given(None)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = read_field(f"encoding.{each.name}", getattr(self, each.name))
            object.__setattr__(self, each.name, value)
        if self.audio_bitrate is not None and self.audio_codec != "aac":
            raise InputError.about(
                {"encoding.audio_bitrate": self.audio_bitrate},
                f"only aac has a bit rate to choose, {self.audio_codec} has none",
                hint=f"leave it out, or give {mention(audio_bitrate='auto')}",
            )
        if self.loudness is not None and self.audio_codec == "copy":
            raise InputError.about(
                {"encoding.loudness": self.loudness},
                f"{mention(audio_codec='copy')} keeps the source's packets as they are, also in "
                "their loudness",
                hint=f"leave one of them out, or take {mention(audio_codec='flac')}",
            )
