"""A plan as JSON."""

from __future__ import annotations

from fractions import Fraction

from soundreel.record import to_json
from soundreel.timeline.grid import frame_time
from soundreel.types import Chunk, Estimate, Plan


def plan_json(plan: Plan, estimate: Estimate) -> dict[str, object]:
    return {
        "engine": plan.request.engine,
        "size": to_json(plan.request.output_size),
        "drawn_size": to_json(plan.drawn_size),
        "start": str(plan.audio.start),
        "seconds": float(plan.audio.duration),
        "sound_seconds": float(plan.audio.sound_duration),
        "fps": str(plan.fps),
        "frames": plan.num_frames,
        "output_fps": str(plan.output_fps),
        "output_frames": plan.output_frames,
        "loudness": to_json(plan.audio.loudness),
        "geometry": to_json(plan.geometry),
        "interpolation": to_json(plan.interpolation),
        "shots": to_json(plan.shots),
        "chunks": [
            {
                **to_json(chunk),
                "trimmed_frames": chunk.trimmed_frames,
                "start": str(start_of(plan, chunk)),
            }
            for chunk in plan.chunks
        ],
        "estimate": to_json(estimate),
    }


def start_of(plan: Plan, chunk: Chunk) -> Fraction:
    """Second of the sound file that the chunk's first kept picture shows."""
    return plan.audio.start + frame_time(chunk.start_frame, plan.fps)
