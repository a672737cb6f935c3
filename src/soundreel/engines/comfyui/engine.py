"""The ComfyUI engine: the user's own servers make the pictures."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from soundreel.config import Settings
from soundreel.engines.base import Machine, Ready, Session
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.estimate import (
    NOT_ASKED,
    estimate,
    named_servers,
    with_servers,
)
from soundreel.engines.comfyui.graphs.names import file_names
from soundreel.engines.comfyui.graphs.template import Template
from soundreel.engines.comfyui.hearing.window import SharedWindows
from soundreel.engines.comfyui.options import ComfyUIOptions, read_options
from soundreel.engines.comfyui.preflight import (
    FILM,
    Server,
    diagnose,
    drawback,
    introduce,
    lacks,
)
from soundreel.engines.comfyui.servers import (
    Servers,
    film_words,
    find_servers,
)
from soundreel.engines.comfyui.session import ComfyUISession
from soundreel.engines.comfyui.workflow import make_template, sample_prompts
from soundreel.engines.wan22 import (
    BEST_AREA,
    CHUNK_FRAMES,
    DROPPED_FRAMES,
    LEAST_SIDE,
    PICTURE_RATE,
    SIZE_MULTIPLE,
    check_size,
)
from soundreel.events import Notice, RunControl
from soundreel.media.marks import TRAINED
from soundreel.timeline.grid import FRAMES_PER_LATENT
from soundreel.types import Check, ChunkGeometry, Estimate, Plan, Request

CLAIMS = "comfyui-clients"
"""Folder beside the jobs in which the clients of this machine know of each other."""


class ComfyUIEngine:
    """Drives the servers of `settings.url` that have all that a request needs."""

    name = "comfyui"
    interpolations = frozenset({FILM})
    Options = ComfyUIOptions

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def geometry(self, request: Request) -> ChunkGeometry:  # noqa: ARG002
        """Chunks of 80 slots on a grid of 4. A shot's first latent gives one picture instead of
        four, so three slots give none: 77 pictures. The sound starts with the shot."""
        return ChunkGeometry(
            fps=Fraction(PICTURE_RATE),
            chunk_frames=CHUNK_FRAMES,
            grid=FRAMES_PER_LATENT,
            dropped_frames=DROPPED_FRAMES,
            lead_in_frames=0,
            size_multiple=SIZE_MULTIPLE,
            least_side=LEAST_SIDE,
            best_area=BEST_AREA,
        )

    def source_type(self, request: Request) -> str:  # noqa: ARG002
        return TRAINED

    def find(self, request: Request) -> Ready:
        options = read_options(request)
        check_size(request.width, request.height)
        template = make_template(options)
        film = options.film_model
        servers = find_servers(self._settings, request, template, sample_prompts, film)
        return ComfyUIReady(servers, options, self._settings.work_dir / CLAIMS)

    def estimate(self, plan: Plan) -> Estimate:
        servers = named_servers(self._settings)
        known = estimate(plan, read_options(plan.request), servers)
        return with_servers(known, plan, servers, NOT_ASKED)

    def diagnose(self) -> Sequence[Check]:
        return diagnose(self._settings, make_template(ComfyUIOptions()), sample_prompts)


@dataclass(frozen=True, slots=True)
class ComfyUIReady:
    """The servers that will make the pictures. claims, most_patience_s: see ComfyClient."""

    servers: Servers[Template]
    options: ComfyUIOptions
    claims: Path
    most_patience_s: float = math.inf
    heard: SharedWindows = field(default_factory=SharedWindows, compare=False)

    @property
    def server(self) -> Server[Template]:
        """The first of those that make the pictures."""
        return self.servers.first

    @property
    def machines(self) -> Sequence[Machine]:
        return self.servers.machines(self._alone)

    @property
    def drawback(self) -> str:
        """Why `auto` does not take them, though it could: "" for none."""
        reasons = list(map(drawback, self.servers.able))
        return reasons[0] if all(reasons) else ""

    @property
    def lacks(self) -> Mapping[str, str]:
        return lacks(self.server)

    def decide(self, plan: Plan, control: RunControl) -> Mapping[str, str]:  # noqa: ARG002
        return self.servers.decisions

    def decided(self, decisions: Mapping[str, str]) -> ComfyUIReady:
        return replace(self, servers=replace(self.servers, begun=decisions))

    @property
    def identity(self) -> Mapping[str, str]:
        server, options, graph = self.server, self.options, make_template(self.options).graph
        text = json.dumps(graph.to_json(), sort_keys=True)
        found = {
            "comfyui": self.servers.releases,
            "workflow": options.workflow.name if options.workflow else options.sampling_preset,
            "graph": hashlib.sha256(text.encode()).hexdigest(),
            "models": ", ".join(file for _, file in file_names(graph)),
        }
        if options.workflow is None:
            found["sampling"] = options.recorded()
        if server.film is not None:
            found["film"] = film_words(server.film)
        return found

    def estimate(self, plan: Plan) -> Estimate:
        servers = len(self.servers.able)
        known = estimate(plan, self.options, servers)
        return with_servers(known, plan, servers, self.servers.words)

    @contextmanager
    def open(self, plan: Plan, control: RunControl) -> Iterator[Session]:
        control.emit(Notice(introduce(self.server)))
        with ComfyClient(
            self.server.address, claims=self.claims, most_patience_s=self.most_patience_s
        ) as client:
            windows = self.heard.of(plan, control)
            yield ComfyUISession(plan, self.server, client, windows)

    def _alone(self, server: Server[Template], most_patience_s: float) -> ComfyUIReady:
        """Of one of several."""
        return replace(self, servers=self.servers.only(server), most_patience_s=most_patience_s)
