"""One shot of a finished video made again; all the others keep their bytes.

Every part of a video is a closed group of pictures, so those of untouched shots are copied out of
the file as they are, and joined with the new ones and the sound.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from soundreel import api
from soundreel.config import Settings
from soundreel.errors import InputError, WorkError, mention
from soundreel.events import Notice, RunControl
from soundreel.finished.replay import read_source, replay_request
from soundreel.media.container import decodable, open_media, url
from soundreel.options.shot_request import ShotRequest
from soundreel.record import file_hash
from soundreel.timeline.rates import outputs_of
from soundreel.types import Chunk, Plan, Request, Result
from soundreel.video.containers import container_of
from soundreel.video.encoders import encoder_for
from soundreel.video.mux import picture_stream
from soundreel.video.storage import writing
from soundreel.work.files import create

_STITCHED = ("mp4", "mov")
_SEED_BITS = 31


def remake(
    video: Path,
    shot: int,
    changes: Mapping[str, Any],
    settings: Settings | None = None,
    *,
    audio: Path | None = None,
    output: Path | None = None,
    control: RunControl | None = None,
    overwrite: bool = False,
) -> Result:
    """Make shot `shot` (from 1) of a finished video again, into `output`, or beside the video.

    changes: values of a ShotRequest (prompt, negative_prompt, image, seed); with none of them
    another seed is drawn. audio: where the sound lies now, if it moved. Needs no work folder: the
    shot is made from its start. Raises as `api.generate`.
    """
    control = control or RunControl()
    record = read_source(video)
    request = replay_request(video, audio, None)
    _check(video, request, shot)
    said = {name: value for name, value in changes.items() if value is not None}
    said = said or {"seed": secrets.randbelow(2**_SEED_BITS)}
    shots = list(_listed(request, record))
    shots[shot - 1] = replace(shots[shot - 1], **said)
    output = output or video.with_stem(f"{video.stem}_shot{shot}")
    changed = replace(request, shots=tuple(shots), output=output)
    kept = KeptShots(video, shot - 1, record, {"shot": shot, **_plain(said)})
    control.emit(
        Notice(f"shot {shot} of {len(shots)} is made again from its start; the others stay")
    )
    return api.generate(changed, settings, control=control, overwrite=overwrite, kept=kept)


@dataclass(frozen=True)
class KeptShots:
    """The shots of a finished video, but for number `remade` (from 0). said: what was changed."""

    video: Path
    remade: int
    record: Mapping[str, Any]
    said: Mapping[str, object]

    @property
    def facts(self) -> Mapping[str, object]:
        """What was made again, now and before."""
        before = self.record.get("remade", [])
        return {"remade": [*before, {**self.said, "of": file_hash(self.video)}]}

    def write_piece(self, plan: Plan, chunk: Chunk, piece: Path) -> bool:
        """See `render.Kept`. Raises WorkError where the plan is not that of the video."""
        if chunk.index == 0:
            self._require_same(plan)
        if chunk.shot == self.remade:
            return False
        frames = outputs_of(plan, chunk)
        create(piece)
        if frames:
            delay = encoder_for(plan.request.encoding).decode_delay
            copy_pictures(self.video, frames, plan.output_fps, piece, delay)
        return True

    def _require_same(self, plan: Plan) -> None:
        then = self.record["plan"]
        same = then["fps"] == str(plan.output_fps) and then["frames"] == plan.output_frames
        shots = [[shot.start_frame, shot.num_frames] for shot in plan.shots]
        if not same or then["shots"] != shots:
            raise WorkError(
                f"{self.video.name} was cut otherwise than this version cuts it",
                hint="make it again as a whole: " + mention(**{"from": self.video.name}),
            )


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


def _check(video: Path, request: Request, shot: int) -> None:
    if container_of(request.encoding).name not in _STITCHED:
        raise InputError(
            f"{video.name} cannot be stitched: only {' and '.join(_STITCHED)} can",
            hint="make it again as a whole",
        )
    count = len(request.shot_list)
    if not 1 <= shot <= count:
        raise InputError.about(
            {"shot": shot},
            f"{video.name} has {count} shots" if count else f"{video.name} is one shot",
            hint=f"choose one from 1 to {count}" if count else "make it again as a whole",
        )


def _listed(request: Request, record: Mapping[str, Any]) -> tuple[ShotRequest, ...]:
    """The shots with the seeds that they had, written down."""
    then = record["request"]["shots"]
    return tuple(
        replace(shot, seed=about["seed"])
        for shot, about in zip(request.shot_list, then, strict=True)
    )


def _plain(said: Mapping[str, Any]) -> dict[str, object]:
    return {name: value.name if isinstance(value, Path) else value for name, value in said.items()}
