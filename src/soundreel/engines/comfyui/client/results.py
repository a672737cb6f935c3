"""What a run brings: progress on the way, and files at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Queued:
    """`position` jobs of the server's queue run before ours."""

    position: int


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """The server works on node `node`."""

    node: str


@dataclass(frozen=True, slots=True)
class Step:
    """Node `node` did step `value` of `maximum`."""

    node: str
    value: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture of the state of sampling: encoded image bytes; node "" is unknown."""

    node: str
    image: bytes
    mime_type: str


@dataclass(frozen=True, slots=True)
class Streamed:
    """Node `node` sends its `count` pictures on the socket instead of writing files."""

    node: str
    count: int


Progress = Queued | NodeStarted | Step | Preview
OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file on the server: folder type "output", "temp" or "input"."""

    filename: str
    subfolder: str
    type: str

    def query(self) -> dict[str, str]:
        """The parameters of /view."""
        return {"filename": self.filename, "subfolder": self.subfolder, "type": self.type}


@dataclass(frozen=True, slots=True)
class PromptResult:
    """A finished prompt: what each output node reported, by node id.

    pictures: what the streamed node sent on the socket, in order: encoded image bytes."""

    prompt_id: str
    outputs: Mapping[str, Mapping[str, object]]
    pictures: tuple[bytes, ...] = ()

    def files(self, node: str) -> tuple[FileRef, ...]:
        """The node's files in order, whatever list they stand in (images, latents, audio, ...)."""
        return tuple(
            FileRef(str(item["filename"]), str(item.get("subfolder", "")), str(item["type"]))
            for items in self.outputs.get(node, {}).values()
            if isinstance(items, list)
            for item in items
            if isinstance(item, Mapping) and "filename" in item and "type" in item
        )
