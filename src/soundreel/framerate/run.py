"""`interpolate()`: a video at another rate, its sound untouched.

look at every picture -> pieces of the new rate, each sealed on disk -> join, with the sound
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from soundreel.config import Settings, load_settings
from soundreel.errors import InputError, WorkError, mention
from soundreel.events import ChunkSealed, ChunkStarted, FrameDone, Notice, RunControl
from soundreel.finished.label import add_to_file, label_in
from soundreel.framerate.join import finish, require_storable, verify
from soundreel.framerate.pictures import count, cuts_at, pictures
from soundreel.framerate.source import Source, look
from soundreel.framerate.weights import with_weights
from soundreel.media import marks
from soundreel.media.container import check_file
from soundreel.options.given import AnyPath, Rate
from soundreel.options.table import read_field
from soundreel.output import Target, check_target, claim, placed, write_sidecar
from soundreel.post.interpolate import FLOW, LOCAL_METHODS, make_between
from soundreel.record import TAG, digest_of, file_hash, record_text, to_json
from soundreel.timeline.grid import format_clock, format_seconds
from soundreel.types import Encoding, Interpolated, Interpolation
from soundreel.versions import basic_versions
from soundreel.video import reader
from soundreel.video.encoders import require_size, settled
from soundreel.video.writer import SegmentWriter, require_encoder
from soundreel.work.job import Job
from soundreel.work.listing import ListedJob
from soundreel.work.sweep import remove_old_jobs

PIECE_FRAMES = 96
"""Pictures of a piece: what a killed job loses at most."""

_CONTAINERS = ("mp4", "mov")
_SHOWN_CUTS = 12


def interpolate(
    video: AnyPath,
    fps: Rate | None = None,
    method: str = FLOW,
    output: AnyPath | None = None,
    *,
    encoding: Encoding = Encoding(),  # noqa: B008  (frozen)
    settings: Settings | None = None,
    control: RunControl | None = None,
    overwrite: bool = False,
) -> Interpolated:
    """Make the pictures between those of any video. Run it again after a crash or a stop and it
    goes on where it was.

    fps: pictures a second; None doubles an even rate. method: "flow", "film" or "rife". output: an
    MP4 or MOV; None is beside the video. encoding: of the pictures; the sound keeps its packets.
    Raises a SoundreelError (see errors.py), or Cancelled.
    """
    settings, control = settings or load_settings(), control or RunControl()
    if settings.timeout is not None:
        control.stop_after(settings.timeout)
    remove_old_jobs(settings.work_dir)
    seconds: dict[str, float] = {}
    path = _path("audio", video)
    asked = Interpolation(_method(method))
    rate = None if fps is None else read_field("fps", fps)
    assert rate is None or isinstance(rate, Fraction)
    named = None if output is None else _path("output", output)
    with control.stage("inputs", seconds):
        check_file(path, InputError, reader.HINT)
        encoding = _encoding_of(named or _beside(path, Fraction(1)), encoding)
        require_storable(path, encoding)
        asked = with_weights(asked, settings, control, {})
        source = look(path, control)
        rate = _rate_of(source, rate)
        target = named or _beside(path, rate)
        require_size(encoding, source.size)
        require_encoder(encoding, *source.size)
    job_of = _Asked(path, rate, asked, target.absolute(), encoding)
    with Job(settings.work_dir, job_of.key, control) as job:
        placed_at = claim(target.absolute(), job)
        record = _record(source, job_of)
        total = count(source, rate)
        ranges = [range(a, min(a + PIECE_FRAMES, total)) for a in range(0, total, PIECE_FRAMES)]
        job.fix("asked", job_of.noted(len(ranges)))
        if _is_finished(placed_at, record, job, len(ranges)):
            resumed = len(ranges)
        else:
            check_target(placed_at, [path], overwrite=overwrite)
            _tell(source, rate, control)
            job.bind(digest_of(record))
            with control.stage("render", seconds):
                resumed = _render(source, job_of, ranges, job, control)
            with (
                control.stage("finish", seconds),
                placed(placed_at, overwrite=overwrite) as temporary,
            ):
                job.check_pieces()
                pieces = [job.piece(index) for index in range(len(ranges))]
                _join(pieces, source, job_of, total, record, temporary, control)
                _require_same(path, record)
        local = {
            "files": {"video": str(path.absolute())},
            "timings": {stage: round(took, 3) for stage, took in seconds.items()},
        }
        sidecar = write_sidecar(placed_at, record, local)
        job.remove()
    return Interpolated(
        placed_at.path, sidecar, asked.method, rate, total, len(source.cuts), len(ranges), resumed,
        seconds,
    )  # fmt: skip


def resume(
    job: ListedJob, settings: Settings, control: RunControl, *, overwrite: bool = False
) -> Interpolated:
    """Finish an unfinished job (see `work.listing`). Raises as `interpolate`."""
    try:
        said, files = job.asked["request"], job.asked["files"]
        video, fps, method, output = files["video"], said["fps"], said["method"], said["output"]
        encoding = Encoding(**said["encoding"])
    except (KeyError, TypeError) as err:
        raise InputError(
            f"what job {job.key[:8]} was asked for cannot be read: {err!r}",
            hint="run its command again, or remove it",
        ) from err
    return interpolate(
        video, fps, method, output,
        encoding=encoding, settings=settings, control=control, overwrite=overwrite,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a job is to make, resolved."""

    video: Path
    fps: Fraction
    how: Interpolation
    output: Path
    encoding: Encoding

    @property
    def key(self) -> str:
        said = ["interpolate", self.video.name, file_hash(self.video), self.fps, self.how]
        return digest_of([*said, self.output, self.encoding])[:20]

    def noted(self, pieces: int) -> dict[str, object]:
        """For `soundreel jobs`."""
        said = {"fps": self.fps, "method": self.how.method, "output": self.output}
        return {
            "request": to_json({**said, "encoding": self.encoding}),
            "files": {"video": str(self.video.absolute())},
            "chunks": pieces,
        }


