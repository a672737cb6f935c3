"""From a request and its sound to shots and chunks. Pure: the same input, the same plan."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from soundreel.errors import InputError, mention
from soundreel.timeline.grid import ceil_to, format_seconds, frame_time, frames_for
from soundreel.timeline.rates import shown_seconds
from soundreel.timeline.sizes import drawn_size
from soundreel.types import (
    AudioClip,
    Chunk,
    ChunkGeometry,
    Interpolation,
    Plan,
    Request,
    Shot,
    Take,
)

AUTO, NONE, ANY_RATE = "auto", "none", "flow"
"""Words for `Request.interpolate`; the last makes pictures at any time, here."""

USUAL_SECONDS = Fraction(81, 16)
"""How long a video without a sound is if nobody says: one pass of Wan 2.2."""

SILENT_RATE = 48000
"""Samples a second of what a listener gets of a clip without sound."""

MAX_FRAMES = 24 * 3600 * 60
"""A day at 60 pictures a second: more is a slip of the keyboard."""


def fit_sound(
    request: Request,
    whole: AudioClip,
    fps: Fraction,
    factor: Fraction = Fraction(1),
) -> tuple[AudioClip, int, list[str]]:
    """The clip's sound, its number of pictures, and what the user should know about them.

    whole: all of the file's sound; fps: of the generated pictures; factor: see `Interpolation`.
    Raises InputError if the segment lies outside the file.
    """
    available = whole.duration - request.start
    if available <= 0:
        raise InputError.about(
            {"start": request.start},
            f"beyond the end of {whole.path.name} ({format_seconds(whole.duration)} s)",
            hint="choose a start inside the sound",
        )
    wanted = available if request.duration is None else min(request.duration, available)
    count = request.num_frames or frames_for(wanted, fps)
    if count > MAX_FRAMES:
        raise InputError.about(
            {"num_frames": count}, f"more than a day of video: at most {MAX_FRAMES} frames"
        )
    shown = count / fps
    if factor.denominator > 1:
        shown = shown_seconds(shown if request.num_frames else wanted, fps * factor)
    sound = wanted if request.num_frames is None else min(shown, available)
    sound = min(sound, whole.sound_duration)
    clip = replace(whole, start=request.start, duration=shown, sound_duration=sound)
    notices = _sound_notices(request, available, wanted, shown) if whole.has_sound else []
    return clip, count, notices


def silent_clip(request: Request, fps: Fraction) -> AudioClip:
    """What a request without a sound is cut from: no sound, for as long as it asks for."""
    asked = None if request.num_frames is None else frame_time(request.num_frames, fps)
    duration = asked or request.duration or USUAL_SECONDS
    return AudioClip(request.source, Fraction(0), duration, Fraction(0), SILENT_RATE, 0)


def _sound_notices(
    request: Request, available: Fraction, wanted: Fraction, shown: Fraction
) -> list[str]:
    notices = []
    if request.duration is not None and request.duration > available:
        notices.append(
            f"the sound ends {format_seconds(request.duration - available)} s before the duration "
            f"asked for: using {format_seconds(available)} s"
        )
    if request.num_frames is not None and shown < wanted:
        notices.append(
            f"{request.num_frames} frames show {format_seconds(shown)} s: the last "
            f"{format_seconds(wanted - shown)} s of the sound are cut off"
        )
    if request.num_frames is not None and shown > available:
        notices.append(
            f"{request.num_frames} frames show {format_seconds(shown)} s: the last "
            f"{format_seconds(shown - available)} s are silent"
        )
    return notices


def make_plan(
    request: Request,
    geometry: ChunkGeometry,
    audio: AudioClip,
    num_frames: int,
    interpolation: Interpolation = Interpolation(),  # noqa: B008  (frozen)
    shots: tuple[Shot, ...] = (),
) -> Plan:
    """The shots, or one over the whole clip, cut into chunks. `audio` is the sound of
    `num_frames`."""
    shots = shots or (whole_shot(request, num_frames),)
    lookahead = interpolation.factor != 1
    chunks: list[Chunk] = []
    for shot in shots:
        chunks += cut_shot(shot, geometry, len(chunks), lookahead=lookahead)
    drawn = drawn_size(request, geometry)
    scaled_from = None if drawn == request.output_size else drawn
    return Plan(
        request, geometry, audio, num_frames, shots, tuple(chunks), interpolation, scaled_from
    )


def whole_shot(request: Request, num_frames: int) -> Shot:
    """One shot that shows what the request says."""
    return Shot(
        0,
        0,
        num_frames,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        image=request.image,
        seed=request.seed,
    )


def cut_shot(
    shot: Shot, geometry: ChunkGeometry, first_index: int = 0, *, lookahead: bool = False
) -> list[Chunk]:
    """Cut a shot into chunks: every kept frame lies in exactly one of them. Raises InputError where
    it says something of a chunk that it has not."""
    chunks: list[Chunk] = []
    slot, frame = 0, shot.start_frame
    for generated, prompt in _passes(shot, geometry):
        dropped, head = (geometry.dropped_frames, geometry.head_frames) if slot == 0 else (0, 0)
        kept = min(generated + head - dropped, shot.end_frame - frame)
        chunk = Chunk(
            first_index + len(chunks),
            shot.index,
            slot,
            generated,
            dropped,
            frame,
            kept,
            prompt=prompt,
            seed=shot.seed + len(chunks),
            head_frames=head,
        )
        take = shot.takes.get(len(chunks) + 1)
        chunks.append(chunk if take is None else _taken(chunk, take))
        slot += generated
        frame += kept
    if lookahead and chunks[-1].trimmed_frames > 0:
        chunks[-1] = replace(chunks[-1], lookahead_frames=1)
    if (most := max(shot.takes, default=0)) > len(chunks):
        raise InputError.about(
            {"shots.takes": most},
            f"shot {shot.index + 1} has no part {most}, but {len(chunks)}",
            hint="leave it out, or choose another number",
        )
    return chunks


def _taken(chunk: Chunk, take: Take) -> Chunk:
    seed = chunk.seed if take.seed is None else take.seed
    prompt = chunk.prompt if take.prompt is None else take.prompt
    return replace(chunk, prompt=prompt, seed=seed, own_seed=take.seed)


def _passes(shot: Shot, geometry: ChunkGeometry) -> Iterator[tuple[int, str]]:
    """Generated frames and prompt of each chunk. Another prompt ends a chunk at the next point of
    the grid."""
    skipped = geometry.dropped_frames - geometry.head_frames
    end = max(ceil_to(skipped + shot.num_frames, geometry.grid), geometry.grid)
    begins = {0: shot.prompt}
    for frame, prompt in shot.changes:
        slot = frame - shot.start_frame + skipped
        begins[ceil_to(slot, geometry.grid)] = prompt
    starts = [slot for slot in begins if slot < end]
    for slot, until in pairwise([*starts, end]):
        cut = balanced_lengths if slot or geometry.even_passes else chunk_lengths
        for generated in cut(until - slot, geometry):
            yield generated, begins[slot]


def chunk_lengths(slots: int, geometry: ChunkGeometry) -> list[int]:
    """Generated frames of each chunk for `slots` frames of a shot, dropped ones included.

    The first is full where the length allows (a short one would leave motion frames blank); the
    rest is balanced: 164 -> 80, 44, 40.
    """
    slots = ceil_to(slots, geometry.grid)
    first = min(slots, geometry.chunk_frames)
    return [first, *balanced_lengths(slots - first, geometry)]


def balanced_lengths(slots: int, geometry: ChunkGeometry) -> list[int]:
    """Chunks of about one length, longer ones first, so that none is a stub; [] for 0."""
    steps = ceil_to(slots, geometry.grid) // geometry.grid
    count = math.ceil(steps * geometry.grid / geometry.chunk_frames)
    if count == 0:
        return []
    share, longer = divmod(steps, count)
    return [(share + (i < longer)) * geometry.grid for i in range(count)]


def choose_interpolation(
    request: Request, engine_fps: Fraction, by_engine: frozenset[str], local: frozenset[str]
) -> Interpolation:
    """How the engine's rate becomes the rate asked for: an engine makes whole multiples itself, all
    else is done here. Raises InputError where it cannot."""
    method, twice = request.interpolate, request.interpolate not in (AUTO, NONE)
    target = request.fps if request.fps is not None else engine_fps * (2 if twice else 1)
    factor = target / engine_fps
    if method == AUTO:
        method = NONE if factor == 1 else ANY_RATE
    if method == NONE:
        _require_own_rate(target, engine_fps)
        return Interpolation()
    if method not in by_engine | local:
        raise InputError.about(
            {"interpolate": method},
            f"engine {request.engine} cannot do that",
            hint=f"choose one of: {', '.join(sorted({AUTO, NONE} | by_engine | local))}",
        )
    there = method in by_engine and factor.denominator == 1 and factor > 1
    if factor == 1 or not (there or method in local):
        raise InputError.about(
            {"fps": target},
            f"{method} cannot turn {engine_fps} into {target} pictures a second",
            hint=f"give a whole multiple: {engine_fps * 2}, {engine_fps * 3}, ...; "
            f"{mention(interpolate=ANY_RATE)} makes any other rate",
        )
    return Interpolation(method, factor, by_engine=there)


def _require_own_rate(target: Fraction, engine_fps: Fraction) -> None:
    if target != engine_fps:
        raise InputError.about(
            {"fps": target},
            f"this engine makes {engine_fps} pictures a second",
            hint=f"leave {mention('fps')} out, or give {mention(interpolate=ANY_RATE)}",
        )
