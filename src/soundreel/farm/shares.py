"""Which hands each of several jobs gets: cards, ComfyUI servers, cores of this machine."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from soundreel.config import Settings
from soundreel.engines.comfyui.client.wire.address import parse_server
from soundreel.engines.preview.session import core_count, processes_worth, room_for
from soundreel.errors import InputError
from soundreel.timeline.units import units_of
from soundreel.types import Estimate, Plan

_CARDS = "CUDA_VISIBLE_DEVICES"
_DRIVER = Path("/proc/driver/nvidia/gpus")
"""A folder for each card, on Linux."""
_PROCESS_BYTES = 1 << 30
"""Half of the memory has so much for each process that draws, at least."""
_NETWORKS = ("film", "rife")
_REST_S = 60.0
"""A server that refused a job is left alone for so long, while there are others."""
_UNAVAILABLE = ("EngineUnavailable", "EngineAway")
_FAILED = ("RemoteError", "OutOfMemory")
_HERE = ("",)
"""One hand, which takes all that the job finds."""
_LENT = "lent"
"""A core that others use too."""


@dataclass(frozen=True, slots=True)
class Share:
    """The hands that one job has, by their names. Empty names say nothing to the job."""

    kind: str
    hands: tuple[str, ...]

    @property
    def environ(self) -> Mapping[str, str]:
        """Of the job's process."""
        named = self.kind == "wan" and self.hands != _HERE
        return {_CARDS: ",".join(self.hands)} if named else {}

    @property
    def settings(self) -> Mapping[str, object]:
        """What the job has of its own, by the names of Settings."""
        if self.hands == _HERE:
            return {}
        match self.kind:
            case "comfyui":
                return {"url": ",".join(self.hands)}
            case "preview":
                return {"workers": len(self.hands)}
            case "wan":
                return {"workers": None}
            case _:
                return {}


@dataclass(frozen=True, slots=True)
class Want:
    """What a job that waits would take: of hands of this kind `most`, and none of `refused`."""

    kind: str
    most: int = 1
    refused: frozenset[str] = field(default=frozenset())


