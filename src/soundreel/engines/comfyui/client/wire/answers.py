"""What a server answers, as models: nothing of another shape gets past this boundary.

Only what we use is read. Where a server may leave a thing out, or say null, there is a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, model_validator

LARGEST_NUMBER = 2**60


def _or_none(value: object) -> object:
    """null means the default, as if nothing stood there."""
    return value if value is not None else 0


def _rows_as_items(value: object) -> object:
    """Queue rows are [number, prompt id, graph, extra data, outputs, ...]."""
    if isinstance(value, list) and len(value) >= 4:
        return {"number": value[0], "prompt_id": value[1], "extra": value[3] or {}}
    return value


Bytes = Annotated[int, BeforeValidator(_or_none), Field(ge=0, le=LARGEST_NUMBER)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: part for name, part in value.items() if part is not None}
        return value


class Device(_Model):
    """One device of the server; memory in bytes. type: "cuda", "cpu", ..."""

    name: str = ""
    type: str = ""
    vram_total: Bytes = 0
    vram_free: Bytes = 0


class _System(_Model):
    comfyui_version: str = "unknown"


class SystemStats(_Model):
    """GET /system_stats."""

    system: _System = _System()
    devices: tuple[Device, ...] = ()

    @property
    def version(self) -> str:
        """Of ComfyUI."""
        return self.system.comfyui_version


class QueueItem(_Model):
    """One prompt in the queue; `extra` is what its sender attached."""

    number: Number
    prompt_id: str
    extra: dict[str, Any] = {}


_Rows = tuple[Annotated[QueueItem, BeforeValidator(_rows_as_items)], ...]


class QueueAnswer(_Model):
    """GET /queue; pending in no particular order."""

    queue_running: _Rows = ()
    queue_pending: _Rows = ()


class _Status(_Model):
    status_str: str = "success"
    messages: tuple[Any, ...] = ()

    def events(self) -> dict[str, dict[str, Any]]:
        """What the server noted of the run, the last of each kind."""
        pairs = [entry for entry in self.messages if isinstance(entry, list) and len(entry) == 2]
        return {str(name): data for name, data in pairs if isinstance(data, dict)}


class HistoryEntry(_Model):
    """A prompt that has ended. outputs: what each output node reported, by node id."""

    prompt: Annotated[QueueItem | None, BeforeValidator(_rows_as_items)] = None
    outputs: dict[str, dict[str, Any]] = {}
    status: _Status = _Status()


class HistoryAnswer(RootModel[dict[str, HistoryEntry]]):
    """GET /history/{id}: empty for an id that has not ended, or is unknown."""


class AnyHistory(RootModel[dict[str, Any]]):
    """GET /history: of everybody's prompts, whatever they look like."""

    def entries(self) -> dict[str, QueueItem]:
        """The prompts of those entries that can be read."""
        found = {}
        for prompt_id, raw in self.root.items():
            row = raw.get("prompt") if isinstance(raw, dict) else None
            extra = row[3] if isinstance(row, list) and len(row) >= 4 else None
            if isinstance(extra, dict):
                found[prompt_id] = QueueItem(number=0, prompt_id=prompt_id, extra=extra)
        return found


class ErrorDetail(_Model):
    type: str = ""
    message: str = ""
    details: str = ""
    extra_info: dict[str, Any] = {}


class NodeErrors(_Model):
    class_type: str = "?"
    errors: tuple[ErrorDetail, ...] = ()


class PromptAnswer(_Model):
    """POST /prompt, accepted or refused. The server says [] for no node errors at times."""

    prompt_id: str = ""
    error: ErrorDetail | None = None
    node_errors: Mapping[str, NodeErrors] = {}

    @model_validator(mode="before")
    @classmethod
    def _odd_shapes(cls, value: Any) -> Any:
        if isinstance(value, dict):
            if not value.get("node_errors"):
                value = {**value, "node_errors": {}}
            if isinstance(value.get("error"), str):
                value = {**value, "error": {"message": value["error"]}}
        return value


class UploadAnswer(_Model):
    """POST /upload/image: where the file lies, which need not be where we wanted it."""

    name: str
    subfolder: str = ""


class NodesAnswer(RootModel[dict[str, Any]]):
    """GET /object_info: the nodes are read one by one, so that a strange one harms no other."""
