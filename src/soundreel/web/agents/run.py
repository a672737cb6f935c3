"""The server of one agent, from its start to the end of standard input."""

from __future__ import annotations

from soundreel.config import Settings
from soundreel.web.agents.jobs import AgentJobs
from soundreel.web.agents.tools import create_server


def run(settings: Settings) -> None:
    """Until the agent goes away; what runs then is stopped, and can go on later."""
    jobs = AgentJobs()
    try:
        create_server(settings, jobs).run("stdio")
    finally:
        jobs.close()
