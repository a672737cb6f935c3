"""An agent makes a video, by the SDK's own client over standard input and output."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from mcp import StdioServerParameters
from mcp.client import Client

from fakes import frames_of


def told(result: Any) -> Any:
    assert not result.is_error, result.content
    return result.structured_content or json.loads(result.content[0].text)


async def talk(sound: Path, folder: Path) -> dict[str, Any]:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "soundreel", "mcp", "--work-dir", str(folder / "work")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=folder,
    )
    said: dict[str, Any] = {}
    asked = {
        "audio": str(sound),
        "options": {"model": "preview", "size": "64x64", "seconds": 0.4, "check": False},
    }
    async with Client(server) as client:
        said["tools"] = {tool.name for tool in (await client.list_tools()).tools}
        said["plan"] = told(await client.call_tool("plan", asked))
        wrong = {"audio": str(sound), "options": {"size": "64x0"}}
        said["wrong"] = await client.call_tool("plan", wrong)
        output = str(folder / "a.mp4")
        job = told(await client.call_tool("generate", {**asked, "output": output}))["job"]
        until = time.monotonic() + 120
        while time.monotonic() < until:
            said["status"] = told(await client.call_tool("status", {"job": job}))
            if said["status"]["status"] not in ("queued", "in_progress"):
                break
            await asyncio.sleep(0.2)
        said["jobs"] = told(await client.call_tool("status", {}))["jobs"]
        said["probe"] = told(await client.call_tool("probe", {"file": output}))
        against = {"video": output, "against": str(sound)}
        said["check"] = told(await client.call_tool("check", against))
        said["no job"] = await client.call_tool("cancel", {"job": "job-9"})
    return said


def test_an_agent_plans_makes_and_checks_a_video(sound_file: Path, tmp_path: Path) -> None:
    said = asyncio.run(talk(sound_file, tmp_path))
    assert {"plan", "generate", "status", "cancel", "probe", "check"} == said["tools"]
    assert said["plan"]["output_frames"] == 7
    assert said["wrong"].is_error
    assert "an even number" in said["wrong"].content[0].text
    assert (said["status"]["status"], said["status"]["frames"]) == ("completed", 7)
    assert len(said["jobs"]) == 1
    assert len(frames_of(tmp_path / "a.mp4")) == 7
    assert said["check"]["verdict"] == "ok"
    assert said["no job"].is_error
    assert "64" in json.dumps(said["probe"])