def _path(name: str, value: object) -> Path:
    path = read_field(name, value)
    assert isinstance(path, Path)
    return path


def _method(name: str) -> str:
    if name not in LOCAL_METHODS:
        raise InputError.about(
            {"interpolate": name}, "no such method", f"choose {' or '.join(sorted(LOCAL_METHODS))}"
        )
    return name


def _rate_of(source: Source, fps: Fraction | None) -> Fraction:
    """Raises InputError where there is nothing to make."""
    name, own = source.path.name, source.rate
    if len(source.stamps) < 2:
        raise InputError(f"{name} is a single picture", hint="give a video")
    if own is None and fps is None:
        raise InputError(
            f"the pictures of {name} come unevenly: there is no rate to double",
            hint=f"say which rate it shall have, as {mention(fps=30)}",
        )
    wanted = fps if fps is not None or own is None else read_field("fps", own * 2)
    assert isinstance(wanted, Fraction)
    if wanted == own:
        raise InputError.about(
            {"fps": wanted}, f"{name} has as many pictures a second already", "give another rate"
        )
    return wanted


def _beside(video: Path, fps: Fraction) -> Path:
    ending = video.suffix.lower() if video.suffix.lower() == ".mov" else ".mp4"
    return video.with_name(f"{video.stem}_{format_seconds(fps)}fps{ending}")


def _encoding_of(output: Path, encoding: Encoding) -> Encoding:
    ending = output.suffix.lower().removeprefix(".")
    if ending not in _CONTAINERS:
        raise InputError(
            f"output {output.name!r} does not end in .mp4 or .mov",
            hint=f"write e.g. {mention(output=output.with_suffix('.mp4').name)}",
        )
    chosen = settled(
        Encoding(
            crf=encoding.crf,
            preset=encoding.preset,
            codec=encoding.codec or "h264",
            encoder=encoding.encoder,
            container=ending,
        )
    )
    if ending == "mov" and chosen.codec == "av1":
        raise InputError.about(
            {"encoding.codec": "av1"}, "mov holds h264 and h265 pictures here",
            "leave it out, or name an output that ends in .mp4",
        )  # fmt: skip
    return chosen


