"""Before anything is sent: is the server there, and has it all that the job needs?"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from soundreel.config import Settings
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.client.wire.address import ServerAddress, parse_servers
from soundreel.engines.comfyui.client.wire.answers import SystemStats
from soundreel.engines.comfyui.graphs.chunk_graph import (
    STREAMING_NODE,
    ChunkInputs,
    chunk_prompt,
)
from soundreel.engines.comfyui.graphs.film import Film, find_film
from soundreel.engines.comfyui.graphs.graph import Graph
from soundreel.engines.comfyui.graphs.names import Missing, file_names, fit_to_server
from soundreel.engines.comfyui.graphs.schema import NodeCatalog
from soundreel.engines.comfyui.graphs.template import Template
from soundreel.engines.comfyui.options import ComfyUIOptions
from soundreel.engines.comfyui.release import check_release
from soundreel.engines.comfyui.workflow import make_template
from soundreel.engines.wan22 import CHUNK_FRAMES, LEAST_SIDE, MOTION_LATENTS, PICTURE_RATE
from soundreel.errors import EngineError, EngineUnavailable
from soundreel.timeline.grid import latents_for
from soundreel.types import Check, Request

FILM = "film"
"""The word of `Request.interpolate` that a server may take up."""

CONNECT_SECONDS = 5.0
"""For each of the name, the connection and TLS; the whole first answer is bounded too."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that has all that a request needs. template: in its spelling of file names.
    streams: whether it can send pictures on the socket. lacks_film: why it has no FILM, where the
    request wants it."""

    address: ServerAddress
    stats: SystemStats
    template: Template
    film: Film | None
    streams: bool
    lacks_film: str = ""


def find_server(settings: Settings, request: Request, options: ComfyUIOptions) -> Server:
    """The first of the servers that can run this request; one without FILM, which can be made here,
    only where none has it.

    Raises EngineUnavailable with every server's reason, or InputError.
    """
    template = make_template(options)
    reasons, without_film = [], list[Server]()
    for address in parse_servers(settings.url, settings.token):
        try:
            server = check_server(address, template, request, options)
        except EngineError as err:
            reasons.append(err)
        else:
            if not server.lacks_film:
                return server
            without_film.append(server)
    if without_film:
        return without_film[0]
    if len(reasons) == 1:
        raise reasons[0]
    raise EngineUnavailable(
        "no server can run this: " + "; ".join(reason.message for reason in reasons),
        hint=reasons[0].hint,
    )


def check_server(
    address: ServerAddress, template: Template, request: Request, options: ComfyUIOptions
) -> Server:
    """Raises EngineUnavailable with all that this server lacks."""
    with ComfyClient(address, connect_timeout=CONNECT_SECONDS) as client:
        stats = client.system_stats()
        check_release(address, stats.version)
        catalog = client.object_info()
    film, lacks_film = _film_for(address, catalog, request, options)
    template = replace(template, graph=template.graph.copy())
    missing = missing_on_server(template, catalog, film)
    if missing:
        raise EngineUnavailable(
            f"{address}: " + "; ".join(part.message for part in missing),
            hint="; ".join(dict.fromkeys(part.hint for part in missing)),
        )
    return Server(address, stats, template, film, STREAMING_NODE in catalog, lacks_film)


def _film_for(
    address: ServerAddress, catalog: NodeCatalog, request: Request, options: ComfyUIOptions
) -> tuple[Film | None, str]:
    """What the request wants of FILM, which its nodes do in whole multiples, or why it is not
    there. Raises EngineUnavailable where the user named its file."""
    whole = request.fps is None or request.fps % PICTURE_RATE == 0
    if request.interpolate != FILM or not whole:
        return None, ""
    try:
        return find_film(catalog, options.film_model), ""
    except EngineUnavailable as err:
        if options.film_model is not None:
            raise
        return None, f"{address}: {err.message}"


def missing_on_server(template: Template, catalog: NodeCatalog, film: Film | None) -> list[Missing]:
    """What the prompts of a first and of a later chunk need and the server lacks; puts the
    server's spelling of file names into the template."""
    missing = fit_to_server(template.graph, catalog)
    for prompt in (_sample_prompt(template, film, None), _sample_prompt(template, film, "motion")):
        missing += fit_to_server(prompt, catalog)
    return list(dict.fromkeys(missing))


def diagnose(settings: Settings) -> Sequence[Check]:
    """What `soundreel doctor` shows: each server, its version and memory, nodes and files. All are
    asked at once, so that one that is silent delays nothing."""
    addresses = parse_servers(settings.url, settings.token)
    with ThreadPoolExecutor(max_workers=len(addresses)) as pool:
        return [check for checks in pool.map(_diagnose_server, addresses) for check in checks]


def free_memory(stats: SystemStats) -> str:
    """E.g. "NVIDIA GeForce RTX 5090: 30.1 of 31.8 GiB free"."""
    gib = 2**30
    return ", ".join(
        f"{device.name}: {device.vram_free / gib:.1f} of {device.vram_total / gib:.1f} GiB free"
        for device in stats.devices
    )


def runs_on_cpu(stats: SystemStats) -> bool:
    """Whether the server says that it has no other device."""
    return bool(stats.devices) and all(device.type == "cpu" for device in stats.devices)


def _diagnose_server(address: ServerAddress) -> list[Check]:
    name = str(address)
    try:
        with ComfyClient(address, connect_timeout=CONNECT_SECONDS) as client:
            stats = client.system_stats()
            check_release(address, stats.version)
            catalog = client.object_info()
    except EngineError as err:
        return [Check(name, False, err.message, err.hint)]
    checks = [
        Check(name, True, f"ComfyUI {stats.version}, {len(catalog)} nodes"),
        Check("memory", True, free_memory(stats) or "no device named"),
    ]
    template = make_template(ComfyUIOptions())
    missing = missing_on_server(template, catalog, None)
    if missing:
        checks += [Check("needs", False, part.message, part.hint) for part in missing]
    else:
        files = ", ".join(file for _, file in file_names(template.graph))
        checks.append(Check("models", True, files))
    return [*checks, _diagnose_film(catalog)]


def _diagnose_film(catalog: NodeCatalog) -> Check:
    """FILM is optional: without it, nothing is wrong."""
    try:
        film = find_film(catalog, None)
    except EngineUnavailable as err:
        return Check("film", False, err.message, err.hint, optional=True)
    return Check("film", True, f"{film.class_type} with {film.model}")


def _sample_prompt(template: Template, film: Film | None, motion: str | None) -> Graph:
    inputs = ChunkInputs(
        width=LEAST_SIDE,
        height=LEAST_SIDE,
        latents=latents_for(CHUNK_FRAMES),
        pictures=2,
        sound="sound",
        image="image",
        motion=motion,
        latents_before=MOTION_LATENTS + 1,
        positive="",
        negative="",
        seed=0,
        keep_latents=True,
        film=film,
        factor=2,
    )
    return Graph.from_json(chunk_prompt(template, inputs).prompt)
