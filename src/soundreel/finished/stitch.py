"""Pieces of a finished video, copied into another one that differs in one shot.

Every piece is a closed group of pictures: its packets stand alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from soundreel.errors import WorkError, mention
from soundreel.media.container import decodable, open_media, url
from soundreel.record import file_hash, shot_spans
from soundreel.timeline.pieces import Piece, makers
from soundreel.types import Plan
from soundreel.video.encoders import encoder_for
from soundreel.video.mux import picture_stream
from soundreel.video.storage import writing


@dataclass(frozen=True)
class KeptPieces:
    """What a finished video holds of all shots but number `remade` (from 0). said: what was
    changed. See `render.Kept`."""

    video: Path
    remade: int
    record: Mapping[str, Any]
    said: Mapping[str, object]

    @property
    def facts(self) -> Mapping[str, object]:
        """What was made again, now and before."""
        before = self.record.get("remade", [])
        return {"remade": [*before, {**self.said, "of": file_hash(self.video)}]}

    def check(self, plan: Plan) -> None:
        """Raises WorkError where the plan is not that of the video."""
        then = self.record["plan"]
        same = then["fps"] == str(plan.output_fps) and then["frames"] == plan.output_frames
        spans = shot_spans(plan)
        if not same or any(then.get(name) != spans.get(name) for name in ("shots", "crossfades")):
            raise WorkError(
                f"{self.video.name} was cut otherwise than this version cuts it",
                hint="make it again as a whole: " + mention(**{"from": self.video.name}),
            )

    def holds(self, plan: Plan, piece: Piece) -> bool:
        """Whether nothing of the remade shot is in it."""
        return all(plan.chunks[index].shot != self.remade for index in makers(plan, piece))

    def copy(self, plan: Plan, piece: Piece, path: Path) -> None:
        """Raises WorkError where the video was changed by another program."""
        delay = encoder_for(plan.request.encoding).decode_delay
        copy_pictures(self.video, piece.frames, plan.output_fps, path, delay)


def copy_pictures(video: Path, frames: range, fps: Fraction, piece: Path, delay: int) -> None:
    """The packets of these pictures of a video, as a piece of its own. Raises WorkError where they
    are not a closed group."""
    with open_media(video) as source, writing(piece):
        track = _pictures_of(source)
        options = {"fflags": "+bitexact", "movie_timescale": str(fps.numerator)}
        with av.open(url(piece), "w", format="mp4", options=options) as made:
            found = _copy(source, track, made, frames, fps, delay)
    if found != len(frames):
        raise WorkError(
            f"pictures {frames.start} to {frames.stop - 1} of {video.name} do not stand alone",
            hint="it was changed by another program: make it again as a whole",
        )


def _copy(
    source: InputContainer,
    track: VideoStream,
    made: OutputContainer,
    frames: range,
    fps: Fraction,
    delay: int,
) -> int:
    stream, found = picture_stream(made, track), 0
    assert track.time_base is not None
    source.seek(int(frames.start / fps / track.time_base), stream=track)
    for packet in source.demux(track):
        if packet.pts is None or packet.time_base is None:
            continue
        frame = packet.pts * packet.time_base * fps
        if frame not in frames:
            if found:
                break
            continue
        if not found and not packet.is_keyframe:
            break
        packet.pts, packet.dts, packet.duration = int(frame) - frames.start, found - delay, 1
        packet.time_base, packet.stream = 1 / fps, stream
        made.mux(packet)
        found += 1
        if found == len(frames):
            break
    return found


def _pictures_of(source: InputContainer) -> VideoStream:
    return next(
        stream
        for stream in decodable(source.streams.video)
        if not stream.disposition & Disposition.attached_pic
    )
