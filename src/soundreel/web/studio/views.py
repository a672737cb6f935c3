"""A job as clients see it: the video of the field's API, and what we say beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from soundreel.web.jobs.live import Live
from soundreel.web.jobs.store import StoredJob

_LISTED_CHUNKS = 500


Clean = Callable[[Any], Any]
"""Makes the words of the core fit for strangers."""


def video(job: StoredJob, live: Live, place: int | None, clean: Clean) -> dict[str, Any]:
    """place: how many jobs are before it in the queue."""
    asked, result, preview = job.asked, job.result or {}, live.preview(job.id)
    return {
        "id": job.id,
        "object": "video",
        "created_at": int(job.created),
        "started_at": None if job.started is None else int(job.started),
        "completed_at": int(job.finished) if job.finished and job.status == "completed" else None,
        "expires_at": None,
        "status": job.status,
        "progress": job.progress,
        "model": job.engine,
        "prompt": asked["values"].get("prompt"),
        "seconds": f"{job.plan['seconds']:.10g}",
        "size": _size(job.plan["size"]),
        "error": clean(_error(job.error)),
        "remixed_from_video_id": None if job.again is None else job.again["from"],
        "name": asked["name"],
        "queue_position": place,
        "now": live.now(job.id) if job.status == "in_progress" else None,
        "preview": f"/v1/videos/{job.id}/preview?n={preview.number}" if preview else None,
        "notices": clean(list(job.notices)),
        "plan": short_plan(job.plan, clean),
        "seed": result.get("seed"),
        "result": {name: result[name] for name in result if name != "check"} or None,
        "check": clean(result.get("check")),
        "request": said_again(job),
    }


def short_plan(plan: Mapping[str, Any], clean: Clean) -> dict[str, Any]:
    """What a plan comes to: chunks, time, memory, notices. Chunk by chunk for short ones only."""
    named = ("engine", "seconds", "fps", "frames", "output_fps", "output_frames")
    chunks, shots = plan["chunks"], plan["shots"]
    return {
        **{name: plan[name] for name in named},
        "size": _size(plan["size"]),
        "num_chunks": len(chunks),
        "chunks": [_chunk(each) for each in chunks[:_LISTED_CHUNKS]],
        "num_shots": len(shots),
        "shots": [_shot(each) for each in shots[:_LISTED_CHUNKS]],
        "estimate": clean(plan["estimate"]),
        "notices": clean(plan.get("notices", [])),
    }


def _chunk(chunk: Mapping[str, Any]) -> dict[str, Any]:
    named = ("index", "start", "start_frame", "num_frames", "generated_frames", "trimmed_frames")
    return {name: chunk[name] for name in named if name in chunk}


def _shot(shot: Mapping[str, Any]) -> dict[str, Any]:
    named = ("index", "span", "start_frame", "num_frames", "prompt", "negative_prompt", "seed")
    return {name: shot[name] for name in named if name in shot}


def said_again(job: StoredJob) -> dict[str, Any]:
    """The body that asks for the same, with files as uploads."""
    asked = job.asked
    options = {"options": asked["options"]} if asked["options"] else {}
    values = {path.rpartition(".")[2]: value for path, value in asked["values"].items()}
    return {"model": asked["engine"], "kind": asked["kind"], **values, **options}


def plain(value: Any) -> Any:
    """As it comes back from JSON."""
    return json.loads(json.dumps(value))


def _size(size: Any) -> str:
    if isinstance(size, Mapping):
        return f"{size['width']}x{size['height']}"
    return str(size) if isinstance(size, str) else "x".join(map(str, size))


def _error(error: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if error is None:
        return None
    code = error.get("code") or CODES.get(str(error.get("type")), "internal")
    hint = error.get("hint", "")
    message = f"{error['message']}; {hint}" if hint else error["message"]
    return {
        "code": code,
        "message": message,
        "hint": hint,
        "param": next(iter(error.get("fields", {})), None),
    }


CODES: Mapping[str, str] = {
    "InputError": "invalid_input",
    "EngineError": "engine_failed",
    "EngineUnavailable": "engine_unavailable",
    "EngineAway": "engine_unavailable",
    "OutOfMemory": "out_of_memory",
    "RemoteError": "remote_failed",
    "WorkError": "work_failed",
    "Cancelled": "cancelled",
}
"""Of the error tree, for programs."""
