"""How many bytes a job will take: its pieces in the work folder, and the finished file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from av.audio.layout import AudioLayout

from soundreel.types import Plan
from soundreel.video.containers import container_of
from soundreel.video.encoders import encoder_for, settled
from soundreel.video.sound_format import stored_as

# Bits of a pixel in one picture at the encoder's own quality: the geometric mean of what the
# preview's pictures take without an image, with one, and of a portrait (480x640; docs/delivery.md).
_PIECE_BITS: Mapping[str, float] = {
    **{"h264": 0.21, "hevc": 0.14, "av1": 0.13},
    **{"prores": 10.0, "vp9": 0.34},  # of overlays: colours and opacity
}
_DRAWN_BITS: Mapping[str, float] = {"gif": 4.0, "webp": 0.63}
_CRF_OF_HALF = 6
"""So many steps more of crf take half the bits."""

_LOSSLESS_SHARE = 0.6
"""What FLAC and ALAC leave of the samples of music."""


@dataclass(frozen=True, slots=True)
class Weight:
    """Bytes. pieces: in the work folder until the video is finished. video: the finished file."""

    pieces: int
    video: int


def expected_weight(plan: Plan) -> Weight:
    """About, and of another picture half or twice as much."""
    encoding = settled(plan.request.encoding)
    encoder, container = encoder_for(encoding), container_of(encoding)
    pixels = plan.request.output_size.area * plan.output_frames
    quality = 1.0
    if encoder.crf is not None and encoding.crf is not None:
        quality = 2 ** ((encoder.crf - encoding.crf) / _CRF_OF_HALF)
    pieces = round(pixels * _PIECE_BITS[encoder.codec] * quality / 8)
    if container.silent:
        return Weight(pieces, round(pixels * _DRAWN_BITS[container.name] / 8))
    return Weight(pieces, pieces + _sound_bytes(plan))


def _sound_bytes(plan: Plan) -> int:
    clip = plan.audio
    form = stored_as(clip, plan.request.encoding)
    if form is None:
        return 0
    if form.bits:
        channels = AudioLayout(form.layout).nb_channels
        return round(clip.duration * form.rate * channels * form.bits / 8 * _LOSSLESS_SHARE)
    if form.bit_rate:
        return round(clip.duration * form.bit_rate / 8)
    return clip.path.stat().st_size  # its own packets: at most all of them
