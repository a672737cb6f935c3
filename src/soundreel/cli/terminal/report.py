"""Results and plans as text, results as JSON."""

from __future__ import annotations

from fractions import Fraction

from soundreel.cli.terminal.say import name
from soundreel.cli.terminal.shot_table import shot_lines
from soundreel.cli.terminal.spelling import spell
from soundreel.cli.terminal.verdicts import verdict_lines, verdict_summary
from soundreel.documents.plans import start_of
from soundreel.options.texts import VOCALS
from soundreel.record import to_json
from soundreel.timeline.grid import clock, format_seconds, frame_time
from soundreel.types import AudioClip, Estimate, Face, Interpolated, Plan, Result
from soundreel.work.room import bytes_text

_SHOWN_CHUNKS = 12


def result_json(result: Result) -> dict[str, object]:
    return {
        "path": str(result.path),
        "sidecar": str(result.sidecar),
        **({} if result.thumbnail is None else {"thumbnail": str(result.thumbnail)}),
        "engine": result.plan.request.engine,
        "seed": result.plan.request.seed,
        "frames": result.plan.output_frames,
        "fps": str(result.plan.output_fps),
        "seconds": float(result.plan.audio.duration),
        "resumed_chunks": result.resumed_chunks,
        "timings": dict(result.timings),
        **({} if result.check is None else {"check": dict(result.check)}),
    }


def result_summary(result: Result) -> str:
    """The last words of a run: where the video is, what it is, and where the time went."""
    plan = result.plan
    took = "  ".join(f"{stage} {seconds:.1f} s" for stage, seconds in result.timings.items())
    made = sum(chunk.num_frames for chunk in plan.chunks[result.resumed_chunks :])
    rate = float(made * plan.interpolation.factor) / max(sum(result.timings.values()), 1e-9)
    speed = f"({rate:.1f} frames/s)" if made else "(all frames are from an earlier run)"
    return (
        f"{name(result.path)}\n"
        f"  {count(plan.output_frames, 'frame')}, {format_seconds(plan.audio.duration)} s at "
        f"{format_seconds(plan.output_fps)} fps, {plan.request.output_size}, "
        f"engine {plan.request.engine}, seed {plan.request.seed}\n"
        f"  {took}  {speed}" + "".join(f"\n{line}" for line in _checked(result))
    )


def _checked(result: Result) -> list[str]:
    """What the check found, where one was made: what fails, or that nothing does."""
    if result.check is None:
        return []
    return [f"  checked: {verdict_summary(result.check)}", *verdict_lines(result.check, ("fail",))]


def interpolated_json(made: Interpolated) -> dict[str, object]:
    """What was made, by the names of `Interpolated`."""
    return dict(to_json(made))


def interpolated_summary(made: Interpolated) -> str:
    took = "  ".join(f"{stage} {seconds:.1f} s" for stage, seconds in made.timings.items())
    return (
        f"{name(made.path)}\n"
        f"  {count(made.frames, 'frame')} at {format_seconds(made.fps)} fps, by {made.method}, "
        f"{count(made.cuts, 'cut')}, the sound as it was\n"
        f"  {took}"
    )


def plan_report(plan: Plan, estimate: Estimate) -> str:
    """The plan as a person reads it."""
    request = plan.request
    lines = [
        f"{name(request.source.name)}: {format_seconds(plan.audio.duration)} s{_from(plan.audio)}, "
        f"{count(plan.num_frames, 'frame')} at "
        f"{format_seconds(plan.fps)} fps, {request.output_size}, "
        f"engine {request.engine}",
    ]
    if request.drive == VOCALS:
        lines.append(f"driven by the voice in {name(request.source.name)}")
    elif plan.drive is not None:
        lines.append(_driven(plan.drive))
    lines += [_voice(plan, face) for face in _faces_of(plan)]
    if plan.scaled_from is not None:
        lines.append(f"drawn at {plan.scaled_from}, scaled to {request.output_size}")
    if plan.interpolation.factor != 1:
        factor = plan.interpolation.factor
        times = f" x{factor}" if factor.denominator == 1 else ""
        lines.append(
            f"interpolation {plan.interpolation.method}{times}: {plan.output_frames} frames at "
            f"{format_seconds(plan.output_fps)} fps"
        )
    lines += shot_lines(plan)
    lines += ["", "part  frames         kept  generated  dropped  trimmed  starts at"]
    lines += [_chunk_line(plan, index) for index in range(min(len(plan.chunks), _SHOWN_CHUNKS))]
    if len(plan.chunks) > _SHOWN_CHUNKS:
        lines.append(f"... and {len(plan.chunks) - _SHOWN_CHUNKS} more")
    generated = sum(chunk.generated_frames for chunk in plan.chunks)
    lines += [
        "",
        f"{count(len(plan.shots), 'shot')}, {count(len(plan.chunks), 'part')}: "
        f"{count(generated, 'frame')} generated, "
        f"{plan.num_frames} kept{_crossfades(plan)}",
        *_lead_in(plan),
        *_goes_on(plan),
        *_loudness(plan),
        *_estimate_lines(estimate),
    ]
    return "\n".join(lines)


