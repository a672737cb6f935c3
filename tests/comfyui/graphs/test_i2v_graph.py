"""The built-in I2V graph is the one that was seen to run on a real server, and what is asked for
each pass is made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from soundreel.engines.comfyui.graphs.film import Film
from soundreel.engines.comfyui.graphs.graph import Graph, Link
from soundreel.engines.comfyui.graphs.i2v_graph import (
    ImageModels,
    PassInputs,
    PassTemplate,
    i2v_graph,
    pass_prompt,
)
from soundreel.engines.comfyui.image_engine import make_template
from soundreel.engines.comfyui.options import ComfyUIImageOptions
from soundreel.engines.wan22_i2v import PRESETS

RECORDED = json.loads((Path(__file__).parent / "recorded_i2v.json").read_text(encoding="utf-8"))
"""Graphs of image-to-video that ran on ComfyUI 0.3.64: 33 frames at 64x96."""

FIRST = PassInputs(
    width=832, height=1216, length=81, pictures=81, first="a.png", positive="yes", negative="no",
    seed=5,
)  # fmt: skip
LATER = replace(FIRST, first="b.png", goes_on=True, length=49, pictures=48)


def plain(graph: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Without the titles, which decide nothing."""
    return {
        name: {"class_type": node["class_type"], "inputs": node["inputs"]}
        for name, node in graph.items()
    }


@pytest.mark.parametrize(("name", "last"), [("i2v_high_low", None), ("flf2v_high_low", "ref.png")])
def test_the_graph_is_the_recorded_one(name: str, last: str | None) -> None:
    made = i2v_graph(
        ImageModels(), PRESETS["fast"], first="ref.png", last=last, frames=33, width=64, height=96,
        seed=7,
    )  # fmt: skip
    made["6"].inputs["text"] = "a test"
    assert plain(made.to_json()) == plain(RECORDED[name])


def template(**options: object) -> PassTemplate:
    return make_template(ComfyUIImageOptions(**options))  # type: ignore[arg-type]


def asked(inputs: PassInputs, **options: object) -> Graph:
    return Graph.from_json(pass_prompt(template(**options), inputs).prompt)


def test_quality_is_twenty_steps_with_guidance_and_no_lora() -> None:
    graph = asked(FIRST, sampling_preset="quality")
    assert not graph.of_class("LoraLoaderModelOnly")
    high, low = (graph[node].inputs for node in ("3", "4"))
    assert (high["steps"], high["cfg"], high["end_at_step"], low["start_at_step"]) == (
        20, 3.5, 10, 10,
    )  # fmt: skip
    assert graph["37s"].inputs["shift"] == 5.0


def test_all_that_a_person_chooses_is_in_the_graph() -> None:
    graph = asked(
        FIRST,
        steps=8,
        split_step=3,
        guidance_scale=2.5,
        flow_shift=8,
        sampler="unipc",
        scheduler="beta",
        lora_high=("one.safetensors:0.5", "two.safetensors"),
        lora_low=("none",),
        model_high="h.safetensors",
        model_low="l.safetensors",
        text_encoder="t.safetensors",
        vae="v.safetensors",
    )
    high, low = (graph[node].inputs for node in ("3", "4"))
    for sampler in (high, low):
        chosen = {name: sampler[name] for name in ("steps", "cfg", "sampler_name", "scheduler")}
        assert chosen == {"steps": 8, "cfg": 2.5, "sampler_name": "uni_pc", "scheduler": "beta"}
    assert (high["end_at_step"], low["start_at_step"]) == (3, 3)
    loras = [graph[node].inputs for node in graph.of_class("LoraLoaderModelOnly")]
    assert [(lora["lora_name"], lora["strength_model"]) for lora in loras] == [
        ("one.safetensors", 0.5),
        ("two.safetensors", 1.0),
    ]
    assert graph["38ms"].inputs["model"] == Link("38m")
    models = [graph[node].inputs["unet_name"] for node in ("37", "38m")]
    assert models == ["h.safetensors", "l.safetensors"]
    assert graph["38"].inputs["clip_name"] == "t.safetensors"
    assert graph["39"].inputs["vae_name"] == "v.safetensors"


@pytest.mark.parametrize(("split", "only"), [(0, "4"), (4, "3")])
def test_a_model_without_steps_is_not_asked_for(split: int, only: str) -> None:
    prompt = pass_prompt(template(split_step=split), FIRST)
    graph = Graph.from_json(prompt.prompt)
    assert (prompt.samplers, prompt.steps) == ((only,), (4,))
    sampler = graph[only].inputs
    assert (sampler["add_noise"], sampler["return_with_leftover_noise"]) == ("enable", "disable")
    assert len(graph.of_class("UNETLoader")) == 1


@pytest.mark.parametrize(
    ("first", "last", "node", "pictures"),
    [
        ("a.png", None, "WanImageToVideo", {"start_image": "a.png"}),
        ("a.png", "b.png", "WanFirstLastFrameToVideo",
         {"start_image": "a.png", "end_image": "b.png"}),
        (None, "b.png", "WanFirstLastFrameToVideo", {"end_image": "b.png"}),
    ],
)  # fmt: skip
def test_the_pictures_go_where_they_belong(
    first: str | None, last: str | None, node: str, pictures: dict[str, str]
) -> None:
    graph = asked(replace(FIRST, first=first, last=last))
    begin = graph["50"]
    assert begin.class_type == node
    found = {
        name: graph[link.node].inputs["image"]
        for name, link in begin.links()
        if name.endswith("_image")
    }
    assert found == pictures
    assert len(graph.of_class("LoadImage")) == len(pictures)
    assert (begin.inputs["length"], begin.inputs["width"], begin.inputs["height"]) == (
        81, 832, 1216,
    )  # fmt: skip
    texts = [graph[node].inputs["text"] for node in ("6", "7")]
    assert texts == ["yes", "no"]
    assert [graph[node].inputs["noise_seed"] for node in ("3", "4")] == [5, 5]


def kept(graph: Graph) -> list[tuple[object, object]]:
    """(first picture, number) of each cut, the first one first."""
    cuts = graph.of_class("ImageFromBatch")
    return [(graph[cut].inputs["batch_index"], graph[cut].inputs["length"]) for cut in cuts]


def test_a_later_pass_does_not_show_the_picture_that_it_begins_with() -> None:
    assert kept(asked(FIRST)) == [(0, 81)]
    assert kept(asked(LATER)) == [(1, 48)]


def test_film_goes_over_the_border_between_two_passes() -> None:
    film = Film("FILM VFI", "film_net_fp32.pt")
    first = pass_prompt(template(), replace(FIRST, film=film, factor=2))
    later = pass_prompt(template(), replace(LATER, film=film, factor=2))
    assert (first.expected, later.expected) == (161, 96)
    assert kept(Graph.from_json(first.prompt)) == [(0, 81), (0, 161)]
    assert kept(Graph.from_json(later.prompt)) == [(0, 49), (1, 96)]


@pytest.mark.parametrize("inputs", [FIRST, LATER])
def test_nothing_is_asked_for_but_the_pictures(inputs: PassInputs) -> None:
    prompt = pass_prompt(template(), inputs)
    graph = Graph.from_json(prompt.prompt)
    assert not graph.of_class("CreateVideo", "SaveVideo", "SaveLatent")
    assert prompt.latents is None
    assert graph[prompt.pictures].class_type == "PreviewImage"
    streamed = pass_prompt(template(), replace(inputs, streamed=True))
    assert streamed.with_files == ()
    assert (streamed.samplers, streamed.steps) == (("3", "4"), (2, 2))
