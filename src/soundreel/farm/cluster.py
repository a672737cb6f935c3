"""A job shared on a Ray cluster. What it is made from goes through the object store, pieces come
back through it, and the job seals them: no disk is shared."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from soundreel.config import Settings
from soundreel.engines.base import Ready, Spreading
from soundreel.errors import EngineUnavailable, InputError, WorkError, mention
from soundreel.events import Event, Notice, RunControl
from soundreel.farm.hand import HandLost
from soundreel.farm.messages import Answer, Asked, Done, Failed, Work
from soundreel.farm.node import Look, Node, Parcel, look
from soundreel.farm.parcels import blocks_of, pack, write_blocks
from soundreel.farm.schedule import fixed_by_several, spread
from soundreel.installation import __version__, install_command
from soundreel.render.maker import MadeChunk, Task
from soundreel.render.sealing import Sealing
from soundreel.types import Check, Plan
from soundreel.versions import versions
from soundreel.work.files import disk_errors
from soundreel.work.job import Fixed, Job

HERE = "ray"
"""The cluster that runs on this machine, or else one that is started for the job."""

CLIENT = "ray://"
"""Before the address of one that is reached from outside."""

_LOOK_S = 0.2
"""So often a hand that waits for its node looks whether the job has ended."""
_TRIES = 2
"""A chunk over which so many workers died most likely kills them."""
_ROOM_S = 60.0
"""A hand without a node gives its task back after so long."""
_LEAVE_S = 30.0
_ASK_S = 120.0
_TOKEN = Path.home() / ".ray" / "auth_token"
"""Ray's own, that its machines share."""
_LOOK_UP_S = 10.0


def make_by_cluster(
    settings: Settings, plan: Plan, ready: Ready, job: Job, sealing: Sealing, control: RunControl
) -> None:
    """As `render.run.make_here`."""
    assert settings.cluster is not None
    tasks = list(sealing.tasks())
    with connected(settings.cluster) as ray:
        cards = _cards(ready, plan.request.engine)
        slots = _slots(ray, cards)
        count = min(slots, len(tasks), settings.workers or slots)
        work = Work.of(plan, settings, ready, job, sealing, slots)
        order = _Order.of(ray, work, cards)
        fixed = fixed_by_several(job)
        names = [f"worker {number}" if cards else "" for number in range(1, count + 1)]
        hands = [NodeHand(ray, order, job.folder, name, fixed) for name in names]
        control.emit(Notice(f"{count} workers of the cluster make the pictures"))
        spread(hands, tasks, sealing, control)


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected. A cluster that is started here ends with it. Raises EngineUnavailable."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    known = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys() or _TOKEN.exists()
    if known and address.startswith(CLIENT):
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # which its clients forget (2.60)
    try:
        import ray
    except ImportError as err:
        raise EngineUnavailable(
            f"{mention(cluster=address)} needs Ray, which is not installed",
            hint=install_command("cluster"),
        ) from err
    try:
        with _own_signals():
            _connect(ray, address)
    except Exception as err:  # of many kinds, by where it fails
        first = str(err).strip().partition("\n")[0] or type(err).__name__
        raise EngineUnavailable(
            f"no Ray cluster answers at {address}: {first}",
            hint="how to start one: docs/scaling.md; its address for other machines is "
            "ray://HOST:10001, and they need its token (~/.ray/auth_token, or RAY_AUTH_TOKEN)",
        ) from err
    try:
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address != HERE:
        host, _, port = address.removeprefix(CLIENT).rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), _LOOK_UP_S).close()  # Ray asks long
        ray.init(address=address, **quiet)
        return
    try:
        ray.init(address="auto", **quiet)
    except ConnectionError:
        ray.init(address="local", include_dashboard=False, **quiet)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself; ours ends a job so that it can be resumed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def nodes_of(address: str) -> Iterator[tuple[str, Sequence[Check]]]:
    """Each node that is alive: its name, and what it has and what can run there. Raises
    EngineUnavailable."""
    with connected(address) as ray:
        remote = ray.remote(num_cpus=0)(look)
        for node in ray.nodes():
            if not node["Alive"]:
                continue
            pinned = remote.options(label_selector={"ray.io/node-id": node["NodeID"]})
            has = node["Resources"]
            room = f"{has.get('CPU', 0):g} cores, {has.get('GPU', 0):g} GPUs"
            name = f"{node['NodeName']} ({node['NodeID'][:6]})"
            yield name, [Check("room", ok=True, found=room), *_looked(ray, pinned)]


