"""API-format graphs: nodes, links, titles, JSON in and out. Knows no workflow."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from soundreel.errors import InputError


@dataclass(frozen=True, slots=True)
class Link:
    """Output `slot` of node `node`, as the value of another node's input."""

    node: str
    slot: int = 0

    def out(self, slot: int) -> Link:
        """Another output of the same node."""
        return Link(self.node, slot)


Value = Link | str | int | float | bool | None | list[object] | dict[str, object]


@dataclass(slots=True)
class Node:
    class_type: str
    inputs: dict[str, Value] = field(default_factory=dict)
    title: str = ""

    def links(self) -> Iterator[tuple[str, Link]]:
        """The inputs that come from another node."""
        for name, value in self.inputs.items():
            if isinstance(value, Link):
                yield name, value


class Graph:
    """Nodes by id, in order."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    def __getitem__(self, node_id: str) -> Node:
        return self._nodes[node_id]

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._nodes

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def add(
        self, class_type: str, *, node_id: str | None = None, title: str = "", **inputs: Value
    ) -> Link:
        """Add a node, under a free number if `node_id` is None; returns its first output."""
        name = self._free_id() if node_id is None else node_id
        if name in self._nodes:
            raise ValueError(f"node {name} exists already")
        self._nodes[name] = Node(class_type, inputs, title)
        return Link(name)

    def copy(self) -> Graph:
        return copy.deepcopy(self)

    def of_class(self, *class_types: str) -> list[str]:
        return [name for name, node in self._nodes.items() if node.class_type in class_types]

    def consumers(self, node_id: str) -> list[tuple[str, str, int]]:
        """Who takes an output of the node: (id, name of its input, our slot)."""
        return [
            (name, key, link.slot)
            for name, node in self._nodes.items()
            for key, link in node.links()
            if link.node == node_id
        ]

    def upstream(self, node_id: str) -> list[str]:
        """The node and all that it depends on, nearest first. Links to missing nodes end there."""
        found = [node_id]
        for name in found:
            for _, link in self._nodes[name].links():
                if link.node in self._nodes and link.node not in found:
                    found.append(link.node)
        return found

    def prune(self, *outputs: str) -> None:
        """Keep only what these nodes depend on."""
        wanted = {name for output in outputs for name in self.upstream(output)}
        self._nodes = {name: node for name, node in self._nodes.items() if name in wanted}

    def to_json(self) -> dict[str, Any]:
        """The `prompt` of POST /prompt."""
        return {name: _node_to_json(node) for name, node in self._nodes.items()}

    @classmethod
    def from_json(cls, raw: object) -> Graph:
        """Read the API format. Raises InputError saying what else it is."""
        graph = cls()
        for name, entry in _entries(raw).items():
            graph._nodes[name] = _node_from_json(name, entry)
        return graph

    def _free_id(self) -> str:
        return str(max((int(name) for name in self._nodes if name.isdecimal()), default=0) + 1)


def _node_to_json(node: Node) -> dict[str, object]:
    inputs = {
        name: [value.node, value.slot] if isinstance(value, Link) else value
        for name, value in node.inputs.items()
    }
    entry: dict[str, object] = {"inputs": inputs, "class_type": node.class_type}
    return entry | {"_meta": {"title": node.title}} if node.title else entry


def _entries(raw: object) -> Mapping[str, object]:
    hint = "in ComfyUI: Workflow > Export (API), then give that file"
    if not isinstance(raw, Mapping):
        raise InputError("a workflow is a JSON object of nodes", hint=hint)
    if isinstance(raw.get("nodes"), list):
        raise InputError("this workflow is in the format of the editor, not the API's", hint=hint)
    if not raw:
        raise InputError("the workflow has no nodes", hint=hint)
    return raw


def _node_from_json(name: str, entry: object) -> Node:
    if not (
        isinstance(entry, Mapping)
        and isinstance(entry.get("class_type"), str)
        and isinstance(entry.get("inputs"), Mapping)
    ):
        raise InputError(
            f"node {name!r} of the workflow has no class_type and inputs",
            hint="in ComfyUI: Workflow > Export (API), then give that file",
        )
    meta = entry.get("_meta")
    title = str(meta.get("title", "")) if isinstance(meta, Mapping) else ""
    inputs = {str(key): _value_from_json(value) for key, value in entry["inputs"].items()}
    return Node(entry["class_type"], inputs, title)


def _value_from_json(value: object) -> Value:
    """A list of a node id and a slot number is a link, as the server reads it."""
    if (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and not isinstance(value[1], bool)
    ):
        return Link(value[0], value[1])
    return cast(Value, value)  # it was read as JSON
