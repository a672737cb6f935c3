"""A server's own words, turned into the error tree. Node ids, types and inputs are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from soundreel.errors import EngineError, EngineUnavailable, OutOfMemory, RemoteError

RESUME_HINT = "finished chunks are kept: give the same command again to go on"
_OUT_OF_MEMORY = re.compile(r"out ?of ?memory|allocation on device|CUDA error: out", re.IGNORECASE)
_NODE_ID = re.compile(r"#([^'\s]+)")
_HINTS = {
    "value_not_in_list": "see what the server has with: soundreel doctor --url",
    "custom_validation_failed": "the file is not on the server any more: start again",
    "invalid_prompt": "update ComfyUI or install the node pack, then run: soundreel doctor --url",
}


class ServerAway(EngineUnavailable):
    """The server does not answer now: refused, reset, silent, or a gateway error."""


class ResultGone(RemoteError):
    """A file that a finished prompt reported is not on the server any more."""


def refused_prompt(body: Any, status: int, prompt_id: str = "") -> RemoteError:
    """What POST /prompt answered with a status that is not 200, or with node errors in a 200."""
    body = body if isinstance(body, Mapping) else {}
    nodes = body.get("node_errors")
    if isinstance(nodes, Mapping) and nodes:
        words = "; ".join(_node_error_lines(nodes))
        first = next(iter(nodes))
        kinds = [error.get("type", "") for error in nodes[first].get("errors", ())]
        return RemoteError(
            f"the server refused the graph: {words}",
            hint=_hint(kinds),
            node_id=str(first),
            prompt_id=prompt_id,
        )
    error = body.get("error")
    error = error if isinstance(error, Mapping) else {"message": str(error or "no reason given")}
    words = _join(error.get("message"), error.get("details"))
    match = _NODE_ID.search(str(error.get("details", "")))
    return RemoteError(
        f"the server refused the graph ({status}): {words}",
        hint=_hint([str(error.get("type", ""))]),
        node_id=match.group(1) if match else "",
        prompt_id=prompt_id,
    )


def failed_prompt(messages: Any, prompt_id: str) -> EngineError:
    """Why a prompt ended without success, from the `status.messages` of its history entry."""
    events = dict(_pairs(messages))
    if "execution_error" in events:
        return _execution_error(events["execution_error"], prompt_id)
    if "execution_interrupted" in events:
        node = events["execution_interrupted"]
        return RemoteError(
            f"the job was interrupted on the server at node {_name(node)}",
            hint=RESUME_HINT,
            node_id=str(node.get("node_id", "")),
            prompt_id=prompt_id,
        )
    return RemoteError(
        f"the server ended prompt {prompt_id} without success and without a reason",
        hint="look into the server's log",
        prompt_id=prompt_id,
    )


def _execution_error(data: Mapping[str, Any], prompt_id: str) -> EngineError:
    kind = str(data.get("exception_type", ""))
    words = str(data.get("exception_message", "")).strip()
    message = f"node {_name(data)} failed on the server: {kind}: {words}"
    if _OUT_OF_MEMORY.search(kind) or _OUT_OF_MEMORY.search(words):
        return OutOfMemory(message, hint="choose a smaller --size, or start ComfyUI with --lowvram")
    return RemoteError(
        message,
        hint="the server's log has the whole traceback",
        node_id=str(data.get("node_id", "")),
        prompt_id=prompt_id,
    )


def _node_error_lines(nodes: Mapping[str, Any]) -> Iterator[str]:
    for node_id, entry in nodes.items():
        name = f"node {node_id} ({entry.get('class_type', '?')})"
        for error in entry.get("errors", ()):
            inner = error.get("type") == "exception_during_inner_validation"  # names another input
            input_name = None if inner else (error.get("extra_info") or {}).get("input_name")
            details = str(error.get("details") or "")
            where = f", input {input_name}" if input_name and input_name not in details else ""
            yield f"{name}{where}: {_join(error.get('message'), details)}"


def _pairs(messages: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in messages if isinstance(messages, list) else ():
        if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], Mapping):
            yield str(entry[0]), entry[1]


def _name(data: Mapping[str, Any]) -> str:
    return f"{data.get('node_id', '?')} ({data.get('node_type', '?')})"


def _join(message: object, details: object) -> str:
    return ": ".join(str(part).strip() for part in (message, details) if part)


def _hint(kinds: list[str]) -> str:
    return next((_HINTS[kind] for kind in kinds if kind in _HINTS), "")
