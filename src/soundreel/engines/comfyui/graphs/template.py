"""A user's own S2V workflow: found out by class types and links, never by node numbers.

Of a workflow we keep what leads to the sampled latents, and the kind of VAE decode. What lies
behind the decode (joining, saving) and further chunks are ours: time and length are exact then.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from soundreel.engines.comfyui.graphs.graph import Graph, Link, Value
from soundreel.engines.comfyui.graphs.s2v_graph import START_NODE
from soundreel.errors import InputError, mention

_DECODERS = ("VAEDecode", "VAEDecodeTiled")
_CUTS = re.compile(r"trim|crop|slice|cut(?!off)", re.IGNORECASE)
"""In the names of nodes that choose a stretch of a sound."""
_SEEDS = ("seed", "noise_seed")


@dataclass(frozen=True, slots=True)
class NodeInput:
    """One input of one node, to be filled."""

    node: str
    name: str


@dataclass(frozen=True, slots=True)
class Template:
    """A graph and those of its inputs that change from job to job and chunk to chunk.

    start: the S2V node. sampled: the latents behind the last sampler. decode: node that shows how
    to decode, if the graph has one. image: the input for the reference image's name, if it has one.
    """

    graph: Graph
    start: str
    positive: NodeInput
    negative: NodeInput
    sound: NodeInput
    image: NodeInput | None
    seeds: tuple[NodeInput, ...]
    samplers: tuple[str, ...]
    sampled: Link
    decode: str | None

    def copy(self) -> Template:
        """One with a graph of its own."""
        return replace(self, graph=self.graph.copy())

    def roots(self) -> tuple[str, ...]:
        """The nodes whose upstream is all that we use."""
        return self.samplers if self.decode is None else (*self.samplers, self.decode)


def load_template(path: Path) -> Template:
    """Read a workflow in API format. Raises InputError with the reason if it cannot serve."""
    try:
        if path.exists() and not path.is_file():  # who opens a pipe waits for its other end
            raise InputError(f"the workflow {path} is not a file", hint="save it to one")
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise InputError(
            f"cannot read the workflow {path}: {err.strerror}", hint="check the name"
        ) from err
    except (ValueError, RecursionError) as err:
        raise InputError(
            f"{path} is not JSON: {err}", hint="in ComfyUI: Workflow > Export (API)"
        ) from err
    try:
        return find_inputs(Graph.from_json(raw))
    except InputError as err:
        raise InputError(f"workflow {path.name}: {err.message}", hint=err.hint) from err


def find_inputs(graph: Graph) -> Template:
    """Find what has to be filled, and cut off what we leave out.

    Raises InputError with the reason if something is not there.
    """
    _check_links(graph)
    start = _only_start_node(graph)
    samplers, sampled = _samplers(graph, start)
    decode = _decode(graph, sampled)
    template = Template(
        graph=graph,
        start=start,
        positive=_prompt(graph, start, "positive"),
        negative=_prompt(graph, start, "negative"),
        sound=_sound(graph, start),
        image=_image(graph, start),
        seeds=_seeds(graph, samplers),
        samplers=samplers,
        sampled=sampled,
        decode=decode,
    )
    graph.prune(*template.roots())
    return template


def set_everywhere(template: Template, option: str, name: str, value: Value) -> None:
    """Put a value over the workflow's own, in every node that has such an input.

    Raises InputError naming the option where none has.
    """
    graph, done = template.graph, False
    for node_id in {node for root in template.roots() for node in graph.upstream(root)}:
        inputs = graph[node_id].inputs
        if name in inputs and not isinstance(inputs[name], Link):
            inputs[name], done = value, True
    if not done:
        raise InputError(
            f"{mention(option)} finds no node of the workflow with an input {name} to set",
            hint="leave it out, or add such a node to the workflow",
        )


def _check_links(graph: Graph) -> None:
    for name in graph:
        for key, link in graph[name].links():
            if link.node not in graph:
                raise InputError(
                    f"input {key} of node {name} leads to node {link.node}, which is not there",
                    hint="export the workflow again, without muted or bypassed nodes",
                )


def _only_start_node(graph: Graph) -> str:
    found = graph.of_class(START_NODE)
    if len(found) != 1:
        raise InputError(
            f"it has {len(found)} {START_NODE} nodes and needs exactly one",
            hint="start from scripts/last_prompt_api_format_s2v.json",
        )
    if "control_video" in graph[found[0]].inputs:
        raise InputError(
            "a control video starts anew with every part and would be out of time",
            hint=f"remove control_video from node {found[0]}",
        )
    return found[0]


def _samplers(graph: Graph, start: str) -> tuple[tuple[str, ...], Link]:
    """The samplers from the S2V node on, in order, and the output of the last."""
    found: list[str] = []
    current = Link(start, 2)
    while takers := [
        name
        for name, key, slot in graph.consumers(current.node)
        if key == "latent_image" and (current.node != start or slot == current.slot)
    ]:
        if len(set(takers)) > 1 or takers[0] in found:
            raise InputError(
                f"several samplers take the latents of node {current.node}",
                hint="leave one way from the S2V node to the decode",
            )
        found.append(takers[0])
        current = Link(takers[0], _used_slot(graph, takers[0]))
    if not found:
        raise InputError(
            f"no sampler takes the latents (output 2) of the S2V node {start}",
            hint="link them straight to a sampler's latent_image",
        )
    return tuple(found), current


def _used_slot(graph: Graph, sampler: str) -> int:
    """SamplerCustom has two outputs: the one that the workflow uses counts."""
    return next((slot for _, _, slot in graph.consumers(sampler)), 0)


def _decode(graph: Graph, sampled: Link) -> str | None:
    for node in graph.of_class(*_DECODERS):
        if sampled.node in graph.upstream(node):
            graph[node].inputs["samples"] = sampled
            return node
    return None


def _prompt(graph: Graph, start: str, key: str) -> NodeInput:
    link = graph[start].inputs.get(key)
    if isinstance(link, Link):
        for node in graph.upstream(link.node):
            if "text" in graph[node].inputs:
                return _literal(graph, NodeInput(node, "text"))
    raise InputError(
        f"no text leads to the {key} prompt of the S2V node {start}",
        hint=f"link a CLIPTextEncode to {key}",
    )


def _sound(graph: Graph, start: str) -> NodeInput:
    """Where the sound's name goes. What cuts the sound on its way to the encoder is taken out, for
    we cut it; all else stays: a node that takes the voice out of a song, or makes it louder."""
    link = graph[start].inputs.get("audio_encoder_output")
    nodes = graph.upstream(link.node) if isinstance(link, Link) else []
    loaders = [node for node in nodes if graph[node].class_type == "LoadAudio"]
    encoders = [node for node in nodes if {"audio", "audio_encoder"} <= graph[node].inputs.keys()]
    if not loaders or not encoders:
        raise InputError(
            f"no LoadAudio and encoder lead to audio_encoder_output of the S2V node {start}",
            hint="link LoadAudio > AudioEncoderEncode > audio_encoder_output",
        )
    for node in graph.upstream(encoders[0]):
        if _CUTS.search(graph[node].class_type):
            _take_out(graph, node, loaders[0])
    return _literal(graph, NodeInput(loaders[0], "audio"))


def _take_out(graph: Graph, node: str, loader: str) -> None:
    """Give those behind the node what the node itself gets of the loader's sound."""
    sources = [link for _, link in graph[node].links() if loader in graph.upstream(link.node)]
    if not sources:
        return
    for taker, key, _ in graph.consumers(node):
        graph[taker].inputs[key] = sources[0]


