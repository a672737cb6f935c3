"""The server's queue and history: where our prompts stand, and how they are taken off."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import quote

from soundreel.engines.comfyui.client.transport import Transport
from soundreel.engines.comfyui.client.wire.answers import (
    AnyHistory,
    HistoryAnswer,
    HistoryEntry,
    QueueAnswer,
    QueueItem,
)
from soundreel.engines.comfyui.client.wire.errors import ServerAway

AWAY_SECONDS = 3.0
"""Who presses Ctrl-C does not want to wait for a server that is down."""

MARK = "soundreel_run"
"""Key in a prompt's extra data that tells our submission from all others."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The prompt's history entry."""

    entry: HistoryEntry


@dataclass(frozen=True, slots=True)
class Running:
    """The server works on it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """`ahead` prompts run before it."""

    ahead: int


@dataclass(frozen=True, slots=True)
class Gone:
    """Neither in the queue nor in the history: the server restarted, or someone removed it."""


PromptStatus = Finished | Running | Waiting | Gone


@dataclass(frozen=True, slots=True)
class QueueState:
    """running, then pending in the order in which they will run."""

    running: tuple[QueueItem, ...]
    pending: tuple[QueueItem, ...]

    def find(self, prompt_id: str) -> Running | Waiting | None:
        if any(item.prompt_id == prompt_id for item in self.running):
            return Running()
        ids = [item.prompt_id for item in self.pending]
        return Waiting(len(self.running) + ids.index(prompt_id)) if prompt_id in ids else None


def read_queue(transport: Transport, answer_s: float | None = None) -> QueueState:
    answer = transport.get("/queue", QueueAnswer, answer_s)
    return QueueState(_in_order(answer.queue_running), _in_order(answer.queue_pending))


def prompt_status(transport: Transport, prompt_id: str, *, ended: bool = False) -> PromptStatus:
    """Where a prompt is now. ended: as the socket says.

    The history is asked after the queue: a prompt that ends between two questions moves from the
    queue to the history, and never back.
    """
    if ended and (entry := _history(transport, prompt_id)):
        return Finished(entry)
    queued = read_queue(transport).find(prompt_id)
    if queued is not None:
        return queued
    entry = _history(transport, prompt_id)
    return Finished(entry) if entry else Gone()


def submissions(transport: Transport, mark: str) -> list[str]:
    """The ids of the prompts that carry `mark`, first come first: did a submission arrive whose
    answer was lost, or more than one?"""
    state = read_queue(transport)
    queued = [item for item in (*state.running, *state.pending) if item.extra.get(MARK) == mark]
    ended = transport.get("/history?max_items=20", AnyHistory).entries()
    found = [prompt_id for prompt_id, item in ended.items() if item.extra.get(MARK) == mark]
    return list(dict.fromkeys([*found, *(item.prompt_id for item in queued)]))


def keep_first(transport: Transport, mark: str, prompt_id: str) -> str:
    """Of all submissions that arrived, the first; the others are taken off before they run."""
    first, *others = submissions(transport, mark) or [prompt_id]
    if others:
        transport.post_json("/queue", {"delete": others})
    return first


def remove_prompts(
    transport: Transport, client_ids: Collection[str], seconds: float, pause: float
) -> bool:
    """Stop and dequeue every prompt of these clients, and no other; whether all are gone.

    A stop may not take (just after the start), and some nodes run on to their end, so it is
    repeated until the queue is free of them, or `seconds` are over. Raises ServerAway if the
    server does not answer for AWAY_SECONDS.
    """
    end = time.monotonic() + seconds
    answered = time.monotonic()
    while True:
        try:
            if not _remove_once(transport, client_ids):
                return True
            answered = time.monotonic()
        except ServerAway:
            if time.monotonic() - answered > AWAY_SECONDS:
                raise
        if time.monotonic() >= end:
            return False
        time.sleep(pause)


def _remove_once(transport: Transport, client_ids: Collection[str]) -> bool:
    """Whether any of theirs was still in the queue."""
    state = read_queue(transport, AWAY_SECONDS)
    pending = [item.prompt_id for item in state.pending if sender(item) in client_ids]
    running = [item.prompt_id for item in state.running if sender(item) in client_ids]
    if pending:
        transport.post_json("/queue", {"delete": pending}, AWAY_SECONDS)
    for prompt_id in running:
        _stop(transport, prompt_id)
    return bool(pending or running)


def _stop(transport: Transport, prompt_id: str) -> None:
    """Newer servers stop a prompt and no other; older ones look first and then stop what runs."""
    path = f"/api/jobs/{quote(prompt_id, safe='')}/cancel"
    answer = transport.request("POST", path, json={}, answer_s=AWAY_SECONDS)
    if not answer.ok:
        transport.post_json("/interrupt", {"prompt_id": prompt_id}, AWAY_SECONDS)


def sender(item: QueueItem) -> str:
    """The client id that a prompt was posted with."""
    return str(item.extra.get("client_id", ""))


def _history(transport: Transport, prompt_id: str) -> HistoryEntry | None:
    path = f"/history/{quote(prompt_id, safe='')}"
    return transport.get(path, HistoryAnswer).root.get(prompt_id)


def _in_order(items: Iterable[QueueItem]) -> tuple[QueueItem, ...]:
    return tuple(sorted(items, key=lambda item: item.number))
