"""/api/jobs, which newer servers have: where a prompt stands, and a cancel that hits no other."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from comfyui.fake.engine import FakeEngine, Job


def job_state(engine: FakeEngine, prompt_id: str) -> dict[str, Any] | None:
    """What GET /api/jobs/{id} says of it; None for one that the server does not know."""
    if entry := engine.history.get(prompt_id):
        ended = [name for name, _ in entry["status"]["messages"]]
        state = "completed" if entry["status"]["completed"] else "failed"
        state = "cancelled" if "execution_interrupted" in ended else state
        return {"id": prompt_id, "status": state, "execution_status": entry["status"]}
    if engine.running is not None and engine.running.prompt_id == prompt_id:
        return _queued(engine.running, "in_progress")
    waiting = [job for job in engine.pending if job.prompt_id == prompt_id]
    return _queued(waiting[0], "pending") if waiting else None


async def get_job(engine: FakeEngine, prompt_id: str) -> web.Response:
    state = job_state(engine, prompt_id)
    if state is None:
        return web.json_response({"error": "Job not found"}, status=404)
    return web.json_response(state)


async def cancel_job(engine: FakeEngine, prompt_id: str) -> web.Response:
    """Looks and signals without a pause in between, so that it cannot hit the next prompt."""
    state = (job_state(engine, prompt_id) or {}).get("status")
    if state == "pending":
        await engine.delete([prompt_id])
    elif state == "in_progress":
        engine.interrupt(prompt_id)
    return web.json_response({"cancelled": state in ("pending", "in_progress")})


def _queued(job: Job, state: str) -> dict[str, Any]:
    return {
        "id": job.prompt_id,
        "status": state,
        "priority": job.number,
        "create_time": job.extra.get("create_time"),
        "outputs_count": 0,
        "previewable_outputs_count": 0,
    }