def _tell(source: Source, fps: Fraction, control: RunControl) -> None:
    own = "uneven" if source.rate is None else format_seconds(source.rate)
    control.emit(
        Notice(
            f"{source.path.name}: {len(source.stamps)} pictures, {own} a second, become "
            f"{count(source, fps)}, {format_seconds(fps)} a second"
        )
    )
    if source.cuts:
        whose = "by its own record" if source.recorded else "found in the pictures"
        times = [format_clock(source.time(cut)) for cut in source.cuts]
        more = f" and {len(times) - _SHOWN_CUTS} more" if len(times) > _SHOWN_CUTS else ""
        shown = ", ".join(times[:_SHOWN_CUTS])
        control.emit(Notice(f"nothing is made across the cuts {whose}: {shown}{more}"))


def _render(
    source: Source, asked: _Asked, ranges: list[range], job: Job, control: RunControl
) -> int:
    """Make and seal the pieces that are not sealed; returns how many were."""
    resumed, total = job.sealed, ranges[-1].stop
    for index in range(resumed):
        control.emit(ChunkSealed(index, len(ranges), resumed=True))
    if resumed == len(ranges):
        return resumed
    between = make_between(asked.how, job.fixed, job.folder.parent)
    made = pictures(source, asked.fps, between, control, ranges[resumed].start)
    for index, span in enumerate(ranges[resumed:], resumed):
        control.emit(ChunkStarted(index, len(ranges), len(span)))
        with SegmentWriter(job.piece(index), *source.size, asked.fps, asked.encoding) as writer:
            for number in span:
                control.raise_if_cancelled()
                writer.write(next(made))
                control.emit(FrameDone(number + 1, total))
        job.seal(index, b"", b"")
        control.emit(ChunkSealed(index, len(ranges)))
    return resumed


def _record(source: Source, asked: _Asked) -> dict[str, object]:
    """All that decides the bytes. It has no request: the pictures are those of another file."""
    encoding = {key: getattr(asked.encoding, key) for key in ("codec", "crf", "preset", "encoder")}
    own = source.tags.get(marks.TAG, "").removeprefix(marks.SCHEME)
    return {
        "interpolated": {
            "method": asked.how.method,
            "source_fps": "variable" if source.rate is None else str(source.rate),
            "source_frames": len(source.stamps),
            "encoding": encoding,
        },
        "plan": {
            "fps": str(asked.fps),
            "frames": count(source, asked.fps),
            "size": to_json(source.size),
            "cuts": cuts_at(source, asked.fps),
        },
        "inputs": {"video": {"name": source.path.name, "sha256": file_hash(source.path)}},
        "versions": basic_versions(asked.encoding, asked.how),
        "source_type": own or marks.ENHANCED,
    }


def _join(
    pieces: list[Path],
    source: Source,
    asked: _Asked,
    total: int,
    record: Mapping[str, Any],
    temporary: Path,
    control: RunControl,
) -> None:
    mark = marks.SCHEME + record["source_type"]
    tags = {TAG: record_text(record), marks.TAG: mark}
    finish(pieces, source, temporary, asked.fps, total, tags, asked.encoding, control)
    add_to_file(temporary, label_in(source.path))
    verify(temporary, source, asked.fps, total, asked.encoding)


def _is_finished(target: Target, record: Mapping[str, object], job: Job, pieces: int) -> bool:
    """True if an earlier run put this very video in place and was stopped right after."""
    if job.sealed < pieces or not target.path.exists():
        return False
    try:
        return reader.read_tags(target.path).get(TAG) == record_text(record)
    except InputError:
        return False


def _require_same(video: Path, record: Mapping[str, Any]) -> None:
    if file_hash(video) != record["inputs"]["video"]["sha256"]:
        raise WorkError(
            f"{video} changed while the job ran",
            hint="run the same command again to use it as it is now",
        )
