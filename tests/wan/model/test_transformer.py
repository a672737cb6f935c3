"""The transformer on tiny random weights: what it accepts, and that the ecosystem's tools work."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

pytest.importorskip("torch")
import torch

pytest.importorskip("diffusers")

from torch import Tensor

from soundreel.engines.wan.model.blocks import WanS2VTransformerBlock
from soundreel.engines.wan.model.conditioning import WanS2VConditioning
from soundreel.engines.wan.model.names import kept_in_float32
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel

TINY = {
    "num_attention_heads": 2,
    "attention_head_dim": 24,
    "text_dim": 12,
    "text_len": 16,
    "ffn_dim": 64,
    "num_layers": 3,
    "audio_dim": 8,
    "num_audio_layers": 3,
    "audio_inject_layers": (0, 2),
}
SIZE = (2, 8, 10)


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode(False), torch.no_grad():
        yield


def make_model(dtype: torch.dtype = torch.float32) -> WanS2VTransformer3DModel:
    """Every parameter random, so that each has an effect."""
    generator = torch.Generator().manual_seed(1)
    model = WanS2VTransformer3DModel(**TINY).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        offset = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        parameter.data = offset + 0.1 * noise
        if not kept_in_float32(name):
            parameter.data = parameter.data.to(dtype)
    return model


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def inputs(seed: int = 0, batch: int = 1) -> dict[str, Any]:
    num_frames, height, width = SIZE
    return {
        "encoder_hidden_states": noise(batch, 5, 12, seed=seed),
        "audio_features": noise(batch, 3, 8, 4 * num_frames, seed=seed + 1),
        "latent_size": SIZE,
        "reference_latents": noise(batch, 16, 1, height, width, seed=seed + 2),
        "motion_latents": noise(batch, 16, 19, height, width, seed=seed + 3),
        "pose_latents": noise(batch, 16, *SIZE, seed=seed + 4),
    }


def run(model: WanS2VTransformer3DModel, **changes: Any) -> Tensor:
    conditioning = model.prepare(**{**inputs(), **changes})
    return model(noise(1, 16, *SIZE, seed=9), torch.tensor([700]), conditioning).sample


# --- what goes in --------------------------------------------------------------------------------


def test_default_configuration_has_the_published_parameters() -> None:
    from soundreel.engines.wan.model.names import official_name

    lists = Path(__file__).parents[2] / "data" / "wan_key_lists.json.gz"
    published = json.loads(gzip.decompress(lists.read_bytes()))["s2v_bf16"]
    with torch.device("meta"):
        model = WanS2VTransformer3DModel()
    layers = model.config.audio_inject_layers
    named = {official_name(name, layers): value for name, value in model.state_dict().items()}
    assert {name: list(tensor.shape) for name, tensor in named.items()} == {
        name: shape for name, (shape, _) in published.items()
    }
    assert len(named) == 1260
    assert sum(parameter.numel() for parameter in model.parameters()) == 16_295_755_609


def test_reference_and_motion_are_tokens_only_where_given() -> None:
    model = make_model()
    tokens = {
        (reference, motion): model.prepare(
            **inputs()
            | ({} if reference else {"reference_latents": None})
            | ({} if motion else {"motion_latents": None})
        ).context_tokens.shape[1]
        for reference in (False, True)
        for motion in (False, True)
    }
    # 8x10 latents: 4x5 patches; motion 4x5 + 2x2 + 4 frames of 1x1.
    assert tokens == {(False, False): 0, (True, False): 20, (False, True): 28, (True, True): 48}


@pytest.mark.parametrize("absent", ["reference_latents", "motion_latents", "pose_latents"])
def test_every_picture_input_may_be_absent_and_matters(absent: str) -> None:
    model = make_model()
    without = run(model, **{absent: None})
    assert without.shape == (1, 16, *SIZE)
    assert without.isfinite().all()
    assert not torch.allclose(without, run(model))


def test_no_pose_is_a_pose_of_zeros() -> None:
    model = make_model()
    zeros = run(model, pose_latents=torch.zeros(1, 16, *SIZE))
    torch.testing.assert_close(run(model, pose_latents=None), zeros, rtol=0, atol=1e-6)


def test_text_pads_are_zeros_up_to_the_text_length() -> None:
    model = make_model()
    text = noise(1, 5, 12)
    padded = torch.cat([text, torch.zeros(1, 11, 12)], dim=1)
    torch.testing.assert_close(
        run(model, encoder_hidden_states=padded), run(model, encoder_hidden_states=[text[0]])
    )


def test_a_batch_equals_its_members() -> None:
    model = make_model()
    first, second = inputs(seed=0), inputs(seed=50)
    both: dict[str, Any] = {
        k: v if k == "latent_size" else torch.cat([v, second[k]]) for k, v in first.items()
    }
    latents, times = noise(2, 16, *SIZE, seed=9), torch.tensor([700.0, 30.0])
    batched = model(latents, times, model.prepare(**both)).sample
    for index, one in enumerate((first, second)):
        sample = model(latents[index : index + 1], times[index], model.prepare(**one)).sample
        torch.testing.assert_close(batched[index : index + 1], sample, rtol=0, atol=2e-6)


def test_batched_guidance_equals_two_passes() -> None:
    model = make_model()
    conditional = model.prepare(**inputs())
    silence = torch.zeros_like(inputs()["audio_features"])
    other = {"encoder_hidden_states": noise(1, 9, 12, seed=77), "audio_features": silence}
    unconditional = model.prepare(**{**inputs(), **other})
    latents, time = noise(1, 16, *SIZE, seed=9), torch.tensor(500)
    together = WanS2VConditioning.cat([conditional, unconditional])
    batched = model(latents.expand(2, -1, -1, -1, -1), time, together).sample
    two = [model(latents, time, one).sample for one in (conditional, unconditional)]
    torch.testing.assert_close(batched, torch.cat(two), rtol=0, atol=2e-6)


def test_runs_leave_nothing_behind() -> None:
    model = make_model()
    before = run(model)
    members = {name: set(vars(module)) for name, module in model.named_modules()}
    other = inputs(seed=30) | {"motion_latents": None, "reference_latents": None}
    model(noise(1, 16, *SIZE), torch.tensor([1]), model.prepare(**other))
    assert {name: set(vars(module)) for name, module in model.named_modules()} == members
    assert torch.equal(run(model), before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_hidden_states": noise(1, 17, 12)}, "17 tokens"),
        ({"audio_features": noise(1, 3, 8, 20)}, "5 latent frames"),
        ({"latent_size": (2, 8, 9)}, "even"),
        ({"pose_latents": noise(1, 16, 3, 8, 10)}, "pose latents"),
        ({"reference_latents": noise(1, 16, 1, 8, 8)}, "reference latents"),
        ({"latent_size": (2, 6, 8)}, "at least 8x8"),
    ],
)
def test_sizes_that_do_not_fit_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(make_model(), **changes)


def test_conditioning_of_another_size_is_refused() -> None:
    model = make_model()
    with pytest.raises(ValueError, match=r"conditioning for \(2, 8, 10\)"):
        model(noise(1, 16, 2, 8, 8), torch.tensor([1]), model.prepare(**inputs()))


# --- dtypes --------------------------------------------------------------------------------------


def test_bf16_weights_keep_the_float32_parts_in_float32() -> None:
    model = make_model(torch.bfloat16)
    kinds: dict[str, torch.dtype] = {}
    hooks = [
        module.register_forward_hook(lambda m, i, o, n=name: kinds.update({n: o.dtype}))
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | WanS2VTransformerBlock)
    ]
    assert run(model).dtype == torch.float32
    for hook in hooks:
        hook.remove()
    float32 = {name for name, dtype in kinds.items() if dtype == torch.float32}
    assert float32 == {
        *("time_embedding.0", "time_embedding.2", "time_projection.1", "head.head"),
        *("casual_audio_encoder.encoder.final_linear", "blocks.0", "blocks.1", "blocks.2"),
    }


def test_casting_the_whole_model_gives_the_same_numbers() -> None:
    """Float32 parts compute in float32 from bf16 weights too, as the official code does."""
    whole, parts = make_model(torch.bfloat16), make_model(torch.bfloat16)
    whole.to(torch.bfloat16)
    for name, parameter in parts.named_parameters():
        parameter.data = parameter.data.to(torch.bfloat16)
        if kept_in_float32(name):
            parameter.data = parameter.data.float()
    assert torch.equal(run(whole), run(parts))


# --- the ecosystem's tools -----------------------------------------------------------------------


def test_saved_folder_loads_again(tmp_path: Path) -> None:
    model = make_model()
    model.save_pretrained(tmp_path)
    loaded = WanS2VTransformer3DModel.from_pretrained(tmp_path)
    assert torch.equal(run(loaded), run(model))
    half = WanS2VTransformer3DModel.from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
    wrong = [
        name
        for name, parameter in half.named_parameters()
        if (parameter.dtype == torch.float32) != kept_in_float32(name)
    ]
    assert wrong == []


def test_one_block_compiles_without_a_graph_break() -> None:
    model = make_model()
    expected = run(model)
    for block in model.blocks:
        block.compile(fullgraph=True, backend="eager")
    torch.testing.assert_close(run(model), expected)


def test_gradient_checkpointing_gives_the_same_gradients() -> None:
    gradients = []
    for checkpointing in (False, True):
        model = make_model()
        weight = model.get_parameter("blocks.1.self_attn.q.weight").requires_grad_(True)
        if checkpointing:
            model.enable_gradient_checkpointing()
            model.train()
        with torch.enable_grad():
            torch.autograd.backward(run(model).square().mean())
        gradients.append(weight.grad)
    torch.testing.assert_close(*gradients)


def test_attention_backend_and_processors_can_be_set() -> None:
    model = make_model()
    expected = run(model)
    assert len(model.attn_processors) == 3 * 2 + 2
    model.set_attention_backend("_native_math")
    torch.testing.assert_close(run(model), expected, rtol=0, atol=2e-6)


def test_layerwise_casting_stores_blocks_in_8_bits() -> None:
    model = make_model(torch.bfloat16)
    expected = run(model)
    model.enable_layerwise_casting(torch.float8_e4m3fn, torch.bfloat16)
    assert model.get_parameter("blocks.0.self_attn.q.weight").dtype == torch.float8_e4m3fn
    assert model.head.head.weight.dtype == torch.float32
    assert (run(model) - expected).norm() / expected.norm() < 0.1


@pytest.mark.parametrize("offload_type", ["block_level", "leaf_level"])
def test_group_offloading_brings_every_weight_back(offload_type: str, tmp_path: Path) -> None:
    from diffusers.hooks import apply_group_offloading

    model = make_model()
    expected = run(model)
    apply_group_offloading(
        model,
        onload_device=torch.device("cpu"),
        offload_device=torch.device("cpu"),
        offload_type=offload_type,
        num_blocks_per_group=1,
        offload_to_disk_path=str(tmp_path),
    )
    for parameter in model.parameters():
        parameter.data.fill_(torch.nan)
    assert torch.equal(run(model), expected)


def test_first_block_cache_skips_the_rest_and_keeps_its_residual() -> None:
    from diffusers.hooks import FirstBlockCacheConfig

    model = make_model()
    expected = run(model)
    calls: list[int] = []
    for index, block in enumerate(model.blocks):
        block.get_submodule("ffn").register_forward_hook(lambda m, i, o, n=index: calls.append(n))
    model.enable_cache(FirstBlockCacheConfig(threshold=1e-3))
    with model.cache_context("conditional"):
        torch.testing.assert_close(run(model), expected, rtol=0, atol=2e-6)
        torch.testing.assert_close(run(model), expected, rtol=0, atol=2e-6)
    assert calls == [0, 1, 2, 0]


def test_peft_adapters_fit_the_official_layer_names() -> None:
    peft = pytest.importorskip("peft")
    model = make_model()
    expected = run(model)
    targets = ["q", "k", "v", "o", "ffn.0", "ffn.2"]
    config = peft.LoraConfig(r=2, target_modules=targets, init_lora_weights=False)
    model.add_adapter(config)
    adapted = [name for name, _ in model.named_modules() if name.endswith("lora_A")]
    assert len(adapted) == 3 * 10 + 2 * 4
    assert not torch.allclose(run(model), expected)
    model.disable_adapters()
    torch.testing.assert_close(run(model), expected)


# --- strength of the sound -----------------------------------------------------------------------


def without_injectors(model: WanS2VTransformer3DModel) -> WanS2VTransformer3DModel:
    for block in cast("Iterable[Any]", model.blocks):
        block.audio_injector = None
    return model


def test_strength_1_is_the_model_as_it_is_and_0_the_one_without_injectors() -> None:
    model = make_model()
    plain = run(model)
    model.set_audio_strength(1)
    assert torch.equal(run(model), plain)
    model.set_audio_strength(0)
    assert torch.equal(run(model), run(without_injectors(make_model())))


def test_strength_multiplies_what_an_injector_adds() -> None:
    model = make_model()
    blocks = cast("Iterable[Any]", model.blocks)
    injector = next(block.audio_injector for block in blocks if block.audio_injector)
    audio = model._audio_tokens(inputs()["audio_features"], 73)
    tokens = noise(1, audio.global_token.shape[1] * 6, injector.adain.norm.normalized_shape[0])
    once = injector(tokens, [audio], torch.float32)
    injector.strength = 1.5
    torch.testing.assert_close(injector(tokens, [audio], torch.float32), 1.5 * once)


def test_what_the_sound_changes_grows_with_its_strength() -> None:
    model = make_model()
    results = []
    for strength in (0.0, 0.5, 1.0, 2.0):
        model.set_audio_strength(strength)
        results.append(run(model))
    far = [float((result - results[0]).norm()) for result in results]
    assert far == sorted(far)
    assert far[1] > 0