def _image(graph: Graph, start: str) -> NodeInput | None:
    link = graph[start].inputs.get("ref_image")
    if not isinstance(link, Link):
        return None
    for node in graph.upstream(link.node):
        if graph[node].class_type == "LoadImage":
            return _literal(graph, NodeInput(node, "image"))
    raise InputError(
        f"no LoadImage leads to ref_image of the S2V node {start}",
        hint="link LoadImage to ref_image, or leave ref_image open",
    )


def _seeds(graph: Graph, samplers: tuple[str, ...]) -> tuple[NodeInput, ...]:
    found = {
        _literal(graph, NodeInput(node, name))
        for sampler in samplers
        for node in _seed_nodes(graph, sampler)
        for name in _SEEDS
        if name in graph[node].inputs
    }
    if not found:
        raise InputError(
            f"sampler {samplers[0]} has no seed", hint="use a sampler with seed or noise_seed"
        )
    return tuple(sorted(found, key=lambda slot: (slot.node, slot.name)))


def _seed_nodes(graph: Graph, sampler: str) -> list[str]:
    """The sampler itself, or the node that makes its noise."""
    noise = graph[sampler].inputs.get("noise")
    return [sampler, *graph.upstream(noise.node)] if isinstance(noise, Link) else [sampler]


def _literal(graph: Graph, slot: NodeInput) -> NodeInput:
    """Where the value itself stands: behind links to nodes that only hold a value."""
    value = graph[slot.node].inputs[slot.name]
    if not isinstance(value, Link):
        return slot
    for name in ("value", "text", "string", *_SEEDS):
        if name in graph[value.node].inputs:
            return _literal(graph, NodeInput(value.node, name))
    raise InputError(
        f"input {slot.name} of node {slot.node} comes from node {value.node} "
        f"({graph[value.node].class_type}), which holds no value to set",
        hint="type the value into the node itself",
    )
