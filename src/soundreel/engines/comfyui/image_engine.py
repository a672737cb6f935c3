"""The ComfyUI engine for videos of images: Wan 2.2 I2V on the user's own servers."""

from __future__ import annotations

from collections.abc import Sequence

from soundreel.config import Settings
from soundreel.engines.base import Ready, Session, parse_options
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.estimate import NOT_ASKED, named_servers, with_servers
from soundreel.engines.comfyui.graphs.i2v_graph import PassTemplate, i2v_graph, sample_prompts
from soundreel.engines.comfyui.image_session import ComfyUIImageSession
from soundreel.engines.comfyui.options import ComfyUIImageOptions
from soundreel.engines.comfyui.preflight import FILM, diagnose
from soundreel.engines.comfyui.servers import CLAIMS, ServersReady, find_servers
from soundreel.engines.wan22 import check_size
from soundreel.engines.wan22_i2v import GEOMETRY
from soundreel.events import RunControl
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
        template, film = make_template(options), options.film_model
        return ComfyUIImageReady(
            servers=find_servers(self._settings, request, template, sample_prompts, film),
            template=template,
            workflow=options.sampling_preset,
            sampling=options.recorded(),
            claims=self._settings.work_dir / CLAIMS,
        )

    def estimate(self, plan: Plan) -> Estimate:
        make_template(parse_options(ComfyUIImageOptions, plan.request.options))
        return with_servers(_ESTIMATE, plan, named_servers(self._settings), NOT_ASKED)

    def diagnose(self) -> Sequence[Check]:
        return diagnose(self._settings, make_template(ComfyUIImageOptions()), sample_prompts)


def make_template(options: ComfyUIImageOptions) -> PassTemplate:
    """The graph with the options put in. Raises InputError."""
    models, schedule = options.models(), options.noise_schedule
    return PassTemplate(i2v_graph(models, options.sampling, first=None, scheduler=schedule))


class ComfyUIImageReady(ServersReady[PassTemplate]):
    """The servers that will make the pictures."""

    def cost(self, plan: Plan) -> Estimate:  # noqa: ARG002
        return _ESTIMATE

    def session(self, plan: Plan, client: ComfyClient, control: RunControl) -> Session:  # noqa: ARG002
        return ComfyUIImageSession(plan, self.server, client)
