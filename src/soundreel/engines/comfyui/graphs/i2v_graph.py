"""The I2V graph: a complete job of one pass, and what is asked of the server for each pass.

Two samplers share the steps: that of the high-noise model hands its latents, noise and all, to that
of the low-noise one. A pass of n latents gives 4n - 3 pictures, of which the first is the one that
it begins with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from soundreel.engines.comfyui.graphs.chunk_graph import (
    MAX_SEED,
    ChunkPrompt,
    PromptInputs,
    brought_back,
    show,
)
from soundreel.engines.comfyui.graphs.film import Film
from soundreel.engines.comfyui.graphs.graph import Graph, Link
from soundreel.engines.comfyui.graphs.presets import SCHEDULER, sampler_name
from soundreel.engines.wan22 import LEAST_SIDE, PICTURE_RATE, TEXT_ENCODER, VAE
from soundreel.engines.wan22_i2v import EXPERTS, TRANSFORMERS, Expert, ImageSampling
from soundreel.types import DEFAULT_IMAGE_NEGATIVE_PROMPT, DEFAULT_IMAGE_PROMPT

FIRST_NODE = "WanImageToVideo"
ENDS_NODE = "WanFirstLastFrameToVideo"

_PASS, _POSITIVE, _NEGATIVE, _DECODE, _VAE = "50", "6", "7", "80", "39"
_FIRST, _LAST = "52", "53"
_SAMPLERS: Mapping[Expert, str] = {"high": "3", "low": "4"}
_MODELS: Mapping[Expert, str] = {"high": "37", "low": "38m"}
_TITLES: Mapping[Expert, str] = {"high": "high noise", "low": "low noise"}


@dataclass(frozen=True, slots=True)
class ImageModels:
    """File names as ComfyUI lists them."""

    transformers: Mapping[Expert, str] = field(
        default_factory=lambda: {expert: TRANSFORMERS[expert].name for expert in EXPERTS}
    )
    text_encoder: str = TEXT_ENCODER.name
    vae: str = VAE.name


@dataclass(frozen=True, slots=True, kw_only=True)
class PassInputs(PromptInputs):
    """What one pass's prompt is made of.

    length: pictures that it makes, 4n + 1. first, last: names on the server of those that it begins
        and ends with.
    goes_on: whether `first` was the last picture of a pass before this one, which has shown it.
    """

    length: int
    first: str | None
    last: str | None = None
    goes_on: bool = False


def i2v_graph(
    models: ImageModels,
    sampling: ImageSampling,
    *,
    first: str | None = "portrait.png",
    last: str | None = None,
    frames: int = 81,
    width: int = 832,
    height: int = 1216,
    seed: int = 0,
    scheduler: str = SCHEDULER,
) -> Graph:
    """One pass of `frames` pictures (4n + 1). first, last: names in the server's input folder."""
    graph = Graph()
    vae = graph.add("VAELoader", node_id=_VAE, title="Load VAE", vae_name=models.vae)
    positive, negative = _prompts(graph, models)
    begin = graph.add(
        FIRST_NODE,
        node_id=_PASS,
        title="Image to video",
        positive=positive,
        negative=negative,
        vae=vae,
        width=width,
        height=height,
        length=frames,
        batch_size=1,
    )
    set_pictures(graph, first, last)
    latents = begin.out(2)
    for expert, start, end in _shares(sampling):
        model = _model(graph, models, sampling, expert)
        latents = graph.add(
            "KSamplerAdvanced",
            node_id=_SAMPLERS[expert],
            title=f"Sample, {_TITLES[expert]}",
            model=model,
            positive=begin,
            negative=begin.out(1),
            latent_image=latents,
            add_noise="enable" if start == 0 else "disable",
            noise_seed=seed,
            steps=sampling.steps,
            cfg=sampling.guidance_scale,
            sampler_name=sampler_name(sampling.sampler),
            scheduler=scheduler,
            start_at_step=start,
            end_at_step=end if end < sampling.steps else 10000,
            return_with_leftover_noise="enable" if end < sampling.steps else "disable",
        )
    pictures = graph.add("VAEDecode", node_id=_DECODE, title="Decode", samples=latents, vae=vae)
    _video(graph, pictures, ends=last is not None)
    return graph


def set_pictures(graph: Graph, first: str | None, last: str | None) -> None:
    """The pictures that the pass begins and ends with, by their names on the server."""
    node = graph[_PASS]
    node.class_type = FIRST_NODE if last is None else ENDS_NODE
    given = ((first, _FIRST, "start_image", "First"), (last, _LAST, "end_image", "Last"))
    for name, node_id, where, title in given:
        node.inputs.pop(where, None)
        if name is not None:
            title = f"{title} picture"
            node.inputs[where] = graph.add("LoadImage", node_id=node_id, title=title, image=name)


