"""The server's queue and history: where our prompts stand, and how they are taken off."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soundreel.engines.comfyui.client.errors import ServerAway
from soundreel.engines.comfyui.client.transport import Transport

AWAY_SECONDS = 3.0
"""Who presses Ctrl-C does not want to wait for a server that is down."""

MARK = "soundreel_run"
"""Key in a prompt's extra data that tells our submission from all others."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The prompt's history entry."""

    entry: Mapping[str, Any]


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
class QueueItem:
    """One prompt in the queue; `extra` is what its sender attached."""

    number: float
    prompt_id: str
    extra: Mapping[str, Any]


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


def read_queue(transport: Transport) -> QueueState:
    raw = transport.get_json("/queue")
    return QueueState(_items(raw.get("queue_running")), _items(raw.get("queue_pending")))


def prompt_status(transport: Transport, prompt_id: str) -> PromptStatus:
    """Where a prompt is now.

    The history is asked before and after the queue: a prompt that ends between two questions
    moves from the one to the other.
    """
    if entry := _history(transport, prompt_id):
        return Finished(entry)
    queued = read_queue(transport).find(prompt_id)
    if queued is not None:
        return queued
    entry = _history(transport, prompt_id)
    return Finished(entry) if entry else Gone()


def find_submission(transport: Transport, mark: str) -> str | None:
    """The id of the prompt that carries `mark`: did a submission arrive whose answer was lost?"""
    state = read_queue(transport)
    for item in (*state.running, *state.pending):
        if item.extra.get(MARK) == mark:
            return item.prompt_id
    for prompt_id, entry in transport.get_json("/history?max_items=20").items():
        if _extra(entry.get("prompt")).get(MARK) == mark:
            return str(prompt_id)
    return None


def remove_ours(transport: Transport, client_id: str, seconds: float, pause: float) -> bool:
    """Interrupt and dequeue every prompt of `client_id`, and no other; whether all are gone.

    An interrupt may not take (just after the start), and some nodes run on to their end, so it is
    repeated until the queue is free of ours, or `seconds` are over. Raises ServerAway if the
    server does not answer for AWAY_SECONDS.
    """
    end = time.monotonic() + seconds
    answered = time.monotonic()
    while True:
        try:
            if not _remove_once(transport, client_id):
                return True
            answered = time.monotonic()
        except ServerAway:
            if time.monotonic() - answered > AWAY_SECONDS:
                raise
        if time.monotonic() >= end:
            return False
        time.sleep(pause)


def _remove_once(transport: Transport, client_id: str) -> bool:
    """Whether any of ours was still in the queue."""
    state = read_queue(transport)
    pending = [item.prompt_id for item in state.pending if _is_ours(item, client_id)]
    running = [item.prompt_id for item in state.running if _is_ours(item, client_id)]
    if pending:
        transport.post_json("/queue", {"delete": pending})
    for prompt_id in running:
        transport.post_json("/interrupt", {"prompt_id": prompt_id})
    return bool(pending or running)


def _is_ours(item: QueueItem, client_id: str) -> bool:
    return item.extra.get("client_id") == client_id


def _history(transport: Transport, prompt_id: str) -> Mapping[str, Any] | None:
    entry = transport.get_json(f"/history/{prompt_id}").get(prompt_id)
    return entry if isinstance(entry, Mapping) else None


def _items(raw: Any) -> tuple[QueueItem, ...]:
    """Queue rows are [number, prompt id, graph, extra data, outputs, ...], in heap order."""
    rows = [row for row in raw or () if isinstance(row, list) and len(row) >= 4]
    return tuple(
        QueueItem(float(row[0]), str(row[1]), _extra(row))
        for row in sorted(rows, key=lambda row: float(row[0]))
    )


def _extra(row: Any) -> Mapping[str, Any]:
    extra = row[3] if isinstance(row, list) and len(row) >= 4 else None
    return extra if isinstance(extra, Mapping) else {}
