"""The encoders of pictures: which there are, and what each is told.

Those that compute on the CPU give the same bytes for the same pictures, run for run: their
settings here are what decides it, and go into the record. A card's promise no bytes. Every GOP is
closed, so that pieces join without encoding again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from soundreel.errors import InputError, mention
from soundreel.types import Encoding, Size

_SVT_PRESETS: Mapping[str, str] = {
    "ultrafast": "9", "superfast": "9", "veryfast": "8", "faster": "7", "fast": "6",
    "medium": "5", "slow": "4", "slower": "3", "veryslow": "2",
}  # fmt: skip
"""SVT-AV1 counts its presets, 0 slow to 13 quick; from 10 on it warns of visible faults."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """One of FFmpeg's encoders.

    name: FFmpeg's name of it; codec: FFmpeg's name of what it writes.
    crf: the value of its quality scale that looks like x264's 18 (docs/delivery.md); None where it
        has no such scale.
    settings: options beside quality and preset; presets: its own words for x264's.
    decode_delay: a picture is shown at most so many pictures later than it is decoded.
    tag: the four letters of the sample description, "" for FFmpeg's own choice.
    quality, speed: what it calls that scale, and its presets; speed is "" where it has none.
    least_side: pixels across and down that it needs.
    pixels: the format of what it encodes. pieces: the kind of file that its packets are kept in.
    """

    name: str
    codec: str
    crf: int | None
    settings: Mapping[str, str]
    threads: int = 0
    decode_delay: int = 0
    tag: str = ""
    presets: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    quality: str = "crf"
    speed: str = "preset"
    least_side: int = 0
    pixels: str = "yuv420p"
    pieces: str = "mp4"

    @property
    def identity(self) -> str:
        """What decides the bytes besides its version, the pictures and the Encoding."""
        said = [value for value in self.settings.values() if value]
        return " ".join([self.name, *said, *([f"threads={self.threads}"] if self.threads else [])])

    def options(self, encoding: Encoding) -> dict[str, str]:
        """As FFmpeg takes them."""
        crf, preset = settled(encoding).crf, self.presets.get(encoding.preset, encoding.preset)
        quality = {} if crf is None else {self.quality: str(crf)}
        return {**({self.speed: preset} if self.speed else {}), **quality, **self.settings}


_X265 = "pools=4:frame-threads=2:ctu=32:open-gop=0:info=0:log-level=error"
"""A pool of threads, since without one x265 gives other bytes; of how many, and how many frames at
once, changes none. A picture of a single row or column of coding tree units gives other bytes from
run to run, whatever else is set: so units of 32, and two of them each way (all measured)."""

_CPU: Mapping[str, Encoder] = {
    # cpu-independent: without it x264 gives other bytes from run to run, even on one thread. Its
    # bytes follow the thread count, which must not follow the machine's cores. B-pyramid: 2.
    "h264": Encoder(
        "libx264", "h264", 18, {"x264-params": "cpu-independent=1"}, threads=4, decode_delay=2
    ),
    # hvc1 is the only tag that Apple's players take.
    "h265": Encoder(
        "libx265",
        "hevc",
        20,
        {"x265-params": _X265},
        decode_delay=2,
        tag="hvc1",
        least_side=64,
    ),
    # lp: its level of parallelism, which changes no byte (measured) but the memory it takes.
    "av1": Encoder("libsvtav1", "av1", 26, {"svtav1-params": "lp=2"}, presets=_SVT_PRESETS),
}


_VPX_PRESETS: Mapping[str, str] = {
    "ultrafast": "5", "superfast": "5", "veryfast": "4", "faster": "4", "fast": "3",
    "medium": "2", "slow": "1", "slower": "1", "veryslow": "0",
}  # fmt: skip

_OVERLAYS: Mapping[str, Encoder] = {
    # The vendor is told since Apple's own programs ask for it; sixteen bits hold any opacity.
    "mov": Encoder(
        "prores_ks",
        "prores",
        None,
        {"profile": "4444", "vendor": "apl0", "alpha_bits": "16"},
        threads=4,
        tag="ap4h",
        speed="",
        pixels="yuva444p10le",
        pieces="mov",
    ),
    # Two encoders run, of colour and of opacity: a fixed distance lets both begin anew at once.
    "webm": Encoder(
        "libvpx-vp9",
        "vp9",
        24,
        {"deadline": "good", "b": "0", "g": "48", "keyint_min": "48"},
        threads=4,
        presets=_VPX_PRESETS,
        speed="cpu-used",
        pixels="yuva420p",
        pieces="webm",
    ),
}
"""Those whose pictures have an opacity, by container."""


_NVENC_PRESETS: Mapping[str, str] = {
    "ultrafast": "p1", "superfast": "p2", "veryfast": "p3", "faster": "p4", "fast": "p4",
    "medium": "p5", "slow": "p6", "slower": "p7", "veryslow": "p7",
}  # fmt: skip
# Without B-pictures no GOP is open, none is shown later than decoded; b=0: only quality decides.
_NVENC_SETTINGS = {"rc": "vbr", "b": "0", "bf": "0", "forced-idr": "1"}


def _nvenc(codec: str, crf: int, tag: str = "") -> Encoder:
    return Encoder(
        f"{codec}_nvenc",
        codec,
        crf,
        _NVENC_SETTINGS,
        tag=tag,
        presets=_NVENC_PRESETS,
        quality="cq",
    )


# Qualities by their makers' word (docs/delivery.md): none was measured here.
_NVENC: Mapping[str, Encoder] = {
    "h264": _nvenc("h264", 20),
    "h265": _nvenc("hevc", 22, tag="hvc1"),
    "av1": _nvenc("av1", 28),
}
_ENCODERS = {"cpu": _CPU, "nvenc": _NVENC}


def encoder_for(encoding: Encoding) -> Encoder:
    """What makes the pieces of this encoding."""
    if encoding.alpha:
        return _OVERLAYS[encoding.container or "mov"]
    return _ENCODERS[encoding.encoder][encoding.codec or "h264"]


def require_size(encoding: Encoding, size: Size) -> None:
    """Raises InputError where the pictures are too small for the encoder's promise of bytes."""
    least = encoder_for(encoding).least_side
    if min(size) < least:
        raise InputError.about(
            {"encoding.codec": encoding.codec},
            f"its pictures are at least {least}x{least} here, not {size}",
            hint=f"choose another size, or {mention(codec='h264')}",
        )


def is_exact(encoding: Encoding) -> bool:
    """Whether the same pictures give the same bytes."""
    return encoding.encoder == "cpu"


def settled(encoding: Encoding) -> Encoding:
    """The encoding with the values of this version where none were asked for, for the record."""
    crf = encoder_for(encoding).crf if encoding.crf is None else encoding.crf
    return replace(encoding, crf=crf)
