"""Before anything is sent: is the server there, and has it all that the job needs?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, Self, TypeVar

from soundreel.config import Settings
from soundreel.engines.comfyui.client.release import check_release
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.client.wire.address import ServerAddress, parse_servers
from soundreel.engines.comfyui.client.wire.answers import SystemStats
from soundreel.engines.comfyui.graphs.chunk_graph import STREAMING_NODE
from soundreel.engines.comfyui.graphs.film import Film, find_film
from soundreel.engines.comfyui.graphs.graph import Graph
from soundreel.engines.comfyui.graphs.names import Missing, file_names, fit_to_server
from soundreel.engines.comfyui.graphs.schema import NodeCatalog
from soundreel.engines.wan22 import PICTURE_RATE
from soundreel.errors import EngineError, EngineUnavailable
from soundreel.events import RunControl
from soundreel.types import Check, Request

FILM = "film"
"""The word of `Request.interpolate` that a server may take up."""

CONNECT_SECONDS = 5.0
"""For each of the name, the connection and TLS; the whole first answer is bounded too."""


class Fillable(Protocol):
    """What every prompt of a job is made from."""

    @property
    def graph(self) -> Graph: ...

    def copy(self) -> Self:
        """One with a graph of its own."""
        ...


T = TypeVar("T", bound=Fillable)

Samples = Callable[[T, Film | None], Sequence[Graph]]
"""Prompts like those that a job will send, made from its template."""


@dataclass(frozen=True, slots=True)
class Server(Generic[T]):
    """A server that has all that a request needs. template: in its spelling of file names.
    streams: whether it can send pictures on the socket. lacks_film: why it has no FILM, where the
    request wants it."""

    address: ServerAddress
    stats: SystemStats
    template: T
    film: Film | None
    streams: bool
    lacks_film: str = ""


def check_server(
    address: ServerAddress,
    request: Request,
    template: T,
    samples: Samples[T],
    film_model: str | None,
    control: RunControl,
) -> Server[T]:
    """film_model: the file to use, where the user named one.

    Raises EngineUnavailable with all that this server lacks, ServerAway where it may pass.
    """
    with ComfyClient(address, connect_timeout=CONNECT_SECONDS) as client, client.heeding(control):
        stats = client.system_stats()
        check_release(address, stats.version)
        catalog = client.object_info()
    film, lacks_film = _film_for(address, catalog, request, film_model)
    template = template.copy()
    missing = missing_on_server(template, catalog, film, samples)
    if missing:
        raise EngineUnavailable(
            f"{address}: " + "; ".join(part.message for part in missing),
            hint="; ".join(dict.fromkeys(part.hint for part in missing)),
        )
    return Server(address, stats, template, film, STREAMING_NODE in catalog, lacks_film)


def _film_for(
    address: ServerAddress, catalog: NodeCatalog, request: Request, film_model: str | None
) -> tuple[Film | None, str]:
    """What the request wants of FILM, which its nodes do in whole multiples, or why it is not
    there. Raises EngineUnavailable where the user named its file."""
    whole = request.fps is None or request.fps % PICTURE_RATE == 0
    if request.interpolate != FILM or not whole:
        return None, ""
    try:
        return find_film(catalog, film_model), ""
    except EngineUnavailable as err:
        if film_model is not None:
            raise
        return None, f"{address}: {err.message}"


def missing_on_server(
    template: T, catalog: NodeCatalog, film: Film | None, samples: Samples[T]
) -> list[Missing]:
    """What the template and the prompts made from it need and the server lacks; puts the server's
    spelling of file names into the template."""
    missing = fit_to_server(template.graph, catalog)
    for prompt in samples(template, film):
        missing += fit_to_server(prompt, catalog)
    return list(dict.fromkeys(missing))


def diagnose(settings: Settings, template: T, samples: Samples[T]) -> Sequence[Check]:
    """What `soundreel doctor` shows: each server, its version and memory, nodes and files. All are
    asked at once, so that one that is silent delays nothing. Where one can serve, no other has to.
    """
    addresses = parse_servers(settings.url, settings.token)

    def look(address: ServerAddress) -> list[Check]:
        return _diagnose_server(address, template.copy(), samples)

    with ThreadPoolExecutor(max_workers=len(addresses)) as pool:
        each = list(pool.map(look, addresses))
    one_serves = any(all(check.serves for check in checks) for checks in each)
    return [
        replace(check, optional=True) if one_serves else check
        for checks in each
        for check in checks
    ]


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


def drawback(server: Server[Any]) -> str:
    """Why `auto` does not take it, though it could: "" for none."""
    if runs_on_cpu(server.stats):
        return f"{server.address} runs on a CPU, where a part takes hours"
    return ""


def lacks(server: Server[Any]) -> Mapping[str, str]:
    """See `engines.base.Lacking`."""
    return {FILM: server.lacks_film} if server.lacks_film else {}


def introduce(server: Server[Any]) -> str:
    """Who makes the pictures, for the user."""
    memory = free_memory(server.stats)
    return f"{server.address}: ComfyUI {server.stats.version}" + (f", {memory}" if memory else "")


def _diagnose_server(address: ServerAddress, template: T, samples: Samples[T]) -> list[Check]:
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
    missing = missing_on_server(template, catalog, None, samples)
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
