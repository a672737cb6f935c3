"""The ComfyUI engine for videos of images: Wan 2.2 I2V on the user's own servers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from soundreel.config import Settings
from soundreel.engines.base import Ready, Session, parse_options
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.engine import CLAIMS
from soundreel.engines.comfyui.graphs.i2v_graph import PassTemplate, i2v_graph, sample_prompts
from soundreel.engines.comfyui.graphs.names import file_names
from soundreel.engines.comfyui.image_session import ComfyUIImageSession
from soundreel.engines.comfyui.options import ComfyUIImageOptions
from soundreel.engines.comfyui.preflight import (
    FILM,
    Server,
    diagnose,
    drawback,
    find_server,
    introduce,
    lacks,
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
    """Drives the first server of `settings.url` that has all that a request needs."""

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
        server = find_server(
            self._settings, request, make_template(options), sample_prompts, options.film_model
        )
        return ComfyUIImageReady(server, options, self._settings.work_dir / CLAIMS)

    def estimate(self, plan: Plan) -> Estimate:
        make_template(parse_options(ComfyUIImageOptions, plan.request.options))
        return _ESTIMATE

    def diagnose(self) -> Sequence[Check]:
        return diagnose(self._settings, make_template(ComfyUIImageOptions()), sample_prompts)


def make_template(options: ComfyUIImageOptions) -> PassTemplate:
    """The graph with the options put in. Raises InputError."""
    models, schedule = options.models(), options.noise_schedule
    return PassTemplate(i2v_graph(models, options.sampling, first=None, scheduler=schedule))


@dataclass(frozen=True, slots=True)
class ComfyUIImageReady:
    """The server that will make the pictures. claims: see client/claims.py."""

    server: Server[PassTemplate]
    options: ComfyUIImageOptions
    claims: Path

    @property
    def drawback(self) -> str:
        """Why `auto` does not take it, though it could: "" for none."""
        return drawback(self.server)

    @property
    def lacks(self) -> Mapping[str, str]:
        return lacks(self.server)

    @property
    def identity(self) -> Mapping[str, str]:
        graph = make_template(self.options).graph
        text = json.dumps(graph.to_json(), sort_keys=True)
        found = {
            "comfyui": self.server.stats.version,
            "workflow": self.options.sampling_preset,
            "graph": hashlib.sha256(text.encode()).hexdigest(),
            "models": ", ".join(file for _, file in file_names(graph)),
            "sampling": self.options.recorded(),
        }
        film = self.server.film
        return found if film is None else {**found, "film": f"{film.class_type}: {film.model}"}

    def estimate(self, plan: Plan) -> Estimate:  # noqa: ARG002
        return _ESTIMATE

    @contextmanager
    def open(self, plan: Plan, control: RunControl) -> Iterator[Session]:
        control.emit(Notice(introduce(self.server)))
        with ComfyClient(self.server.address, claims=self.claims) as client:
            yield ComfyUIImageSession(plan, self.server, client)
