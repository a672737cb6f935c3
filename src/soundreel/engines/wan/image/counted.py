"""What `needs` has formulas for, counted on the modules themselves: see `memory.counted`."""

from __future__ import annotations

from collections.abc import Callable

import torch

from soundreel.engines.wan.image.needs import ImageWorkload
from soundreel.engines.wan.image.transformer import WanI2VTransformer3DModel
from soundreel.engines.wan.load.mapped import empty_model
from soundreel.engines.wan.memory.counted import as_loaded, count_pass, weights_as_loaded
from soundreel.engines.wan.memory.counting import Counted
from soundreel.engines.wan.memory.needs import LAYERS, Weights, row_of
from soundreel.engines.wan.model.names import kept_in_float32
from soundreel.engines.wan22 import TEXT_TOKENS

_PICTURE_CHANNELS = 20


def expert_weights(row: str) -> Weights:
    """Each of the two transformers. row: "fp8_scaled" or "16 bits"."""
    model = empty_model(WanI2VTransformer3DModel)
    return weights_as_loaded(model, row == "fp8_scaled", kept_in_float32)


def image_step_count(workload: ImageWorkload, number_format: str) -> Counted:
    """One pass of a transformer, with what one text's conditions hold beside it. Blocks are alike,
    so one is run."""
    model = empty_model(lambda: WanI2VTransformer3DModel(num_layers=1))
    as_loaded(model, row_of(number_format))
    with torch.device("meta"):
        latents = torch.empty(1, 16, *workload.latents)
        pictures = torch.empty(1, _PICTURE_CHANNELS, *workload.latents)
        text = torch.empty(1, TEXT_TOKENS, 4096, dtype=torch.bfloat16)
        timestep = torch.empty(1)

    def prepare() -> Callable[[], object]:
        given = model.prepare(text, workload.latents)
        return lambda: model(torch.cat([latents, pictures], dim=1), timestep, given)

    return count_pass(prepare, list(model.blocks), [LAYERS])
