"""The graph of a request: the built-in one or the user's own workflow, with the options put in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from soundreel.engines.comfyui.graphs.chunk_graph import ChunkInputs, chunk_prompt
from soundreel.engines.comfyui.graphs.film import Film
from soundreel.engines.comfyui.graphs.graph import Graph, Value
from soundreel.engines.comfyui.graphs.presets import sampler_name
from soundreel.engines.comfyui.graphs.s2v_graph import s2v_graph
from soundreel.engines.comfyui.graphs.template import (
    Template,
    find_inputs,
    load_template,
    set_everywhere,
)
from soundreel.engines.comfyui.options import ComfyUIOptions
from soundreel.engines.wan22 import CHUNK_FRAMES, LEAST_SIDE, MOTION_LATENTS, Lora
from soundreel.errors import InputError
from soundreel.timeline.grid import latents_for


def make_template(options: ComfyUIOptions) -> Template:
    """The built-in graph or the user's workflow, with the options put in. Raises InputError."""
    if options.workflow is None:
        graph = s2v_graph(
            options.models(), options.sampling, image="image", scheduler=options.noise_schedule
        )
        return find_inputs(graph)
    template = load_template(options.workflow)
    apply_options(template, options)
    return template


def sample_prompts(template: Template, film: Film | None) -> list[Graph]:
    """Prompts like those of a first and of a later chunk."""
    inputs = ChunkInputs(
        width=LEAST_SIDE,
        height=LEAST_SIDE,
        latents=latents_for(CHUNK_FRAMES),
        pictures=2,
        sound="sound",
        image="image",
        latents_before=MOTION_LATENTS + 1,
        positive="",
        negative="",
        seed=0,
        keep_latents=True,
        film=film,
        factor=2,
    )
    both = (inputs, replace(inputs, motion="motion"))
    return [Graph.from_json(chunk_prompt(template, each).prompt) for each in both]


def with_options(template: Template, options: ComfyUIOptions) -> Template:
    """A template of its own for a shot, with the shot's options over it. Raises InputError."""
    own = template.copy()
    apply_options(own, options)
    return own


def apply_options(template: Template, options: ComfyUIOptions) -> None:
    """Put what the user set over the workflow's own values. Raises InputError where it has none."""
    for option, name, value in _overrides(options):
        if value is not None:
            set_everywhere(template, option, name, value)


def _overrides(options: ComfyUIOptions) -> Iterator[tuple[str, str, Value]]:
    """(option, name of the node input, value)."""
    yield "steps", "steps", options.steps
    yield "guidance_scale", "cfg", options.guidance_scale
    yield "flow_shift", "shift", options.flow_shift
    yield "sampler", "sampler_name", options.sampler and sampler_name(options.sampler)
    yield "scheduler", "scheduler", options.scheduler
    yield "model", "unet_name", options.model
    yield "text_encoder", "clip_name", options.text_encoder
    yield "vae", "vae_name", options.vae
    yield "audio_encoder", "audio_encoder_name", options.audio_encoder
    if options.lora:
        lora = _only_lora(options.sampling.loras)
        yield "lora", "strength_model", 0.0 if lora is None else lora.strength
        yield "lora", "lora_name", None if lora is None else lora.name


def _only_lora(loras: tuple[Lora, ...]) -> Lora | None:
    if len(loras) > 1:
        raise InputError.about(
            {"options.lora": tuple(lora.name for lora in loras)},
            "a workflow brings its own nodes for LoRAs, and one can be changed",
            hint="put them into the workflow",
        )
    return loras[0] if loras else None
