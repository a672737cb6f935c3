"""The ComfyUI engine for videos of images: Wan 2.2 I2V on the user's own servers."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from soundreel.config import Settings
from soundreel.engines.base import Machine, Ready, Session, parse_options
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.engine import CLAIMS
from soundreel.engines.comfyui.estimate import NOT_ASKED, named_servers, with_servers
from soundreel.engines.comfyui.graphs.i2v_graph import PassTemplate, i2v_graph, sample_prompts
from soundreel.engines.comfyui.graphs.names import file_names
from soundreel.engines.comfyui.image_session import ComfyUIImageSession
from soundreel.engines.comfyui.options import ComfyUIImageOptions
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
from soundreel.engines.wan22 import check_size
from soundreel.engines.wan22_i2v import GEOMETRY
from soundreel.events import Notice, RunControl
from soundreel.media.marks import TRAINED
from soundreel.types import Check, ChunkGeometry, Estimate, Plan, Request

_ESTIMATE = Estimate(
    source="nobody has measured it",
    details=(("time and memory", "unknown: the table of the guide holds for sound-to-video"),),
)


class ComfyUIImageEngine:
    """Drives the servers of `settings.url` that have all that a request needs."""

    name = "comfyui"
    interpolations = frozenset({FILM})
    Options = ComfyUIImageOptions

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def geometry(self, request: Request) -> ChunkGeometry:  # noqa: ARG002
        return GEOMETRY

    def source_type(self, request: Request) -> str:  # noqa: ARG002
        return TRAINED

    def find(self, request: Request) -> Ready:
        options = parse_options(ComfyUIImageOptions, request.options)
        check_size(request.width, request.height)
        servers = find_servers(
            self._settings, request, make_template(options), sample_prompts, options.film_model
        )
        return ComfyUIImageReady(servers, options, self._settings.work_dir / CLAIMS)

    def estimate(self, plan: Plan) -> Estimate:
        make_template(parse_options(ComfyUIImageOptions, plan.request.options))
        return with_servers(_ESTIMATE, plan, named_servers(self._settings), NOT_ASKED)

    def diagnose(self) -> Sequence[Check]:
        return diagnose(self._settings, make_template(ComfyUIImageOptions()), sample_prompts)


def make_template(options: ComfyUIImageOptions) -> PassTemplate:
    """The graph with the options put in. Raises InputError."""
    models, schedule = options.models(), options.noise_schedule
    return PassTemplate(i2v_graph(models, options.sampling, first=None, scheduler=schedule))


@dataclass(frozen=True, slots=True)
class ComfyUIImageReady:
    """The servers that will make the pictures. claims, most_patience_s: see ComfyClient."""

    servers: Servers[PassTemplate]
    options: ComfyUIImageOptions
    claims: Path
    most_patience_s: float = math.inf

    @property
    def server(self) -> Server[PassTemplate]:
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

    def decided(self, decisions: Mapping[str, str]) -> ComfyUIImageReady:
        return replace(self, servers=replace(self.servers, begun=decisions))

    @property
    def identity(self) -> Mapping[str, str]:
        graph = make_template(self.options).graph
        text = json.dumps(graph.to_json(), sort_keys=True)
        found = {
            "comfyui": self.servers.releases,
            "workflow": self.options.sampling_preset,
            "graph": hashlib.sha256(text.encode()).hexdigest(),
            "models": ", ".join(file for _, file in file_names(graph)),
            "sampling": self.options.recorded(),
        }
        film = self.server.film
        return found if film is None else {**found, "film": film_words(film)}

    def estimate(self, plan: Plan) -> Estimate:
        return with_servers(_ESTIMATE, plan, len(self.servers.able), self.servers.words)

    @contextmanager
    def open(self, plan: Plan, control: RunControl) -> Iterator[Session]:
        control.emit(Notice(introduce(self.server)))
        with ComfyClient(
            self.server.address, claims=self.claims, most_patience_s=self.most_patience_s
        ) as client:
            yield ComfyUIImageSession(plan, self.server, client)

    def _alone(self, server: Server[PassTemplate], most_patience_s: float) -> ComfyUIImageReady:
        """Of one of several."""
        return replace(self, servers=self.servers.only(server), most_patience_s=most_patience_s)
