"""What both engines of Wan 2.2 S2V share: presets that mean one thing, LoRAs, sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundreel.engines import wan22
from soundreel.engines.comfyui.graphs.graph import Graph
from soundreel.engines.comfyui.options import ComfyUIOptions
from soundreel.engines.comfyui.options import read_options as read_comfyui
from soundreel.engines.comfyui.workflow import make_template
from soundreel.engines.wan.options import WanOptions
from soundreel.engines.wan.options import parse_options as read_wan
from soundreel.engines.wan22 import Lora, PresetName, parse_loras
from soundreel.errors import InputError
from soundreel.events import RunControl
from soundreel.registry import fit_options
from soundreel.types import Request

LIGHTNING = "wan2.2_t2v_lightx2v_4steps_lora_v1.1_high_noise.safetensors"

ASKED: list[dict[str, object]] = [
    {},
    {"sampling_preset": "fast"},
    {"sampling_preset": "quality"},
    {"sampling_preset": "official"},
    {"steps": 8, "lora": ("none",)},
    {"sampling_preset": "official", "sampler": "dpm++", "lora": ("a.safetensors:0.5",)},
    {"sampling_preset": "quality", "guidance_scale": 3.5, "flow_shift": 5, "sampler": "uni_pc"},
]


@pytest.mark.parametrize("options", ASKED, ids=str)
def test_a_request_asks_both_engines_for_the_same_sampling(options: dict[str, object]) -> None:
    """As `--engine auto` hands it to the one that it takes."""
    found = [
        read(fit_options(Request(audio=Path("a"), engine=name, options=options), RunControl()))
        for name, read in (("wan", lambda r: read_wan(r.options)), ("comfyui", read_comfyui))
    ]
    assert found[0].sampling == found[1].sampling


@pytest.mark.parametrize(
    ("preset", "values"),
    [
        ("fast", (4, 1.0, 5.0, "euler", LIGHTNING)),
        ("quality", (20, 6.0, 8.0, "uni_pc", None)),
        ("official", (40, 4.5, 3.0, "uni_pc", None)),
    ],
)
def test_every_preset_reaches_the_servers_graph(preset: PresetName, values: object) -> None:
    graph: Graph = make_template(ComfyUIOptions(sampling_preset=preset)).graph
    sampler = graph["86"].inputs
    lora = graph["107"].inputs["lora_name"] if "107" in graph else None
    shift = graph["103"].inputs["shift"]
    assert (sampler["steps"], sampler["cfg"], shift, sampler["sampler_name"], lora) == values
    assert sampler["scheduler"] == "simple"


def test_the_default_preset_is_the_same_everywhere() -> None:
    assert WanOptions().sampling == ComfyUIOptions().sampling == wan22.PRESETS["fast"]


def test_a_sampler_of_the_servers_own_is_only_for_the_server() -> None:
    graph = make_template(ComfyUIOptions(sampler="res_multistep")).graph
    assert graph["86"].inputs["sampler_name"] == "res_multistep"
    with pytest.raises(InputError, match="unipc, dpm"):
        read_wan({"sampler": "res_multistep"})


@pytest.mark.parametrize(
    ("text", "name", "strength"),
    [
        ("a.safetensors", "a.safetensors", 1.0),
        ("a.safetensors:0.8", "a.safetensors", 0.8),
        ("folder/b.safetensors:.5", "folder/b.safetensors", 0.5),
        ("/x/b.safetensors:-0.5", "/x/b.safetensors", -0.5),
        (r"C:\loras\b.safetensors", r"C:\loras\b.safetensors", 1.0),
        (r"C:\loras\b.safetensors:0.5", r"C:\loras\b.safetensors", 0.5),
    ],
)
def test_a_lora_is_a_name_and_perhaps_a_strength(text: str, name: str, strength: float) -> None:
    (lora,) = parse_loras((text,))
    assert lora == Lora(name, strength)
    assert parse_loras((str(lora),)) == (lora,), "as the record writes it"


@pytest.mark.parametrize("text", ["a.safetensors:strong", "a:nan", "a:inf", ":0.5", "a:"])
def test_what_is_not_a_strength_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a strength"):
        parse_loras((text,))


@pytest.mark.parametrize(
    ("size", "near"),
    [((48, 96), (64, 96)), ((100, 64), (96, 64)), ((832, 1210), (832, 1216)), ((0, 0), (64, 64))],
)
def test_sizes_that_would_fail_late_are_refused_with_the_nearest(
    size: tuple[int, int], near: tuple[int, int]
) -> None:
    with pytest.raises(InputError, match="multiples of 16") as raised:
        wan22.check_size(*size)
    assert "width={}, height={}".format(*near) in raised.value.hint
    wan22.check_size(64, 832)
