"""The engine's models with random weights, in main memory, filled as the loader fills them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from soundreel.engines.wan.encoders.text import TextEncoder, text_model
from soundreel.engines.wan.encoders.vae import WanVae, decoding_on, vae_model
from soundreel.engines.wan.load.mapped import empty_model, fill
from soundreel.engines.wan.load.reading import split_quantised
from soundreel.engines.wan.memory.counted import UMT5_XXL
from soundreel.engines.wan.memory.device import default_dtype
from soundreel.engines.wan.model.names import kept_in_float32
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.engines.wan22 import TEXT_TOKENS

_SAMPLE = 2**22  # numbers that are drawn; tensors repeat them
_FP8, _FP8_WIDTH = torch.float8_e4m3fn, 64.0  # of the numbers before the scale
_CPU = torch.device("cpu")


def transformer(number_format: str, maker: torch.device, *, tiny: bool) -> WanS2VTransformer3DModel:
    """maker: where the numbers are drawn, since a card is quicker at that."""
    sizes = {"num_attention_heads": 2, "ffn_dim": 256, "num_layers": 8} if tiny else {}
    layers = {"audio_inject_layers": (0, 4)} if tiny else {}
    model = empty_model(lambda: WanS2VTransformer3DModel(**sizes, **layers))
    fill_at_random(model, number_format, maker, kept_in_float32)
    return cast(WanS2VTransformer3DModel, model)


def text_encoder(number_format: str, maker: torch.device, *, tiny: bool) -> TextEncoder:
    small = {"num_layers": 2, "vocab_size": 512, "d_ff": 64, "num_heads": 2}
    model = empty_model(lambda: text_model({**UMT5_XXL, **(small if tiny else {})}))
    model.set_submodule("encoder.embed_tokens", model.get_submodule("shared"))
    fill_at_random(model, number_format, maker, lambda _: False)
    return TextEncoder(model, lambda _: [1] * TEXT_TOKENS)


def vae(maker: torch.device, *, tiny: bool) -> WanVae:
    small = {"base_dim": 4, "num_res_blocks": 1} if tiny else {}
    model = empty_model(lambda: vae_model(small))
    fill_at_random(model, "float32", maker, lambda _: True)
    return WanVae(model, decoding=decoding_on(maker, default_dtype(maker)))


def fill_at_random(
    model: nn.Module, number_format: str, maker: torch.device, float32: Callable[[str], bool]
) -> None:
    """Every parameter at random, about as large as a trained one, so that results stay finite."""
    sample = torch.randn(_SAMPLE, device=maker)
    weights: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        layer, _, last = name.rpartition(".")
        linear = isinstance(model.get_submodule(layer), nn.Linear) and last == "weight"
        width = _width(name, parameter)
        if number_format == "fp8_scaled" and linear:
            numbers = (sample * _FP8_WIDTH).to(_FP8)
            weights[f"{layer}.weight_scale"] = torch.tensor(width / _FP8_WIDTH)
        else:
            numbers = (sample * width).to(torch.float32 if float32(name) else torch.bfloat16)
        if parameter.dim() < 2 and last == "weight":
            numbers = torch.ones_like(numbers)
        weights[name] = _repeated(numbers, parameter.numel()).view(parameter.shape).to(_CPU)
    read = split_quantised(weights)
    fill(model, read.weights, read.quantised, device=_CPU, dtype=torch.bfloat16, float32=float32)


def _width(name: str, parameter: Tensor) -> float:
    if name.endswith("bias"):
        return 0.0
    return 1 / math.sqrt(max(1, math.prod(parameter.shape[1:])))


def _repeated(numbers: Tensor, count: int) -> Tensor:
    """The first `count` of the numbers said over and over, in memory of that size."""
    made = torch.empty(count, dtype=numbers.dtype, device=numbers.device)
    for begin in range(0, count, len(numbers)):
        made[begin : begin + len(numbers)] = numbers[: count - begin]
    return made