def _looked(ray: Any, remote: Any) -> list[Check]:
    try:
        told: Look = ray.get(remote.remote(), timeout=_ASK_S)
    except ray.exceptions.RayError as err:
        hint = "pip install soundreel there, with the extras of what shall run"
        return [Check("soundreel", ok=False, found=_why(err), hint=hint)]
    hint = f"pip install 'soundreel=={__version__}' there"
    same = Check("soundreel", told.version == __version__, told.version, hint)
    return [same, *(_line(engine, checks) for engine, checks in told.engines.items())]


def _line(engine: str, checks: Sequence[Check]) -> Check:
    """Of an engine, what is wrong with it."""
    wrong = [check for check in checks if not check.serves]
    if not wrong:
        return Check(engine, ok=True, found="ready")
    found = "; ".join(f"{check.name}: {check.found}" for check in wrong)
    return Check(engine, ok=False, found=found, hint=wrong[0].hint, optional=True)


def _cards(ready: Ready, engine: str) -> int:
    """How many a worker takes for itself. Raises InputError."""
    if isinstance(ready, Spreading):
        return ready.cards_each
    raise InputError(
        f"engine {engine} cannot share this job on a cluster",
        hint=f"leave {mention('cluster')} out; it shares sounds' videos of wan and preview",
    )


def _slots(ray: Any, cards: int) -> int:
    """How many workers the cluster has room for. Raises EngineUnavailable."""
    kind, word = ("GPU", "GPU") if cards else ("CPU", "core")
    slots = int(ray.cluster_resources().get(kind, 0))
    if not slots:
        raise EngineUnavailable(
            f"no node of the cluster has a {word}", hint="soundreel doctor shows its nodes"
        )
    return slots


@dataclass(frozen=True)
class _Order:
    """What every worker is given: `work` and `files` lie in the object store. cards: that it takes
    for itself; versions: of what decides the bytes, which must be its own."""

    work: Any
    files: Mapping[str, Sequence[Any]]
    cards: int
    versions: Mapping[str, str]

    @staticmethod
    def of(ray: Any, work: Work, cards: int) -> _Order:
        """Raises WorkError where what the video is made from cannot be read."""
        request = work.plan.request
        own = [work.folder] if request.output is None else [work.folder, request.output]
        with disk_errors("read what the video is made from"):
            packed, files = pack(work, own=own)
            stored = {name: [*map(ray.put, blocks_of(path))] for name, path in files.items()}
        return _Order(ray.put(packed), stored, cards, versions(work.plan))


