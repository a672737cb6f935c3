"""POST /prompt as the fake server checks it, with the bodies that a real one was seen to give."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from comfyui.fake.disk import FileKey
from comfyui.fake.nodes import annotated

_FILE_INPUTS = {"LoadAudio": "audio", "LoadImage": "image", "LoadLatent": "latent"}
_DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBERS = {"INT": int, "FLOAT": float}


def error(kind: str, message: str, details: str = "", **extra: Any) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


def check_prompt(
    graph: Any, nodes: Mapping[str, Any], files: Mapping[FileKey, bytes], *, newer: bool = False
) -> tuple[dict[str, Any] | None, dict[str, Any], list[str]]:
    """The error that refuses the prompt (or None), node errors, and the outputs that will run.

    Values are coerced in place, as the server does.
    """
    if not graph:
        return error("prompt_no_outputs", "Prompt has no outputs"), {}, []
    for node_id, node in graph.items():
        if newer and node.get("class_type") not in nodes:
            return _missing_type(node_id, node), {}, []
        if "class_type" not in node:
            message = "Cannot execute because a node is missing the class_type property."
            return error("invalid_prompt", message, f"Node ID '#{node_id}'"), {}, []
        if node["class_type"] not in nodes:
            message = f"Cannot execute because node {node['class_type']} does not exist."
            return error("invalid_prompt", message, f"Node ID '#{node_id}'"), {}, []
    outputs = [id for id, node in graph.items() if nodes[node["class_type"]]["output_node"]]
    if not outputs:
        return error("prompt_no_outputs", "Prompt has no outputs"), {}, []
    return _check_outputs(graph, nodes if newer else _unchecked(nodes), files, outputs)


def _unchecked(nodes: Mapping[str, Any]) -> dict[str, Any]:
    """As the older server sees them: it does not look at choices of the second kind."""
    seen = copy.deepcopy(dict(nodes))
    for node in seen.values():
        for group in ("required", "optional"):
            for config in node["input"].get(group, {}).values():
                config[0] = "UNCHECKED" if config[0] == "COMBO" else config[0]
    return seen


def wrong_id(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Newer servers take a prompt id only in the form that they give it themselves."""
    asked = body.get("prompt_id")
    if asked is None or (isinstance(asked, str) and _UUID.fullmatch(asked)):
        return None
    return error(
        "invalid_prompt_id",
        "prompt_id must be a valid UUID",
        "prompt_id must be a UUID string in canonical lowercase hyphenated form; omit it to let "
        "the server generate one",
    )


def _missing_type(node_id: str, node: Mapping[str, Any]) -> dict[str, Any]:
    kind = node.get("class_type")
    message = f"Node '{kind}' not found. The custom node may not be installed."
    if kind is None:
        message = f"Node 'ID #{node_id}' has no class_type. The workflow may be corrupted or a "
        message += "custom node is missing."
    facts = {"node_id": node_id, "class_type": kind, "node_title": kind}
    return error("missing_node_type", message, f"Node ID '#{node_id}'", **facts)


def _check_outputs(
    graph: Any, nodes: Mapping[str, Any], files: Mapping[FileKey, bytes], outputs: list[str]
) -> tuple[dict[str, Any] | None, dict[str, Any], list[str]]:
    node_errors: dict[str, Any] = {}
    good = []
    for output in outputs:
        bad = False
        for node_id in _ancestry(graph, output):
            found = list(_node_errors(graph, node_id, nodes, files))
            if found:
                bad = True
                entry = node_errors.setdefault(
                    node_id,
                    {
                        "errors": found,
                        "dependent_outputs": [],
                        "class_type": graph[node_id]["class_type"],
                    },
                )
                entry["dependent_outputs"].append(output)
        if not bad:
            good.append(output)
    if good:
        return None, node_errors, good
    refused = error("prompt_outputs_failed_validation", "Prompt outputs failed validation")
    return refused, node_errors, []


def is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _ancestry(graph: Any, output: str) -> list[str]:
    seen: list[str] = []
    todo = [output]
    while todo:
        node_id = todo.pop()
        if node_id in seen:
            continue
        seen.append(node_id)
        links = [value[0] for value in graph[node_id].get("inputs", {}).values() if is_link(value)]
        todo += [link for link in links if link in graph]
    return seen[::-1]


