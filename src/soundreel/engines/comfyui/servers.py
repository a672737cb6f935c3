"""All servers that a request names: asked at once, and which of them make one job's pictures."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Generic, Self

from soundreel.config import Settings
from soundreel.engines.base import Machine, Ready, Session
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.client.wire.address import ServerAddress, parse_servers
from soundreel.engines.comfyui.estimate import with_servers
from soundreel.engines.comfyui.graphs.film import Film
from soundreel.engines.comfyui.graphs.names import file_names
from soundreel.engines.comfyui.preflight import (
    Samples,
    Server,
    T,
    check_server,
    drawback,
    introduce,
    lacks,
)
from soundreel.errors import EngineError, EngineUnavailable
from soundreel.events import Notice, RunControl
from soundreel.types import Estimate, Plan, Request

CLAIMS = "comfyui-clients"
"""Folder beside the jobs in which the clients of this machine know of each other."""
MOST_PATIENCE_S = 30.0
"""One of several that is away for so long gives its part to another."""


@dataclass(frozen=True, slots=True)
class Servers(Generic[T]):
    """found: each server, in the order of the request, or why it cannot be used. ask: it, anew.
    begun: what a job began with (see `decisions`); None where it begins."""

    found: Mapping[ServerAddress, Server[T] | EngineError]
    ask: Callable[[ServerAddress, RunControl], Server[T]]
    begun: Mapping[str, str] | None = None

    @property
    def able(self) -> tuple[Server[T], ...]:
        """Those that make this job's pictures. Where a job began with none of these, all: its
        digest says then that it cannot go on."""
        able = [server for server in self.found.values() if isinstance(server, Server)]
        return tuple(server for server in able if self._odd(server) is None) or tuple(able)

    @property
    def first(self) -> Server[T]:
        """The one whose words hold for all."""
        return self.able[0]

    @property
    def words(self) -> str:
        """Of those that were asked, for the user."""
        return f"{len(self.able)} of {len(self.found)} have all that is needed"

    @property
    def releases(self) -> str:
        """Of ComfyUI, that make the pictures."""
        here = sorted({server.stats.version for server in self.able})
        known = _releases(self.begun)
        return ", ".join(known if set(here) <= set(known) else here)

    @property
    def decisions(self) -> Mapping[str, str]:
        """What differs from server to server, and shall not within a job."""
        return {"comfyui": self.releases, "film": film_words(self.first.film)}

    def only(self, server: Server[T]) -> Servers[T]:
        """As if it alone had been named."""
        return replace(self, found={server.address: server})

    def machines(self, alone: Callable[[Server[T], float], Ready]) -> Sequence[Machine]:
        """alone: makes the Ready of one server, to be waited for so many seconds at most."""

        def ask(address: ServerAddress, control: RunControl) -> Ready:
            server = self.ask(address, control)
            if odd := self._odd(server):
                raise odd
            return alone(server, MOST_PATIENCE_S)

        def ready(found: Server[T] | EngineError) -> Ready | EngineError:
            if isinstance(found, EngineError):
                return found
            return self._odd(found) or alone(found, MOST_PATIENCE_S)

        return [
            Machine(str(address), ready(found), partial(ask, address))
            for address, found in self.found.items()
        ]

    def _odd(self, server: Server[T]) -> EngineUnavailable | None:
        """Why its pictures would be other than the job's."""
        film = self._film()
        if _file_of(film_words(server.film)) != _file_of(film):
            return EngineUnavailable(
                f"{server.address} interpolates by {film_words(server.film) or 'nothing'}, and "
                f"this job by {film or 'nothing that a server has'}"
            )
        version, known = server.stats.version, _releases(self.begun)
        if known and version not in known:
            return EngineUnavailable(
                f"{server.address} has ComfyUI {version}, and this job began with "
                f"{' and '.join(known)}"
            )
        return None

    def _film(self) -> str:
        """That of the job, or of the first server that has one: a server without it, which is made
        here then, is taken where none has it."""
        if self.begun is not None:
            return self.begun["film"]
        found = (server for server in self.found.values() if isinstance(server, Server))
        return next((film_words(server.film) for server in found if server.film), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServersReady(Generic[T]):
    """The servers that will make the pictures. template: as the options ask for it, before a server
    spells it; workflow, sampling: its names in the record, "" for none. claims, most_patience_s:
    see ComfyClient."""

    servers: Servers[T]
    template: T
    workflow: str
    sampling: str
    claims: Path
    most_patience_s: float = math.inf

    @property
    def server(self) -> Server[T]:
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

    @property
    def identity(self) -> Mapping[str, str]:
        graph, film = self.template.graph, self.server.film
        text = json.dumps(graph.to_json(), sort_keys=True)
        found = {
            "comfyui": self.servers.releases,
            "workflow": self.workflow,
            "graph": hashlib.sha256(text.encode()).hexdigest(),
            "models": ", ".join(file for _, file in file_names(graph)),
        }
        also = {"sampling": self.sampling, "film": film_words(film)}
        return found | {name: value for name, value in also.items() if value}

    def decide(self, plan: Plan, control: RunControl) -> Mapping[str, str]:  # noqa: ARG002
        return self.servers.decisions

    def decided(self, decisions: Mapping[str, str]) -> Self:
        return replace(self, servers=replace(self.servers, begun=decisions))

    def estimate(self, plan: Plan) -> Estimate:
        """With what is known of the servers."""
        return with_servers(self.cost(plan), plan, len(self.servers.able), self.servers.words)

    def cost(self, plan: Plan) -> Estimate:
        """On all of them together."""
        raise NotImplementedError

    @contextmanager
    def open(self, plan: Plan, control: RunControl) -> Iterator[Session]:
        control.emit(Notice(introduce(self.server)))
        with ComfyClient(
            self.server.address, claims=self.claims, most_patience_s=self.most_patience_s
        ) as client:
            yield self.session(plan, client, control)

    def session(self, plan: Plan, client: ComfyClient, control: RunControl) -> Session:
        """What makes the plan's pictures on the first."""
        raise NotImplementedError

    def _alone(self, server: Server[T], most_patience_s: float) -> Self:
        """Of one of several."""
        return replace(self, servers=self.servers.only(server), most_patience_s=most_patience_s)


def find_servers(
    settings: Settings, request: Request, template: T, samples: Samples[T], film_model: str | None
) -> Servers[T]:
    """Ask the servers whether they can run this request, all at once, so that one that is silent
    delays nothing. film_model: the file to use, where the user named one.

    Raises EngineUnavailable with every server's reason where none can, or InputError.
    """

    def ask(address: ServerAddress, control: RunControl) -> Server[T]:
        return check_server(address, request, template, samples, film_model, control)

    def outcome(address: ServerAddress) -> Server[T] | EngineError:
        try:
            return ask(address, RunControl())
        except EngineError as err:
            return err

    addresses = parse_servers(settings.url, settings.token)
    with ThreadPoolExecutor(max_workers=len(addresses)) as pool:
        found = dict(zip(addresses, pool.map(outcome, addresses), strict=True))
    if reasons := [each for each in found.values() if isinstance(each, EngineError)]:
        _require_one(reasons, len(found))
    return Servers(found, ask)


def film_words(film: Film | None) -> str:
    """As the record names what interpolates."""
    return "" if film is None else f"{film.class_type}: {film.model}"


def _file_of(film: str) -> str:
    """Without the folder, in which a server has it."""
    node, _, file = film.partition(": ")
    name = file.replace("\\", "/").rpartition("/")[2]
    return f"{node}: {name}"


def _releases(begun: Mapping[str, str] | None) -> list[str]:
    return [] if begun is None else begun["comfyui"].split(", ")


def _require_one(reasons: Sequence[EngineError], count: int) -> None:
    if len(reasons) < count:
        return
    if count == 1:
        raise reasons[0]
    raise EngineUnavailable(
        "no server can run this: " + "; ".join(reason.message for reason in reasons),
        hint=reasons[0].hint,
    )
