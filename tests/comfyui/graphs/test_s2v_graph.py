"""The built-in S2V graph, and the prompts that are made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from soundreel.engines.comfyui.graphs.chunk_graph import ChunkInputs, chunk_prompt
from soundreel.engines.comfyui.graphs.film import Film
from soundreel.engines.comfyui.graphs.graph import Graph, Link
from soundreel.engines.comfyui.graphs.presets import Models
from soundreel.engines.comfyui.graphs.s2v_graph import classic_graph, s2v_graph
from soundreel.engines.comfyui.graphs.template import find_inputs
from soundreel.engines.wan22 import PRESETS, Lora

TEMPLATE_FILE = Path(__file__).parents[3] / "scripts" / "last_prompt_api_format_s2v.json"

FIRST = ChunkInputs(
    width=832,
    height=1216,
    latents=20,
    pictures=77,
    sound="a.wav",
    image="b.png",
    positive="yes",
    negative="no",
    seed=5,
    keep_latents=True,
)
LATER = replace(
    FIRST, latents=11, pictures=44, motion="m.latent", latents_before=40, keep_latents=True
)


def prompt(inputs: ChunkInputs) -> tuple[Graph, str, str | None, int]:
    made = chunk_prompt(find_inputs(classic_graph()), inputs)
    return Graph.from_json(made.prompt), made.pictures, made.latents, made.expected


def one(graph: Graph, class_type: str) -> Mapping[str, object]:
    (node,) = graph.of_class(class_type)
    return graph[node].inputs


def test_the_template_file_is_what_the_builder_builds() -> None:
    assert json.loads(TEMPLATE_FILE.read_text(encoding="utf-8")) == classic_graph().to_json()


def test_nodes_keep_the_numbers_that_users_know() -> None:
    classes = {name: classic_graph()[name].class_type for name in classic_graph()}
    assert classes == {
        "84": "CLIPLoader",
        "86": "KSamplerAdvanced",
        "87": "VAEDecode",
        "89": "CLIPTextEncode",
        "90": "VAELoader",
        "93": "CLIPTextEncode",
        "94": "CreateVideo",
        "95": "UNETLoader",
        "97": "LoadImage",
        "98": "WanSoundImageToVideo",
        "103": "ModelSamplingSD3",
        "107": "LoraLoaderModelOnly",
        "108": "SaveVideo",
        "119": "LoadAudio",
        "120": "AudioEncoderLoader",
        "122": "AudioEncoderEncode",
    }


def test_the_shift_acts_on_the_sampler() -> None:
    graph = classic_graph()
    assert graph["86"].inputs["model"] == Link("103")
    assert graph["103"].inputs == {"model": Link("107"), "shift": 5.0}


def test_prompts_stand_under_their_numbers() -> None:
    start = classic_graph()["98"].inputs
    assert (start["negative"], start["positive"]) == (Link("89"), Link("93"))


def test_without_an_image_its_node_and_link_are_absent() -> None:
    graph = s2v_graph(Models(), PRESETS["fast"])
    assert "97" not in graph
    assert "ref_image" not in graph["98"].inputs


def test_a_segment_adds_the_trim_node_for_encoder_and_video() -> None:
    graph = s2v_graph(Models(), PRESETS["fast"], segment=(Fraction(2), Fraction(5, 2)))
    assert graph["121"].inputs == {"audio": Link("119"), "start_index": 2.0, "duration": 2.5}
    assert graph["122"].inputs["audio"] == graph["94"].inputs["audio"] == Link("121")


def test_the_quality_preset_has_no_lora() -> None:
    graph = s2v_graph(Models(), PRESETS["quality"])
    assert "107" not in graph
    assert graph["103"].inputs["model"] == Link("95")
    assert (graph["86"].inputs["steps"], graph["86"].inputs["cfg"]) == (20, 6.0)


def test_several_loras_are_chained() -> None:
    sampling = replace(PRESETS["fast"], loras=(Lora("a", 0.5), Lora("b")))
    graph = s2v_graph(Models(), sampling)
    first, second = graph.of_class("LoraLoaderModelOnly")
    assert graph[second].inputs["model"] == Link(first)
    assert graph["103"].inputs["model"] == Link(second)


def test_first_chunk_starts_a_shot() -> None:
    graph, _, _, expected = prompt(FIRST)
    start = one(graph, "WanSoundImageToVideo")
    assert (start["length"], start["width"], start["height"]) == (77, 832, 1216)
    assert not graph.of_class("LoadLatent", "WanSoundImageToVideoExtend", "SaveVideo")
    assert expected == 77


def test_first_latent_is_doubled_so_that_no_overbaked_picture_is_kept() -> None:
    graph, pictures, _, _ = prompt(FIRST)
    assert one(graph, "LatentCut")["amount"] == 1
    cut = graph[pictures].inputs["images"]
    assert isinstance(cut, Link)
    assert graph[cut.node].inputs["batch_index"] == 4
    assert graph[cut.node].inputs["length"] == 77


def test_later_chunk_finds_its_place_by_the_number_of_latents_before_it() -> None:
    graph, _, _, _ = prompt(LATER)
    extend = one(graph, "WanSoundImageToVideoExtend")
    assert extend["length"] == 41
    assert "width" not in extend
    place = extend["video_latent"]
    assert isinstance(place, Link)
    zeros = one(graph, "EmptyHunyuanLatentVideo")
    assert (int(str(zeros["length"])) - 1) // 4 + 1 == 40 - 19
    assert graph[place.node].inputs["samples2"] == Link(graph.of_class("LoadLatent")[0])


def test_nineteen_latents_before_need_no_zeros() -> None:
    graph, _, _, _ = prompt(replace(LATER, latents_before=19))
    assert not graph.of_class("EmptyHunyuanLatentVideo")


def test_later_chunk_is_decoded_behind_its_motion() -> None:
    graph, pictures, _, expected = prompt(LATER)
    cut = graph[pictures].inputs["images"]
    assert isinstance(cut, Link)
    assert graph[cut.node].inputs["batch_index"] == 73
    assert expected == 44


def test_latents_are_saved_only_for_a_next_chunk() -> None:
    graph, _, latents, _ = prompt(FIRST)
    assert latents is not None
    assert graph[latents].inputs["samples"] == Link("86")
    graph, _, latents, _ = prompt(replace(FIRST, keep_latents=False))
    assert latents is None
    assert not graph.of_class("SaveLatent")


def test_pictures_come_through_a_node_that_keeps_nothing() -> None:
    graph, pictures, _, _ = prompt(FIRST)
    assert graph[pictures].class_type == "PreviewImage"
    assert not graph.of_class("SaveImage", "SaveVideo")


def test_a_seed_beyond_the_servers_range_wraps() -> None:
    graph, _, _, _ = prompt(replace(FIRST, seed=2**64 + 3))
    assert graph["86"].inputs["noise_seed"] == 3


def test_without_an_image_a_chunk_has_none() -> None:
    graph, _, _, _ = prompt(replace(LATER, image=None))
    assert not graph.of_class("LoadImage")


@pytest.mark.parametrize(
    ("inputs", "source", "expected"),
    [(FIRST, (4, 77), 76 * 2 + 1), (LATER, (72, 45), 44 * 2)],
    ids=["first", "later"],
)
def test_film_gets_the_picture_before_the_chunk_in_front(
    inputs: ChunkInputs, source: tuple[int, int], expected: int
) -> None:
    film = Film("FrameInterpolate", "film.safetensors", "interp_model")
    graph, _, _, count = prompt(replace(inputs, film=film, factor=2))
    taken = one(graph, "FrameInterpolate")["images"]
    assert isinstance(taken, Link)
    cut = graph[taken.node].inputs
    assert (cut["batch_index"], cut["length"]) == source
    assert count == expected
    assert one(graph, "FrameInterpolate")["interp_model"] == Link(
        graph.of_class("FrameInterpolationModelLoader")[0]
    )


def test_one_picture_alone_is_not_interpolated() -> None:
    film = Film("FILM VFI", "film_net_fp32.pt")
    graph, _, _, count = prompt(replace(FIRST, latents=1, pictures=1, film=film, factor=2))
    assert not graph.of_class("FILM VFI")
    assert count == 1
