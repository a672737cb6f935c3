"""`soundreel mcp`: the tools, by the official SDK. Files are the user's own, by their paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from soundreel import api
from soundreel.config import Settings
from soundreel.documents.plans import plan_json
from soundreel.errors import SoundreelError
from soundreel.events import Event, Notice, RunControl
from soundreel.finished.inspection import probe
from soundreel.installation import __version__
from soundreel.proof.check import check
from soundreel.record import to_json
from soundreel.types import Request
from soundreel.web.agents.jobs import AgentJobs
from soundreel.web.asked.asked import local_request, read_asked

_T = TypeVar("_T")

INSTRUCTIONS = (
    "soundreel makes videos that follow a sound. `plan` first: it says what a video would be and "
    "cost, and costs nothing. `generate` starts it and answers at once; ask `status` until it is "
    "completed. Stopped? The same generate again goes on where it was."
)


def create_server(settings: Settings, jobs: AgentJobs) -> MCPServer:
    """Its tools are plan, generate, status, cancel, probe and check."""
    server: MCPServer = MCPServer("soundreel", version=__version__, instructions=INSTRUCTIONS)

    @server.tool(name="plan")
    def plan_tool(
        audio: str | None = None,
        image: str | None = None,
        prompt: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What a video of a sound (or, without one, of an image) would be: parts, frames, expected
        time and memory. options: any option of soundreel by its name, such as model ("preview",
        "wan", "comfyui"), size ("832x480"), seconds, start, seed, shots ("auto")."""
        return _told(partial(_plan, settings, audio, image, prompt, options))

    @server.tool()
    def generate(
        audio: str | None = None,
        image: str | None = None,
        prompt: str | None = None,
        output: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Start a video; gives the job's name for `status`. output: the file to write, else one in
        the output folder. Nothing is overwritten. options: as of `plan`."""
        request, judged = _told(partial(_request, audio, image, prompt, options, output))
        job = jobs.start(partial(_make, request, settings, judged))
        return jobs.status(job)

    @server.tool()
    def status(job: str | None = None) -> dict[str, Any]:
        """How far a job is, and its file when it is completed; without a name all jobs."""
        return {"jobs": jobs.all()} if job is None else _told(partial(jobs.status, job))

    @server.tool()
    def cancel(job: str) -> dict[str, Any]:
        """Stop a job; its finished parts are kept."""
        _told(partial(jobs.cancel, job))
        return jobs.status(job)

    @server.tool(name="probe")
    def probe_tool(file: str) -> dict[str, Any]:
        """What a sound or a video holds: length, rate, size, and how soundreel made it."""
        facts = _told(partial(probe, file))
        shown: dict[str, Any] = to_json(facts)
        return shown

    @server.tool(name="check")
    def check_tool(video: str, against: str | None = None) -> dict[str, Any]:
        """What is right and wrong in a finished video, measured from the file alone. against: the
        sound that it was made from."""
        proof = _told(partial(check, video, against))
        return proof.document()

    return server


def _plan(
    settings: Settings,
    audio: str | None,
    image: str | None,
    prompt: str | None,
    options: Mapping[str, Any] | None,
) -> dict[str, Any]:
    notices = list[str]()

    def hear(event: Event) -> None:
        if isinstance(event, Notice):
            notices.append(event.message)

    request, _ = _request(audio, image, prompt, options, None)
    made, estimate = api.plan(request, settings, RunControl(hear))
    return {**plan_json(made, estimate), "notices": notices}


def _request(
    audio: str | None,
    image: str | None,
    prompt: str | None,
    options: Mapping[str, Any] | None,
    output: str | None,
) -> tuple[Request, bool]:
    """And whether the video is to be judged."""
    named = {"audio": audio, "image": image, "prompt": prompt}
    said = {name: value for name, value in named.items() if value is not None}
    asked = read_asked({**(options or {}), **said})
    return local_request(asked, None if output is None else Path(output)), asked.check


def _make(request: Request, settings: Settings, judged: bool, control: RunControl) -> Any:
    return api.generate(request, settings, control=control, check=judged)


def _told(work: Callable[[], _T]) -> _T:
    """Failures in words for the agent. Raises ToolError."""
    try:
        return work()
    except SoundreelError as err:
        raise ToolError(f"{err.message}; {err.hint}" if err.hint else err.message) from err