def _node_errors(
    graph: Any, node_id: str, nodes: Mapping[str, Any], files: Mapping[FileKey, bytes]
) -> Iterator[dict[str, Any]]:
    node = graph[node_id]
    for name, config, required in _spec(nodes[node["class_type"]]["input"], node["inputs"]):
        if name in node["inputs"]:
            yield from _input_errors(graph, node, name, config, nodes, files)
        elif required:
            yield error(
                "required_input_missing",
                "Required input is missing",
                name.rpartition(".")[2],
                input_name=name,
            )


def _spec(
    groups: Mapping[str, Any], given: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, list[Any], bool]]:
    """(name, description, whether it must be there) of all inputs: a dynamic choice brings those of
    the option that was chosen, under its own name and a point; left out, it brings none."""
    for group in ("required", "optional"):
        for key, config in groups.get(group, {}).items():
            name = f"{prefix}{key}"
            dynamic = config[0] == _DYNAMIC
            yield (
                name,
                config if len(config) > 1 else [*config, {}],
                (group == "required" and not (dynamic and prefix)),
            )
            for option in config[1]["options"] if dynamic else ():
                if option["key"] == given.get(name):
                    yield from _spec(option["inputs"], given, f"{name}.")


def _input_errors(
    graph: Any,
    node: Any,
    name: str,
    config: list[Any],
    nodes: Mapping[str, Any],
    files: Mapping[FileKey, bytes],
) -> Iterator[dict[str, Any]]:
    value, kind = node["inputs"][name], config[0]
    if isinstance(value, list):
        yield from _link_errors(graph, name, value, config, nodes)
    elif _FILE_INPUTS.get(node["class_type"]) == name:
        if annotated(str(value)) not in files:
            yield error(
                "custom_validation_failed",
                "Custom validation failed for node",
                f"{name} - Invalid {name} file: {value}",
                input_name=name,
            )
    elif isinstance(kind, str) and kind in _NUMBERS:
        yield from _number_errors(node["inputs"], name, config)
    elif (kind := _choices(kind, config[1])) is not None and value not in kind:
        long = len(kind) > 20
        known = f"(list of length {len(kind)})" if long else str(kind)
        yield error(
            "value_not_in_list",
            "Value not in list",
            f"{name}: '{value}' not in {known}",
            input_name=name,
            input_config=None if long else config,
            received_value=value,
        )


def _choices(kind: Any, settings: Mapping[str, Any]) -> list[Any] | None:
    """Of both kinds of plain choice."""
    if kind == "COMBO":
        return list(settings["options"])
    return kind if isinstance(kind, list) else None


def _link_errors(
    graph: Any, name: str, value: list[Any], config: list[Any], nodes: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    if len(value) != 2:
        yield error(
            "bad_linked_input",
            "Bad linked input, must be a length-2 list of [node_id, slot_index]",
            name,
            input_name=name,
            input_config=config,
            received_value=value,
        )
        return
    try:
        received = nodes[graph[value[0]]["class_type"]]["output"][value[1]]
    except (KeyError, IndexError) as err:
        words = "tuple index out of range" if isinstance(err, IndexError) else str(err)
        yield error(
            "exception_during_inner_validation",
            "Exception when validating inner node",
            words,
            input_name=name,
            input_config=config,
            exception_message=words,
            exception_type=type(err).__name__,
            traceback=[],
            linked_node=value,
        )
        return
    if config[0] not in (received, "*"):
        yield error(
            "return_type_mismatch",
            "Return type mismatch between linked nodes",
            f"{name}, received_type({received}) mismatch input_type({config[0]})",
            input_name=name,
            input_config=config,
            received_type=received,
            linked_node=value,
        )


def _number_errors(
    inputs: dict[str, Any], name: str, config: list[Any]
) -> Iterator[dict[str, Any]]:
    kind, limits = config
    value = inputs[name]
    try:
        inputs[name] = number = _NUMBERS[kind](value)
    except (ValueError, TypeError) as err:
        yield error(
            "invalid_input_type",
            f"Failed to convert an input value to a {kind} value",
            f"{name}, {value}, {err}",
            input_name=name,
            input_config=config,
            received_value=value,
            exception_message=str(err),
        )
        return
    facts = {"input_name": name, "input_config": config, "received_value": number}
    if "min" in limits and number < limits["min"]:
        message = f"Value {number} smaller than min of {limits['min']}"
        yield error("value_smaller_than_min", message, name, **facts)
    if "max" in limits and number > limits["max"]:
        message = f"Value {number} bigger than max of {limits['max']}"
        yield error("value_bigger_than_max", message, name, **facts)