class Shares:
    """The hands of each kind that are free. A kind that is not named has one. Thread-safe."""

    def __init__(
        self, hands: Mapping[str, Sequence[str]], at_once: Mapping[str, int] | None = None
    ) -> None:
        """at_once: of a kind whose hands are cores, how many jobs run at most; one that finds no
        hand free begins with one that others use."""
        self._lock = threading.Lock()
        self._hands = {kind: list(each) for kind, each in hands.items()}
        self._free = {kind: list(each) for kind, each in hands.items()}
        self._at_once = dict(at_once or {})
        self._running = Counter[str]()
        self._resting: dict[tuple[str, str], float] = {}

    @classmethod
    def of(
        cls, settings: Settings, *, cards: int | None = None, previews: int | None = None
    ) -> Shares:
        """All that this machine and the settings have; `workers` says how many processes there are
        at most, all jobs together. cards: at most so many; previews: jobs at once."""
        if settings.cluster is not None:  # which a job has for itself
            return cls({})
        most = settings.workers
        cores = most or min(core_count(), room_for(_PROCESS_BYTES))
        found = cards_here()[:cards][:most]
        return cls(
            {
                "preview": [str(number) for number in range(1, max(1, cores) + 1)],
                "comfyui": servers_of(settings.url),
                "wan": found or _HERE,
            },
            {} if previews is None else {"preview": previews},
        )

    def count(self, kind: str) -> int:
        """How many jobs of this kind can run at once."""
        hands = len(self._hands.get(kind, _HERE))
        return min(hands, self._at_once.get(kind, hands))

    def free(self, kind: str) -> int:
        """How many hands of this kind a job could have now."""
        with self._lock:
            return len(self._awake(kind))

    def deal(self, wants: Sequence[Want]) -> list[Share | None]:
        """What each job that waits, in the order of coming, begins with now: free hands are dealt
        out one by one, so that nobody has two before all have one. None where it waits on."""
        with self._lock:
            got: list[list[str]] = [[] for _ in wants]
            for kind in dict.fromkeys(want.kind for want in wants):
                numbers = [number for number, want in enumerate(wants) if want.kind == kind]
                self._deal(kind, wants, numbers, got)
            return [
                Share(want.kind, self._in_order(want.kind, hands) or (_LENT,)) if hands else None
                for want, hands in zip(wants, got, strict=True)
            ]

    def give(self, share: Share) -> None:
        """All hands of a job that ended."""
        with self._lock:
            self._running[share.kind] -= 1
            free = {*self._free[share.kind], *share.hands}
            self._free[share.kind] = list(self._in_order(share.kind, free))

    def may_pass_on(self, share: Share, error: str, tried: Collection[str]) -> bool:
        """Whether another server may make what this share ended in an error with; it rests then.
        error: its type. tried: before this share. One that fails, too, fails for good."""
        others = {*self._hands.get(share.kind, _HERE)} - {*tried, *share.hands}
        passes = error in _UNAVAILABLE or (error in _FAILED and not tried)
        if share.kind != "comfyui" or not others or not passes:
            return False
        with self._lock:
            until = time.monotonic() + _REST_S
            self._resting |= {(share.kind, hand): until for hand in share.hands}
        return True

    def _deal(
        self, kind: str, wants: Sequence[Want], numbers: Sequence[int], got: list[list[str]]
    ) -> None:
        """To the jobs of these numbers."""
        free, room = self._awake(kind), self.count(kind) - self._running[kind]
        more = True
        while more:
            more = False
            for number in numbers:
                want, mine = wants[number], got[number]
                hand = next((each for each in free if each not in want.refused), None)
                if hand is None and kind in self._at_once and not mine:
                    hand = _LENT
                if hand is None or len(mine) >= want.most or not (mine or room):
                    continue
                room -= not mine
                self._running[kind] += not mine
                if hand != _LENT:
                    free.remove(hand)
                    self._free[kind].remove(hand)
                mine.append(hand)
                more = True

    def _awake(self, kind: str) -> list[str]:
        """The free ones; those that rest only where no other one is at work."""
        free, now = self._free.setdefault(kind, list(_HERE)), time.monotonic()
        awake = [hand for hand in free if self._resting.get((kind, hand), 0.0) <= now]
        return awake if awake or self._running[kind] else list(free)

    def _in_order(self, kind: str, hands: Collection[str]) -> tuple[str, ...]:
        return tuple(hand for hand in self._hands.get(kind, _HERE) if hand in hands)


def kind_of(engine: str, interpolate: str) -> str:
    """The hands that a job takes: those of its engine; of the preview with a network, which fills a
    card by itself, one of its own."""
    return f"preview, {interpolate}" if engine == "preview" and interpolate in _NETWORKS else engine


def useful_hands(plan: Plan, estimate: Estimate) -> int:
    """How many can work at it at once: one a unit, and none for too little work of the preview."""
    units = len(units_of(plan))
    return min(units, processes_worth(estimate)) if plan.request.engine == "preview" else units


def cards_here() -> list[str]:
    """The names of the NVIDIA cards that this process may use, as that variable has them; without
    one of their driver's files, none."""
    told = os.environ.get(_CARDS)
    if told is not None:
        return [name.strip() for name in told.split(",") if name.strip()]
    return [str(number) for number, _ in enumerate(_DRIVER.glob("*"))]


def servers_of(urls: str) -> Sequence[str]:
    """Each address as it is written, with its password; of two names of one server the first. One
    that cannot be read is the job's to refuse."""
    return list(_servers(urls).values()) or _HERE


def addresses_of(urls: str) -> Sequence[str]:
    """The same as messages say them."""
    return list(_servers(urls))


def _servers(urls: str) -> dict[str, str]:
    found = dict[str, str]()
    try:
        for written in filter(None, map(str.strip, urls.split(","))):
            found.setdefault(parse_server(written).url, written)
    except InputError:
        return {}
    return found
