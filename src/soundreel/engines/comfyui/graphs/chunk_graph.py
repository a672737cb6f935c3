"""One prompt for one chunk, made from a template: the only place that knows the nodes' time law.

Latents of a shot are counted from its first; latent i holds pictures 4i-3 ... 4i and is driven by
the sound up to bucket 4i (a bucket is 1/16 s). A later chunk is a prompt of its own: the Extend
node takes its place in the sound from the number of latents in front of it, and its motion from the
last 19 of them, or from all where there are fewer: the model pads those itself. So only those are
loaded, and zeros stand for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soundreel.engines.comfyui.graphs.film import Film
from soundreel.engines.comfyui.graphs.graph import Graph, Link
from soundreel.engines.comfyui.graphs.s2v_graph import EXTEND_NODE, START_NODE
from soundreel.engines.comfyui.graphs.template import NodeInput, Template
from soundreel.engines.wan22 import MOTION_LATENTS
from soundreel.timeline.grid import FRAMES_PER_LATENT, pictures_of

DOUBLED_FRAMES = FRAMES_PER_LATENT
"""Pictures in front of the wanted ones. The first latent of a decode gives one, each later one
four, of which the last is in time with the latent: a doubled first latent gives 1 + 3 too many."""

STREAMING_NODE = "SaveImageWebsocket"
"""Sends each picture as a PNG on the socket: the same bytes of pixels as a file, and no file."""
_EXTEND_INPUTS = ("positive", "negative", "vae", "audio_encoder_output", "ref_image")
MAX_SEED = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptInputs:
    """What every prompt is made of, of a sound or of an image.

    pictures: how many to bring back, from the chunk's first on. film, factor: interpolation on the
    server; the last picture before the chunk then goes in front. streamed: the pictures come on the
    socket and leave no files.
    """

    width: int
    height: int
    pictures: int
    positive: str
    negative: str
    seed: int
    film: Film | None = None
    factor: int = 1
    streamed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkInputs(PromptInputs):
    """What one chunk's prompt is made of.

    latents: latent frames to sample.
    sound, image, motion: names on the server; motion None begins a shot.
    motion_latents: latent frames in `motion`.
    latents_before: latent frames between the beginning of the sound and this chunk.
    keep_latents: whether a next chunk needs this one's.
    """

    latents: int
    sound: str
    image: str | None
    motion: str | None = None
    motion_latents: int = MOTION_LATENTS
    latents_before: int = 0
    keep_latents: bool = False


@dataclass(frozen=True, slots=True)
class ChunkPrompt:
    """prompt: API format. pictures, latents: ids of the output nodes. samplers: whose steps count.
    expected: pictures that the first output gives. streamed: on the socket, not as files. steps: of
    each sampler, where several share them; () where each has its own."""

    prompt: Mapping[str, Mapping[str, Any]]
    pictures: str
    latents: str | None
    samplers: tuple[str, ...]
    expected: int
    streamed: bool
    steps: tuple[int, ...] = ()

    @property
    def with_files(self) -> tuple[str, ...]:
        """The output nodes that leave files."""
        nodes = (None if self.streamed else self.pictures, self.latents)
        return tuple(node for node in nodes if node is not None)


def chunk_prompt(template: Template, inputs: ChunkInputs) -> ChunkPrompt:
    """The graph that makes this chunk, and nothing else."""
    graph = template.graph.copy()
    _fill(graph, template, inputs)
    motion = _load_motion(graph, inputs)
    _set_start(graph, template, inputs, motion)
    pictures, expected = _pictures(graph, template, inputs, motion)
    shown = show(graph, pictures, inputs)
    kept = _save_latents(graph, template.sampled) if inputs.keep_latents else None
    graph.prune(*(node for node in (shown, kept) if node is not None))
    return ChunkPrompt(graph.to_json(), shown, kept, template.samplers, expected, inputs.streamed)


def _fill(graph: Graph, template: Template, inputs: ChunkInputs) -> None:
    _put(graph, template.positive, inputs.positive)
    _put(graph, template.negative, inputs.negative)
    _put(graph, template.sound, inputs.sound)
    for slot in template.seeds:
        _put(graph, slot, inputs.seed % MAX_SEED)
    start = graph[template.start].inputs
    if inputs.image is None:
        start.pop("ref_image", None)
    elif template.image is not None:
        _put(graph, template.image, inputs.image)
    else:
        start["ref_image"] = graph.add("LoadImage", title="Reference image", image=inputs.image)


def _put(graph: Graph, slot: NodeInput, value: str | int) -> None:
    graph[slot.node].inputs[slot.name] = value


def _set_start(graph: Graph, template: Template, inputs: ChunkInputs, motion: Link | None) -> None:
    """The S2V node of this chunk: the node that starts a shot, or the one that extends it."""
    node = graph[template.start]
    length = pictures_of(inputs.latents)
    if motion is None:
        node.class_type = START_NODE
        node.inputs |= {
            "width": inputs.width,
            "height": inputs.height,
            "length": length,
            "batch_size": 1,
        }
        return
    node.class_type = EXTEND_NODE
    kept = {name: node.inputs[name] for name in _EXTEND_INPUTS if name in node.inputs}
    node.inputs = {**kept, "length": length, "video_latent": _place_in_sound(graph, inputs, motion)}


def _place_in_sound(graph: Graph, inputs: ChunkInputs, motion: Link) -> Link:
    """The motion latents with zeros in front, until their number says where in the sound we are."""
    missing = inputs.latents_before - inputs.motion_latents
    if missing < 0 or (missing > 0 and inputs.motion_latents < MOTION_LATENTS):
        raise ValueError(f"{inputs.latents_before} latents before, {inputs.motion_latents} of them")
    if missing == 0:
        return motion
    zeros = graph.add(
        "EmptyHunyuanLatentVideo",
        title="Time before",
        width=inputs.width,
        height=inputs.height,
        length=pictures_of(missing),
        batch_size=1,
    )
    return _concat(graph, zeros, motion, "Time before, then motion")


def _load_motion(graph: Graph, inputs: ChunkInputs) -> Link | None:
    if inputs.motion is None:
        return None
    return graph.add("LoadLatent", title="Motion of the chunk before", latent=inputs.motion)


def _concat(graph: Graph, first: Link, second: Link, title: str) -> Link:
    return graph.add("LatentConcat", title=title, samples1=first, samples2=second, dim="t")


def _pictures(
    graph: Graph, template: Template, inputs: ChunkInputs, motion: Link | None
) -> tuple[Link, int]:
    """The pictures to bring back, and their number."""
    if motion is None:
        motion, skipped = _first_latent(graph, template.sampled), DOUBLED_FRAMES
    else:
        skipped = pictures_of(inputs.motion_latents)
    latents = _concat(graph, motion, template.sampled, "What came before, then this chunk")
    decoded = _decode(graph, template, latents)
    before = 0 if inputs.motion is None else 1
    return brought_back(graph, decoded, skipped, before, inputs)


def brought_back(
    graph: Graph, decoded: Link, skipped: int, before: int, inputs: PromptInputs
) -> tuple[Link, int]:
    """The pictures of a decode after the first `skipped`, and how many there are with those that
    FILM makes between them.

    With FILM the picture before them (`before` is 1) stands in front, so that n become n * factor;
    a shot's first chunk has none (0), and gives (n - 1) * factor + 1.
    """
    count = inputs.pictures + before
    if inputs.film is None or count < 2:
        return _cut(graph, decoded, skipped, inputs.pictures), inputs.pictures
    source = _cut(graph, decoded, skipped - before, count)
    expected = (count - 1) * inputs.factor + 1 - before
    filmed = inputs.film.add(graph, source, inputs.factor)
    return _cut(graph, filmed, before, expected), expected


def show(graph: Graph, pictures: Link, inputs: PromptInputs) -> str:
    """The id of the node that gives the pictures out."""
    way = STREAMING_NODE if inputs.streamed else "PreviewImage"
    return graph.add(way, title="Pictures", images=pictures).node


def _first_latent(graph: Graph, sampled: Link) -> Link:
    """To stand in front of a shot, because the first picture of every decode is overbaked."""
    return graph.add(
        "LatentCut", title="First latent, once more", samples=sampled, dim="t", index=0, amount=1
    )


def _decode(graph: Graph, template: Template, latents: Link) -> Link:
    """As the template decodes, be it in tiles; else plainly."""
    if template.decode is None:
        vae = graph[template.start].inputs["vae"]
        return graph.add("VAEDecode", title="Decode", samples=latents, vae=vae)
    graph[template.decode].inputs["samples"] = latents
    return Link(template.decode)


def _cut(graph: Graph, pictures: Link, first: int, count: int) -> Link:
    return graph.add(
        "ImageFromBatch", title="What is kept", image=pictures, batch_index=first, length=count
    )


def _save_latents(graph: Graph, sampled: Link) -> str:
    """Write this chunk's latents, as floats, where we can fetch them; which of them are the next
    chunk's motion is decided here (`latents.next_motion`): a cut on the server is a view that
    older versions cannot save."""
    return graph.add(
        "SaveLatent",
        title="Keep the latents",
        samples=sampled,
        filename_prefix="soundreel/latents",
    ).node
