"""Users' own workflows: filled by class types and links, or refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from soundreel.engines.comfyui.graphs.chunk_graph import ChunkInputs, chunk_prompt
from soundreel.engines.comfyui.graphs.graph import Graph, Link
from soundreel.engines.comfyui.graphs.s2v_graph import classic_graph
from soundreel.engines.comfyui.graphs.template import (
    NodeInput,
    find_inputs,
    load_template,
)
from soundreel.engines.comfyui.options import ComfyUIOptions, read_options
from soundreel.engines.comfyui.workflow import apply_options
from soundreel.errors import InputError
from soundreel.types import Request


def renumbered(graph: Graph) -> Graph:
    """The same graph under names that mean nothing, in another order."""
    names = {name: f"n{number}" for number, name in enumerate(reversed(list(graph)))}
    other = Graph()
    for name in reversed(list(graph)):
        node = graph[name]
        link = other.add(node.class_type, node_id=names[name])
        other[link.node].inputs |= {
            key: Link(names[value.node], value.slot) if isinstance(value, Link) else value
            for key, value in node.inputs.items()
        }
    return other


def inputs(**changes: object) -> ChunkInputs:
    values: dict[str, object] = {
        "width": 64,
        "height": 96,
        "latents": 3,
        "pictures": 9,
        "sound": "my.wav",
        "image": "me.png",
        "positive": "a cat",
        "negative": "a dog",
        "seed": 11,
    }
    return ChunkInputs(**{**values, **changes})  # type: ignore[arg-type]


def filled(graph: Graph, **changes: object) -> Graph:
    return Graph.from_json(chunk_prompt(find_inputs(graph), inputs(**changes)).prompt)


def values_of(graph: Graph, class_type: str, name: str) -> set[object]:
    return {graph[node].inputs.get(name) for node in graph.of_class(class_type)}


def test_any_numbering_is_understood() -> None:
    graph = filled(renumbered(classic_graph()))
    assert values_of(graph, "CLIPTextEncode", "text") == {"a cat", "a dog"}
    assert values_of(graph, "LoadAudio", "audio") == {"my.wav"}
    assert values_of(graph, "LoadImage", "image") == {"me.png"}
    assert values_of(graph, "KSamplerAdvanced", "noise_seed") == {11}
    assert values_of(graph, "WanSoundImageToVideo", "length") == {9}


def test_prompts_are_told_apart_by_their_links() -> None:
    template = find_inputs(renumbered(classic_graph()))
    start = template.graph[template.start].inputs
    assert start["positive"] == Link(template.positive.node)
    assert start["negative"] == Link(template.negative.node)


def test_later_chunks_swap_the_start_node_for_the_extend_node() -> None:
    graph = filled(renumbered(classic_graph()), motion="m.latent", latents_before=19)
    assert not graph.of_class("WanSoundImageToVideo")
    (extend,) = graph.of_class("WanSoundImageToVideoExtend")
    assert set(graph[extend].inputs) == {
        "positive", "negative", "vae", "audio_encoder_output", "ref_image", "length",
        "video_latent",
    }  # fmt: skip


def test_a_trim_in_the_workflow_is_taken_out() -> None:
    graph = classic_graph()
    trimmed = graph.add("TrimAudioDuration", audio=Link("119"), start_index=2.0, duration=5.0)
    graph["122"].inputs["audio"] = trimmed
    assert not filled(graph).of_class("TrimAudioDuration")


def test_an_image_is_added_where_the_workflow_has_none() -> None:
    graph = classic_graph()
    del graph["98"].inputs["ref_image"]
    assert values_of(filled(graph), "LoadImage", "image") == {"me.png"}


def test_scaling_of_the_image_is_kept() -> None:
    graph = classic_graph()
    graph["98"].inputs["ref_image"] = graph.add("ImageScaleBy", image=Link("97"), scale_by=0.5)
    made = filled(graph)
    assert made.of_class("ImageScaleBy")
    assert values_of(made, "LoadImage", "image") == {"me.png"}


def test_tiled_decoding_is_kept_with_its_settings() -> None:
    graph = classic_graph()
    graph["87"].class_type = "VAEDecodeTiled"
    graph["87"].inputs["tile_size"] = 256
    made = filled(graph)
    assert values_of(made, "VAEDecodeTiled", "tile_size") == {256}
    assert not made.of_class("VAEDecode")


def test_what_lies_behind_the_decode_is_left_out() -> None:
    graph = classic_graph()
    graph["94"].inputs["images"] = graph.add("ImageSharpen", image=Link("87"))
    assert not filled(graph).of_class("ImageSharpen", "CreateVideo", "SaveVideo")


def test_of_several_chunks_the_first_is_taken() -> None:
    graph = classic_graph()
    extend = graph.add(
        "WanSoundImageToVideoExtend",
        positive=Link("93"),
        negative=Link("89"),
        vae=Link("90"),
        length=77,
        video_latent=Link("86"),
    )
    second = graph.add("KSampler", latent_image=extend.out(2), positive=extend, seed=1)
    graph["87"].inputs["samples"] = graph.add(
        "LatentConcat", samples1=Link("86"), samples2=second, dim="t"
    )
    template = find_inputs(graph)
    assert template.samplers == ("86",)
    assert template.decode == "87"
    assert not template.graph.of_class("KSampler", "WanSoundImageToVideoExtend")


def test_two_samplers_in_a_row_share_the_seed() -> None:
    graph = classic_graph()
    graph["86"].inputs["return_with_leftover_noise"] = "enable"
    second = graph.add("KSamplerAdvanced", latent_image=Link("86"), noise_seed=1, model=Link("95"))
    graph["87"].inputs["samples"] = second
    template = find_inputs(graph)
    assert template.samplers == ("86", second.node)
    assert template.sampled == second
    assert values_of(filled(graph), "KSamplerAdvanced", "noise_seed") == {11}


def test_custom_samplers_take_seed_and_output_from_their_links() -> None:
    graph = classic_graph()
    noise = graph.add("RandomNoise", noise_seed=4)
    custom = graph.add("SamplerCustomAdvanced", noise=noise, latent_image=Link("98", 2))
    graph["86"].inputs.pop("latent_image")
    graph["87"].inputs["samples"] = custom.out(1)
    template = find_inputs(graph)
    assert template.sampled == custom.out(1)
    assert template.seeds == (NodeInput(noise.node, "noise_seed"),)


def test_values_behind_links_are_set_where_they_stand() -> None:
    graph = classic_graph()
    text = graph.add("PrimitiveString", value="old")
    graph["93"].inputs["text"] = text
    assert values_of(filled(graph), "PrimitiveString", "value") == {"a cat"}


def damage_no_start(graph: Graph) -> None:
    graph["98"].class_type = "WanImageToVideo"


def damage_two_starts(graph: Graph) -> None:
    graph.add("WanSoundImageToVideo")


def damage_no_sampler(graph: Graph) -> None:
    graph["86"].inputs["latent_image"] = Link("98", 0)


def damage_two_samplers(graph: Graph) -> None:
    graph.add("KSampler", latent_image=Link("98", 2))


def damage_no_sound(graph: Graph) -> None:
    del graph["98"].inputs["audio_encoder_output"]


def damage_no_encoder(graph: Graph) -> None:
    graph["122"].inputs["my_encoder"] = graph["122"].inputs.pop("audio_encoder")


def damage_no_prompt(graph: Graph) -> None:
    graph["98"].inputs["positive"] = "text"


def damage_dangling(graph: Graph) -> None:
    graph["98"].inputs["vae"] = Link("404")


def damage_control(graph: Graph) -> None:
    graph["98"].inputs["control_video"] = Link("97")


def damage_no_seed(graph: Graph) -> None:
    del graph["86"].inputs["noise_seed"]


def damage_image(graph: Graph) -> None:
    graph["98"].inputs["ref_image"] = graph.add("EmptyImage")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damage_no_start, "0 WanSoundImageToVideo"),
        (damage_two_starts, "2 WanSoundImageToVideo"),
        (damage_no_sampler, "no sampler"),
        (damage_two_samplers, "several samplers"),
        (damage_no_sound, "LoadAudio"),
        (damage_no_encoder, "LoadAudio and encoder"),
        (damage_no_prompt, "positive prompt"),
        (damage_dangling, "404"),
        (damage_control, "control video"),
        (damage_no_seed, "no seed"),
        (damage_image, "LoadImage"),
    ],
)
def test_what_cannot_serve_is_refused_with_the_reason(
    damage: Callable[[Graph], None], reason: str
) -> None:
    graph = classic_graph()
    damage(graph)
    with pytest.raises(InputError, match=reason) as caught:
        find_inputs(graph)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["{", "[1]", '{"nodes": [], "version": 0.4}'])
def test_files_in_other_formats_are_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.json"):
        load_template(path)
    with pytest.raises(InputError, match="cannot read"):
        load_template(tmp_path / "none.json")


def workflow_options(tmp_path: Path, **options: object) -> ComfyUIOptions:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(classic_graph().to_json()), encoding="utf-8")
    return read_options(Request(audio=Path("a.wav"), options={"workflow": path, **options}))


def test_options_are_put_over_the_workflows_own_values(tmp_path: Path) -> None:
    options = workflow_options(
        tmp_path, steps=6, guidance_scale=2.5, flow_shift=5.0, sampler="euler", vae="v.safetensors",
        lora=["l.safetensors:0.7"],
    )  # fmt: skip
    template = load_template(tmp_path / "mine.json")
    apply_options(template, options)
    sampler = template.graph["86"].inputs
    assert (sampler["steps"], sampler["cfg"], sampler["sampler_name"]) == (6, 2.5, "euler")
    assert sampler["scheduler"] == "simple"
    assert template.graph["103"].inputs["shift"] == 5.0
    assert template.graph["90"].inputs["vae_name"] == "v.safetensors"
    lora = template.graph["107"].inputs
    assert (lora["lora_name"], lora["strength_model"]) == ("l.safetensors", 0.7)


def test_an_option_that_the_workflow_has_no_place_for_is_refused(tmp_path: Path) -> None:
    options = workflow_options(tmp_path, flow_shift=5.0)
    template = load_template(tmp_path / "mine.json")
    template.graph["86"].inputs["model"] = Link("107")
    with pytest.raises(InputError, match="`flow_shift=`"):
        apply_options(template, options)


def test_a_preset_and_a_workflow_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`workflow=`"):
        workflow_options(tmp_path, sampling_preset="quality")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "`steps=0`"),
        ({"nonsense": 1}, "`nonsense=1`"),
        ({"sampling_preset": "best"}, "`sampling_preset='best'`"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_options(Request(audio=Path("a.wav"), options=options))


def test_options_change_the_preset() -> None:
    options = ComfyUIOptions(steps=8, lora=("a.safetensors:0.5", "b.safetensors"), sampler="unipc")
    sampling = options.sampling
    assert (sampling.steps, sampling.guidance_scale, sampling.sampler) == (8, 1.0, "unipc")
    assert [(lora.name, lora.strength) for lora in sampling.loras] == [
        ("a.safetensors", 0.5),
        ("b.safetensors", 1.0),
    ]
    assert ComfyUIOptions(lora=("none",)).sampling.loras == ()
    with pytest.raises(InputError, match="strong"):
        _ = ComfyUIOptions(lora=("a:strong",)).sampling


def test_what_stands_between_the_sound_and_its_encoder_is_kept_but_for_cuts() -> None:
    """LoadAudio > TrimAudioDuration > a vocal separation > AudioCrop > the encoder."""
    graph = classic_graph()
    trimmed = graph.add("TrimAudioDuration", audio=Link("119"), start_index=2.0, duration=5.0)
    model = graph.add("LoadSeparationModel", name="vocals.x")
    voice = graph.add("SeparateVocals", model=model, audio=trimmed)
    cropped = graph.add("AudioCrop", audio=voice.out(1), start_time="0:00", end_time="0:05")
    graph["122"].inputs["audio"] = cropped
    made = filled(graph)
    assert not made.of_class("TrimAudioDuration", "AudioCrop")
    assert made["122"].inputs["audio"] == voice.out(1)
    assert made[voice.node].inputs == {"model": model, "audio": Link("119")}
    assert made["119"].inputs["audio"] == "my.wav"
    assert made.of_class("LoadSeparationModel")
