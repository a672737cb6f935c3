"""What a server's /object_info says: node classes, their inputs and the choices of each input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_DYNAMIC = "COMFY_DYNAMICCOMBO_V3"


@dataclass(frozen=True, slots=True)
class InputInfo:
    """type: "INT", "IMAGE", ... and "COMBO" for a choice, whose `options` are then not None."""

    name: str
    type: str
    required: bool
    options: tuple[str, ...] | None = None
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A node class: its inputs by name in order, its output types, and where it comes from."""

    name: str
    inputs: Mapping[str, InputInfo]
    outputs: tuple[str, ...]
    is_output: bool
    module: str


class NodeCatalog:
    """All node classes that a server knows."""

    def __init__(self, nodes: Mapping[str, NodeInfo]) -> None:
        self._nodes = dict(nodes)

    def __contains__(self, class_type: object) -> bool:
        return class_type in self._nodes

    def __getitem__(self, class_type: str) -> NodeInfo:
        return self._nodes[class_type]

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def has_input(self, class_type: str, name: str) -> bool:
        return class_type in self and name in self[class_type].inputs

    def options(self, class_type: str, name: str) -> tuple[str, ...] | None:
        """The choices of a combo input; None if there is no such input or it is not a combo."""
        return self[class_type].inputs[name].options if self.has_input(class_type, name) else None


def parse_object_info(raw: Mapping[str, object]) -> NodeCatalog:
    """Read GET /object_info; entries that are not node descriptions are left out."""
    nodes = {
        name: _parse_node(name, entry)
        for name, entry in raw.items()
        if isinstance(entry, Mapping) and isinstance(entry.get("input"), Mapping)
    }
    return NodeCatalog(nodes)


def _parse_node(name: str, entry: Mapping[str, Any]) -> NodeInfo:
    inputs: dict[str, InputInfo] = {}
    for group in ("required", "optional"):
        for input_name, spec in _mapping(entry["input"].get(group)).items():
            inputs[input_name] = _parse_input(input_name, spec, required=group == "required")
    return NodeInfo(
        name=name,
        inputs=inputs,
        outputs=_texts(entry.get("output")),
        is_output=bool(entry.get("output_node")),
        module=str(entry.get("python_module", "")),
    )


def _parse_input(name: str, spec: object, *, required: bool) -> InputInfo:
    """Three shapes of a choice coexist: [["a", "b"], {...}], ["COMBO", {"options": [...]}] and,
    where a choice brings inputs of its own, [_DYNAMIC, {"options": [{"key": "a", ...}]}].
    One whose choices the server does not list (it fetches them) can only be tried."""
    parts = spec if isinstance(spec, list) else [spec]
    kind = parts[0] if parts else "*"
    settings = _mapping(parts[1]) if len(parts) > 1 else {}
    if isinstance(kind, list):
        return InputInfo(name, "COMBO", required, _texts(kind), settings)
    if kind in ("COMBO", _DYNAMIC):
        choices = _texts(settings.get("options")) if "options" in settings else None
        return InputInfo(name, "COMBO", required, choices, settings)
    return InputInfo(name, str(kind), required, None, settings)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: object) -> tuple[str, ...]:
    entries = value if isinstance(value, list) else ()
    return tuple(
        str(entry.get("key", "")) if isinstance(entry, Mapping) else str(entry) for entry in entries
    )