class NodeHand:
    """An actor on some node with room for it, so that an engine is opened once; another one,
    perhaps elsewhere, where its node is lost."""

    def __init__(self, ray: Any, order: _Order, folder: Path, name: str, fixed: Fixed) -> None:
        self.name = name
        self._ray, self._order, self._folder, self._fixed = ray, order, folder, fixed
        self._ending = f".{secrets.token_hex(4)}.part"
        self._actor: Any = None
        self._tell: Callable[[Event], None] = lambda _: None
        self._begun = self._stopped = self._left_out = False

    def make(self, task: Task, tell: Callable[[Event], None]) -> Iterator[MadeChunk]:
        """See `Hand`. Raises WorkError where this machine's disk takes no more."""
        self._tell = tell
        for parcel in self._parcels(task):
            yield replace(parcel.made, files=self._written(parcel.files))

    def _parcels(self, task: Task) -> Iterator[Parcel]:
        """What comes from the node. HandLost where that is gone, or cannot."""
        heard = False
        try:
            if self._actor is None:
                self._begin(_ROOM_S)
            self._actor.say.remote(task)
            while True:
                words, heard = self._ray.get(self._actor.hear.remote()), True
                for word in words:
                    match word:
                        case Parcel():
                            yield word
                        case Event():
                            self._tell(word)
                        case Asked(name, value):
                            self._actor.say.remote(Answer(self._answer(name, value)))
                        case Failed(error):
                            raise error
                        case Done():
                            return
        except (EngineUnavailable, WorkError, self._ray.exceptions.RayError) as err:
            raise self._lost(err, tries=_TRIES if heard else 0) from err

    def is_back(self) -> bool:
        """Waits for room on the cluster: another node's, or that of the same one again."""
        while not (self._stopped or self._left_out):
            try:
                self._begin(_ROOM_S)
                return True
            except HandLost:
                continue
            except (EngineUnavailable, WorkError, self._ray.exceptions.RayError) as err:
                self._lost(err, tries=0)
                time.sleep(_LOOK_S)
        return False

    def finish(self) -> None:
        """It closes its engine, and removes what it wrote."""
        if self._actor is not None and self._begun and not self._stopped:
            with suppress(self._ray.exceptions.RayError):
                self._ray.wait([self._actor.leave.remote()], timeout=_LEAVE_S)
        self.stop()

    def stop(self) -> None:
        self._stopped = True
        self._end()

    def _begin(self, seconds: float) -> None:
        """An actor that has all that it needs. HandLost where no node has room for one; raises what
        is wrong with its node."""
        order, needs = self._order, {"num_cpus": 1, "num_gpus": self._order.cards}
        actor = self._ray.remote(Node).options(
            **needs, max_concurrency=2, scheduling_strategy="SPREAD"
        )
        self._actor = actor.remote()
        self._begun = False
        begun, end = self._actor.begin.remote(order.work, order.files), time.monotonic() + seconds
        while not self._ray.wait([begun], timeout=_LOOK_S)[0]:
            if self._stopped or time.monotonic() > end:
                self._end()
                raise HandLost("no node has room for it", tries=0)
        theirs = self._ray.get(begun)
        if theirs != order.versions:
            raise EngineUnavailable(_differing(theirs, order.versions))
        self._begun = True

    def _lost(self, error: BaseException, *, tries: int) -> HandLost:
        """A node that cannot is left out; one that is gone may have been killed by its task, or
        have been gone before it."""
        self._end()
        if isinstance(error, (EngineUnavailable, WorkError)):
            self._left_out = True
            words = f"a worker of the cluster is left out of this job: {error.message}"
            self._tell(Notice(words))
            return HandLost(words, tries=0, error=error)
        return HandLost("its node went away", tries=tries)

    def _end(self) -> None:
        actor, self._actor = self._actor, None
        if actor is not None:
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(actor)

    def _answer(self, name: str, value: Any) -> Any:
        return self._fixed(name, lambda: value)

    def _written(self, files: Mapping[str, bytes]) -> dict[str, Path]:
        paths = {name: self._folder / (name + self._ending) for name in files}
        try:
            for name, path in paths.items():
                with disk_errors(f"write {path}"):
                    write_blocks(path, [files[name]])
        except WorkError:
            for path in paths.values():
                path.unlink(missing_ok=True)
            raise
        return paths


def _differing(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    told = (f"{name} {theirs.get(name, 'none')}, here {each}" for name, each in ours.items()
            if theirs.get(name) != each)  # fmt: skip
    return f"its node has other versions: {'; '.join(told)}"


def _why(error: BaseException) -> str:
    """What a node said when nothing of ours could run on it."""
    last = str(error).strip().splitlines()[-1]
    return (
        "soundreel is not installed there" if "No module named 'soundreel'" in str(error) else last
    )