def _from(clip: AudioClip) -> str:
    return f" from {format_seconds(clip.start)} s" if clip.has_sound else " without sound"


def _crossfades(plan: Plan) -> str:
    mixed = plan.made_frames - plan.num_frames
    return f", {mixed} of them mixed of two" if mixed else ""


def _driven(drive: AudioClip) -> str:
    silent = f", silent in {count(len(drive.silent), 'place')}" if drive.silent else ""
    files = dict.fromkeys(name(clip.path.name) for _, clip in drive.parts) or [
        name(drive.path.name)
    ]
    return f"driven by {' and '.join(files)} from {format_seconds(drive.start)} s{silent}"


def _faces_of(plan: Plan) -> list[Face]:
    """Those that share a picture, each once."""
    return list({face.name: face for shot in plan.shots for face in shot.faces}.values())


def _voice(plan: Plan, face: Face) -> str:
    region = face.region
    place = str(region) if region.mask is None else name(region.mask.name)
    return f"{name(face.name)} ({place}): {_driven(plan.voices[face.name])}"


def _lead_in(plan: Plan) -> list[str]:
    frames = plan.geometry.lead_in_frames
    if not frames:
        return []
    seconds = format_seconds(frame_time(frames, plan.fps))
    return [f"the driving sound starts {seconds} s before each shot, so that no picture is early"]


def _goes_on(plan: Plan) -> list[str]:
    """Of an engine whose passes know nothing of each other but one picture."""
    if not plan.geometry.head_frames or len(plan.chunks) == len(plan.shots):
        return []
    return ["each later part goes on from the last picture of the part before it"]


def _loudness(plan: Plan) -> list[str]:
    found = plan.audio.loudness
    if found is None:
        return []
    return [
        f"loudness: {found.integrated:.1f} LUFS, true peak {found.true_peak:.1f} dBTP, gain "
        f"{found.gain_db:+.1f} dB: {found.reached:.1f} LUFS"
    ]


def _chunk_line(plan: Plan, index: int) -> str:
    chunk = plan.chunks[index]
    span = f"{chunk.start_frame}-{chunk.end_frame - 1}"
    start = format_seconds(start_of(plan, chunk))
    return (
        f"{index + 1:5}  {span:13}  {chunk.num_frames:4}  {chunk.generated_frames:9}  "
        f"{chunk.dropped_frames:7}  {chunk.trimmed_frames:7}  {start} s"
    )


def _estimate_lines(estimate: Estimate) -> list[str]:
    lines = [f"{name}: {spell(value)}" for name, value in estimate.details]
    if estimate.likely_seconds is not None:
        lines.append(f"time: {_least_and_likely(estimate)}")
    elif estimate.seconds is not None:
        lines.append(f"expected time: {_duration(estimate.seconds)} ({estimate.source})")
    if estimate.memory_bytes is not None:
        gib = estimate.memory_bytes / 2**30
        lines.append(f"expected memory: {gib:.1f} GiB ({estimate.source})")
    if estimate.work_bytes is not None and estimate.video_bytes is not None:
        lines.append(
            f"on the disk: about {bytes_text(estimate.work_bytes)} of work, "
            f"{bytes_text(estimate.video_bytes)} of video"
        )
    return lines


def _least_and_likely(estimate: Estimate) -> str:
    least = "" if estimate.seconds is None else f"at least {_duration(estimate.seconds)}, "
    low, high = (_duration(seconds) for seconds in estimate.likely_seconds or (0.0, 0.0))
    return f"{least}likely {low if low == high else f'{low} to {high}'} ({estimate.source})"


def count(number: int, noun: str) -> str:
    """ "1 picture", "2 pictures"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def length(seconds: Fraction) -> str:
    """How long a sound is: "7.1 s", from a minute on with the clock's word for it."""
    exact = f"{format_seconds(seconds)} s"
    return exact if seconds < 60 else f"{clock(float(seconds))} ({exact})"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
