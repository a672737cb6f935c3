"""One of the two transformers from its file."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from soundreel.engines.wan.files.lookup import Found
from soundreel.engines.wan.image.transformer import WanI2VTransformer3DModel
from soundreel.engines.wan.load.configs import config_beside
from soundreel.engines.wan.load.lora import LoraSpec
from soundreel.engines.wan.load.mapped import empty_model
from soundreel.engines.wan.load.models import Report, faults_in, fill_transformer, put_on
from soundreel.engines.wan.load.reading import read_contents
from soundreel.engines.wan.model.names import infer_base, without_prefix


def load_expert(
    found: Found,
    *,
    device: torch.device,
    dtype: torch.dtype,
    loras: Sequence[LoraSpec] = (),
    report: Report = lambda _: None,
) -> WanI2VTransformer3DModel:
    """16-bit weights in `dtype`, quantised ones as they are, LoRAs on use.

    report: told what became of each LoRA. Raises InputError where the weights do not fit.
    """
    with faults_in(found):
        contents = read_contents(found.files).renamed(without_prefix)
        config = infer_base(contents.weights, config_beside(found.path))
    model = empty_model(lambda: WanI2VTransformer3DModel(**config))
    fill_transformer(model, contents, device=device, dtype=dtype)
    put_on(model, loras, device=device, dtype=dtype, report=report)
    return model