@dataclass(frozen=True, slots=True)
class PassTemplate:
    """What every pass is made from: an `i2v_graph` without pictures."""

    graph: Graph

    def copy(self) -> PassTemplate:
        return PassTemplate(self.graph.copy())


def pass_prompt(template: PassTemplate, inputs: PassInputs) -> ChunkPrompt:
    """The graph that makes this pass, and nothing else."""
    graph = template.graph.copy()
    set_pictures(graph, inputs.first, inputs.last)
    graph[_POSITIVE].inputs["text"] = inputs.positive
    graph[_NEGATIVE].inputs["text"] = inputs.negative
    size = {"width": inputs.width, "height": inputs.height, "length": inputs.length}
    graph[_PASS].inputs |= size
    samplers = tuple(node for node in _SAMPLERS.values() if node in graph)
    for sampler in samplers:
        graph[sampler].inputs["noise_seed"] = inputs.seed % MAX_SEED
    before = 1 if inputs.goes_on else 0
    pictures, expected = brought_back(graph, Link(_DECODE), before, before, inputs)
    shown = show(graph, pictures, inputs)
    graph.prune(shown)
    steps = tuple(_steps_of(graph, sampler) for sampler in samplers)
    return ChunkPrompt(graph.to_json(), shown, None, samplers, expected, inputs.streamed, steps)


def sample_prompts(template: PassTemplate, film: Film | None) -> list[Graph]:
    """Prompts like those of a pass that begins, and one that begins and ends with a picture."""
    inputs = PassInputs(
        width=LEAST_SIDE, height=LEAST_SIDE, length=5, pictures=2, first="first", positive="",
        negative="", seed=0, film=film, factor=2,
    )  # fmt: skip
    both = (inputs, replace(inputs, last="last"))
    return [Graph.from_json(pass_prompt(template, each).prompt) for each in both]


def _steps_of(graph: Graph, sampler: str) -> int:
    bounds = (graph[sampler].inputs[name] for name in ("start_at_step", "end_at_step", "steps"))
    start, end, steps = (bound if isinstance(bound, int) else 0 for bound in bounds)
    return min(end, steps) - start


def _shares(sampling: ImageSampling) -> list[tuple[Expert, int, int]]:
    """Which steps each model takes: from, to. One that takes none is left out."""
    split, steps = sampling.high_steps, sampling.steps
    shares: list[tuple[Expert, int, int]] = [("high", 0, split), ("low", split, steps)]
    return [share for share in shares if share[1] < share[2]]


def _prompts(graph: Graph, models: ImageModels) -> tuple[Link, Link]:
    clip = graph.add(
        "CLIPLoader",
        node_id="38",
        title="Load text encoder",
        clip_name=models.text_encoder,
        type="wan",
        device="default",
    )
    texts = (
        (_POSITIVE, "Positive prompt", DEFAULT_IMAGE_PROMPT),
        (_NEGATIVE, "Negative prompt", DEFAULT_IMAGE_NEGATIVE_PROMPT),
    )
    positive, negative = (
        graph.add("CLIPTextEncode", node_id=node_id, title=title, text=text, clip=clip)
        for node_id, title, text in texts
    )
    return positive, negative


def _model(graph: Graph, models: ImageModels, sampling: ImageSampling, expert: Expert) -> Link:
    name = _MODELS[expert]
    model = graph.add(
        "UNETLoader",
        node_id=name,
        title=f"Load I2V model, {_TITLES[expert]}",
        unet_name=models.transformers[expert],
        weight_dtype="default",
    )
    for number, lora in enumerate(sampling.loras[expert]):
        model = graph.add(
            "LoraLoaderModelOnly",
            node_id=None if number else f"{name}l",
            title=f"LoRA, {_TITLES[expert]}",
            model=model,
            lora_name=lora.name,
            strength_model=lora.strength,
        )
    return graph.add(
        "ModelSamplingSD3",
        node_id=f"{name}s",
        title=f"Shift, {_TITLES[expert]}",
        model=model,
        shift=sampling.flow_shift,
    )


def _video(graph: Graph, pictures: Link, *, ends: bool) -> None:
    video = graph.add(
        "CreateVideo", node_id="82", title="Video", images=pictures, fps=float(PICTURE_RATE)
    )
    graph.add(
        "SaveVideo",
        node_id="113",
        title="Save",
        video=video,
        filename_prefix="video/flf" if ends else "video/i2v",
        format="auto",
        codec="auto",
    )
