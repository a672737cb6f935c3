"""What the sound of a finished file is stored as: codec, rate, layout, bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from av.audio.layout import AudioLayout

from soundreel.audio.reading.decode import Decoder
from soundreel.errors import InputError, mention
from soundreel.types import AudioClip, Encoding

AAC_FRAME = 1024
"""Samples in one AAC-LC frame (ISO/IEC 14496-3)."""

_RATES = sorted(
    (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
)
_BY_COUNT = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""Where so many channels are put if the file does not say where they stand."""

_AAC_LAYOUTS = frozenset(
    {"mono", "stereo", "2.1", "3.0", "3.0(back)", "4.0", "quad", "5.0", "5.1", "7.1"}
)
"""What comes out of an AAC track under its own name, each channel in its place (measured)."""

_HOLDS = {"quad(side)": "quad", "5.0(side)": "5.0", "3.1": "5.1", "5.1(side)": "5.1"}
"""Where each speaker of a layout has one of its own; all others go into 7.1."""

_LOSSLESS_LAYOUTS: Mapping[str, tuple[str, ...]] = {
    "flac": ("mono", "stereo", "3.0", "quad", "5.0(side)", "5.1(side)", "6.1", "7.1"),
    "alac": ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1(back)", "7.1(wide)"),
}
"""The one layout of 1 to 8 channels that comes out of an MP4 under its own name (measured)."""

_TWINS = frozenset(
    frozenset(pair)
    for pair in (
        *(("quad", "quad(side)"), ("5.0", "5.0(side)"), ("5.1", "5.1(side)")),
        ("6.1", "6.1(back)"),
    )
)
"""The same speakers but for those at the sides or the back: the samples stay as they are."""

_SHORT_FORMATS = frozenset({"u8", "u8p", "s16", "s16p"})

_BITS_PER_CHANNEL = 96_000
_MOST_PER_SAMPLE = 6
"""AAC has room for 6144 bits a channel and frame."""


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """codec: FFmpeg's name, or "copy" for the source's own.
    bits: of one stored sample, 16 or 24; 0 where that is not ours to choose.
    bit_rate: bits a second; 0 where the codec takes what it needs."""

    codec: str
    rate: int
    layout: str
    bits: int = 0
    bit_rate: int = 0


_OPUS_LAYOUTS = frozenset({"mono", "stereo", "3.0", "quad", "5.1", "7.1"})
"""Those of RFC 7845, mapping families 0 and 1, that come out with each channel in its place: 5.0
and 6.1 do not (measured)."""

_OPUS_HOLDS = {
    **dict.fromkeys(("2.1", "3.0(back)", "3.1", "4.0", "5.0", "5.0(side)", "5.1(side)"), "5.1"),
    "quad(side)": "quad",
}
_OPUS_RATE = 48000
_OPUS_MOST = 256_000
"""Bits a second and channel (RFC 6716 allows 510 000 for two)."""


def stored_as(clip: AudioClip, encoding: Encoding) -> SoundFormat | None:
    """How the clip's sound is stored; None where it has none. Raises InputError where the chosen
    codec cannot hold it."""
    if not clip.has_sound:
        return None
    if encoding.container == "webm":
        return _as_opus(clip, encoding.audio_bitrate)
    if encoding.audio_codec == "aac":
        return _as_aac(clip, encoding.audio_bitrate)
    if encoding.audio_codec == "copy":
        return SoundFormat("copy", clip.rate, clip.layout)
    return _as_lossless(clip, encoding.audio_codec)


def aac_rate(rate: int) -> int:
    """The sample rate in the file: the sound's own where AAC has it, else the next higher one."""
    return next((known for known in _RATES if known >= rate), _RATES[-1])


def aac_layout(clip: AudioClip) -> str:
    """The layout in the file: the sound's own where AAC has it, else one that holds it. More than
    eight channels of which nobody says where they stand are mixed down to one."""
    if not is_placed(clip):
        return _BY_COUNT.get(clip.channels, "mono")
    return clip.layout if clip.layout in _AAC_LAYOUTS else _HOLDS.get(clip.layout, "7.1")


def is_placed(clip: AudioClip) -> bool:
    """Whether the file says where its channels stand ("5.1", not "6 channels")."""
    return bool(clip.layout) and "channels" not in clip.layout


def _as_aac(clip: AudioClip, bit_rate: int | None) -> SoundFormat:
    rate, layout = aac_rate(clip.rate), aac_layout(clip)
    channels = AudioLayout(layout).nb_channels
    most = channels * _MOST_PER_SAMPLE * rate
    if bit_rate is not None and bit_rate > most:
        raise InputError.about(
            {"encoding.audio_bitrate": bit_rate},
            f"AAC holds at most {most} bits a second of {layout} sound at {rate} Hz",
            hint=f"give less, or {mention(audio_codec='flac')}",
        )
    # 4 bits a sample are safely within those 6.
    return SoundFormat(
        "aac", rate, layout, 0, bit_rate or channels * min(_BITS_PER_CHANNEL, 4 * rate)
    )


def _as_opus(clip: AudioClip, bit_rate: int | None) -> SoundFormat:
    layout = opus_layout(clip)
    channels = AudioLayout(layout).nb_channels
    if bit_rate is not None and bit_rate > channels * _OPUS_MOST:
        raise InputError.about(
            {"encoding.audio_bitrate": bit_rate},
            f"Opus takes at most {channels * _OPUS_MOST} bits a second of {layout} sound",
            hint="give less",
        )
    return SoundFormat("libopus", _OPUS_RATE, layout, 0, bit_rate or channels * _BITS_PER_CHANNEL)


def opus_layout(clip: AudioClip) -> str:
    """As `aac_layout`; five and seven channels without a place are mixed down too."""
    if not is_placed(clip):
        layout = _BY_COUNT.get(clip.channels, "mono")
        return layout if layout in _OPUS_LAYOUTS else "mono"
    known = clip.layout in _OPUS_LAYOUTS
    return clip.layout if known else _OPUS_HOLDS.get(clip.layout, "7.1")


def _as_lossless(clip: AudioClip, codec: str) -> SoundFormat:
    layouts = _LOSSLESS_LAYOUTS[codec]
    layout = layouts[clip.channels - 1] if clip.channels <= len(layouts) else ""
    fits = not is_placed(clip) or clip.layout == layout
    if not layout or not (fits or frozenset({clip.layout, layout}) in _TWINS):
        raise InputError.about(
            {"encoding.audio_codec": codec},
            f"in an MP4 it cannot hold {clip.layout or clip.channels} sound without mixing it",
            hint=f"choose {mention(audio_codec='aac')}",
        )
    with Decoder(clip.path, tolerant=clip.allow_truncated, track=clip.track) as decoder:
        bits = 16 if decoder.sample_format in _SHORT_FORMATS else 24
    return SoundFormat(codec, clip.rate, layout, bits)
