"""The text encoder's output equals the official one."""

from __future__ import annotations

import pytest
import torch

from parity import models
from parity.reference import STAGE_TOLERANCE, Reference, max_abs
from soundreel.engines.wan.encoders.text import TextEncoder


@pytest.fixture(scope="module")
def encoder(reference: Reference) -> TextEncoder:
    return TextEncoder(models.text_model(reference), lambda _: [])


def test_real_tokens_alone_equal_the_padded_run(reference: Reference, encoder: TextEncoder) -> None:
    cases = reference.file("t5_cases")
    names = [key.removesuffix(".context") for key in cases.keys if key.endswith(".context")]
    assert names
    for name in names:
        real = cases.tensor(f"{name}.mask")[0] == 1
        tokens = cases.tensor(f"{name}.ids")[0][real].tolist()
        context = encoder.encode_tokens(tokens)[0]
        assert max_abs(context, cases.tensor(f"{name}.context")) <= STAGE_TOLERANCE


def test_padded_batch(reference: Reference, encoder: TextEncoder) -> None:
    cases = reference.file("t5_cases")
    for key in cases.keys:
        if key.endswith(".out_full"):
            name = key.removesuffix(".out_full")
            with torch.no_grad():
                out = encoder.model(
                    cases.tensor(f"{name}.ids"), attention_mask=cases.tensor(f"{name}.mask")
                )
            assert max_abs(out.last_hidden_state, cases.tensor(key)) <= STAGE_TOLERANCE
