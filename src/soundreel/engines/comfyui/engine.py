"""The ComfyUI engine: the user's own servers make the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from soundreel.config import Settings
from soundreel.engines.base import Ready, Session
from soundreel.engines.comfyui.ahead import SharedSending
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.estimate import (
    NOT_ASKED,
    estimate,
    named_servers,
    with_servers,
)
from soundreel.engines.comfyui.graphs.template import Template
from soundreel.engines.comfyui.options import ComfyUIOptions, read_options
from soundreel.engines.comfyui.preflight import FILM, diagnose
from soundreel.engines.comfyui.servers import CLAIMS, ServersReady, find_servers
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
from soundreel.events import RunControl
from soundreel.media.marks import TRAINED
from soundreel.timeline.grid import FRAMES_PER_LATENT
from soundreel.types import Check, ChunkGeometry, Estimate, Plan, Request


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
        own = options.workflow
        return ComfyUIReady(
            servers=find_servers(self._settings, request, template, sample_prompts, film),
            template=template,
            workflow=own.name if own else options.sampling_preset,
            sampling="" if own else options.recorded(),
            claims=self._settings.work_dir / CLAIMS,
            options=options,
        )

    def estimate(self, plan: Plan) -> Estimate:
        servers = named_servers(self._settings)
        known = estimate(plan, read_options(plan.request), servers)
        return with_servers(known, plan, servers, NOT_ASKED)

    def diagnose(self) -> Sequence[Check]:
        return diagnose(self._settings, make_template(ComfyUIOptions()), sample_prompts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComfyUIReady(ServersReady[Template]):
    """The servers that will make the pictures."""

    options: ComfyUIOptions
    sending: SharedSending = field(default_factory=SharedSending, compare=False)

    def cost(self, plan: Plan) -> Estimate:
        return estimate(plan, self.options, len(self.servers.able))

    def session(self, plan: Plan, client: ComfyClient, control: RunControl) -> Session:
        return ComfyUISession(plan, self.server, client, self.sending.of(plan, control))
