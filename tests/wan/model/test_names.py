"""Names and sizes of the transformer's weights, from every published form and back."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from soundreel.engines.wan.model.names import (
    AUDIO_INJECT_LAYERS,
    infer_config,
    kept_in_float32,
    module_name,
    official_name,
    to_module,
    without_prefix,
)
from soundreel.errors import InputError


@dataclass(frozen=True)
class Shape:
    shape: tuple[int, ...]


def published(name: str = "s2v_bf16") -> dict[str, Shape]:
    path = Path(__file__).parents[2] / "data" / "wan_key_lists.json.gz"
    lists = json.loads(gzip.decompress(path.read_bytes()))
    return {key: Shape(tuple(shape)) for key, (shape, _) in lists[name].items()}


def test_published_weights_have_the_default_configuration() -> None:
    assert infer_config(published()) == {
        "patch_size": (1, 2, 2),
        "num_attention_heads": 40,
        "attention_head_dim": 128,
        "in_channels": 16,
        "out_channels": 16,
        "pose_channels": 16,
        "text_dim": 4096,
        "text_len": 512,
        "freq_dim": 256,
        "ffn_dim": 13824,
        "num_layers": 40,
        "eps": 1e-6,
        "audio_dim": 1024,
        "num_audio_layers": 25,
        "num_audio_tokens": 4,
        "audio_inject_layers": AUDIO_INJECT_LAYERS,
    }


def test_names_go_into_the_module_and_back() -> None:
    weights = published()
    named = to_module(weights, AUDIO_INJECT_LAYERS)
    assert "blocks.4.audio_injector.attn.q.weight" in named
    assert "blocks.39.audio_injector.adain.linear.bias" in named
    assert not any(name.startswith("audio_injector") for name in named)
    assert {
        official_name(name, AUDIO_INJECT_LAYERS): shape for name, shape in named.items()
    } == weights


@pytest.mark.parametrize(
    ("official", "module"),
    [
        ("audio_injector.injector.1.q.weight", "blocks.4.audio_injector.attn.q.weight"),
        ("audio_injector.injector.11.o.lora_A", "blocks.39.audio_injector.attn.o.lora_A"),
        ("audio_injector.injector_adain_layers.7.linear", "blocks.27.audio_injector.adain.linear"),
        ("blocks.7.cross_attn.k.scale_weight", "blocks.7.cross_attn.k.scale_weight"),
        ("head.modulation", "head.modulation"),
    ],
)
def test_layers_and_what_hangs_on_them_are_renamed_alike(official: str, module: str) -> None:
    assert module_name(official, AUDIO_INJECT_LAYERS) == module
    assert official_name(module, AUDIO_INJECT_LAYERS) == official
    assert module_name(module, AUDIO_INJECT_LAYERS) == module


@pytest.mark.parametrize("prefix", ["", "diffusion_model.", "model.diffusion_model."])
def test_comfyui_prefixes_are_dropped(prefix: str) -> None:
    weights = {f"{prefix}{name}": shape for name, shape in published().items()}
    assert without_prefix(weights) == published()
    assert infer_config(weights) == infer_config(published())


def test_scaled_fp8_files_have_the_same_configuration() -> None:
    assert infer_config(published("s2v_fp8_scaled")) == infer_config(published())


def test_module_names_give_the_same_configuration() -> None:
    assert infer_config(to_module(published(), AUDIO_INJECT_LAYERS)) == infer_config(published())


def test_flattened_patch_weights_give_the_same_configuration() -> None:
    """GGUF holds four dimensions at most."""
    weights = published()
    for name in ("patch_embedding.weight", "cond_encoder.weight"):
        dim, channels, _, height, width = weights[name].shape
        weights[name] = Shape((dim, channels, height, width))
    assert infer_config(weights) == infer_config(published())


def test_a_configuration_beside_the_weights_says_what_shapes_do_not() -> None:
    weights = {
        name: shape
        for name, shape in published().items()
        if not name.startswith(tuple(f"audio_injector.{part}.{i}." for part in _PARTS for i in _UP))
    }
    config = {"num_heads": 20, "text_len": 256, "eps": 1e-5, "audio_inject_layers": [3, 30]}
    found = infer_config(weights, config)
    assert (found["num_attention_heads"], found["attention_head_dim"]) == (20, 256)
    assert (found["text_len"], found["eps"]) == (256, 1e-5)
    assert found["audio_inject_layers"] == (3, 30)
    with pytest.raises(InputError, match="2 audio injectors in 40 blocks"):
        infer_config(weights)


_PARTS = ("injector", "injector_adain_layers")
_UP = range(2, 12)


@pytest.mark.parametrize(
    "switch",
    [{"zero_timestep": False}, {"enable_motioner": True}, {"framepack_drop_mode": "drop"}],
)
def test_a_model_of_another_kind_is_refused_by_its_switch(switch: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(switch))):
        infer_config(published(), switch)


def test_the_official_config_json_is_accepted() -> None:
    config = {
        "_class_name": "WanModel_S2V",
        **{"adain_mode": "attn_norm", "add_last_motion": True, "enable_adain": True},
        **{"audio_inject_layers": list(AUDIO_INJECT_LAYERS), "dim": 5120, "num_heads": 40},
        **{"window_size": (-1, -1), "zero_timestep": True, "eps": 1e-6},
    }
    assert infer_config(published(), config) == infer_config(published())


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_heads", "40"), ("text_len", 512.5), ("eps", "small"), ("audio_inject_layers", [0, "4"])],
)
def test_a_field_of_another_type_is_named(name: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"config.json: {name} is .*, not a"):
        infer_config(published(), {name: value})


def test_an_image_to_video_model_is_no_s2v_model() -> None:
    with pytest.raises(InputError, match="casual_audio_encoder"):
        infer_config(published("i2v_fp8_scaled"))


def test_an_injector_of_no_block_is_an_error() -> None:
    with pytest.raises(InputError, match="after 2 blocks only"):
        module_name("audio_injector.injector.2.q.weight", (0, 2))


def test_float32_parts_are_known_by_name() -> None:
    kept = {name for name in published() if kept_in_float32(name)}
    assert len(kept) == 40 + 3 + 6 + 12
    assert "head.head.weight" in kept
    assert "blocks.0.self_attn.norm_q.weight" not in kept
