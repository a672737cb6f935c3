"""The transformer against the official one: outputs, every stage inside, every epsilon."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from parity.models import case_conditioning, run_case, transformer
from parity.reference import BF16_RELATIVE, STAGE_TOLERANCE, Reference, max_abs
from soundreel.engines.wan.model import audio_tokens as audio_tower
from soundreel.engines.wan.model.rope import rotary_table
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel


@pytest.fixture(scope="module")
def model(reference: Reference) -> WanS2VTransformer3DModel:
    return transformer(reference)


def test_output_equals_the_official_one(
    reference: Reference, model: WanS2VTransformer3DModel, dit_case: str
) -> None:
    cases = reference.file("dit_cases")
    case = cases.case(dit_case)
    assert max_abs(run_case(model, cases.cases[dit_case], case), case["out"]) <= STAGE_TOLERANCE


def test_bf16_stays_within_its_bound(reference: Reference, dit_case: str) -> None:
    """Without oneDNN: on CPUs with AMX it rounds partial sums of the motion packer's convolutions
    to bf16, which alone makes 1.3 %."""
    cases = reference.file("dit_cases")
    case = cases.case(dit_case)
    model = transformer(reference, dtype=torch.bfloat16)
    with torch.backends.mkldnn.flags(enabled=False):
        difference = run_case(model, cases.cases[dit_case], case) - case["out"]
    assert float(difference.norm() / case["out"].norm()) <= BF16_RELATIVE


def test_rotary_tables_equal_the_official_ones(reference: Reference, rope_case: str) -> None:
    file = reference.file("rope_head")
    expected = file.case(rope_case)
    size = file.cases[rope_case]["latent_thw"]
    head_dim = 2 * expected["cos"].shape[-1]
    frames, height, width = size
    cos, sin = rotary_table(frames, height, width, head_dim, reference=True, motion=True)
    assert max_abs(cos, expected["cos"]) <= STAGE_TOLERANCE
    assert max_abs(sin, expected["sin"]) <= STAGE_TOLERANCE


# --- inside one case ---------------------------------------------------------------------------


def test_every_stage_inside_equals_the_official_one(
    reference: Reference, model: WanS2VTransformer3DModel
) -> None:
    recorded = reference.file("dit_intermediates")
    cases = reference.file("dit_cases")
    letter = recorded.name.rsplit("_", 1)[1]
    name = next(name for name in cases.cases if name.startswith(f"{letter}_"))
    with _recorded_stages(model) as stages, torch.inference_mode():
        case = cases.case(name)
        conditioning = case_conditioning(model, cases.cases[name], case)
        model(case["x"][None], case["t"], conditioning)
    stages["context_emb"] = conditioning.text
    stages["audio_emb_global"] = conditioning.audio[0].global_token.unsqueeze(2)
    stages["merged_audio_emb"] = conditioning.audio[0].local_tokens
    stages["rope_cos"], stages["rope_sin"] = conditioning.rotary_emb
    differences = {key: max_abs(stages[key], recorded.tensor(key)) for key in recorded.keys}
    assert {k: d for k, d in differences.items() if d > STAGE_TOLERANCE} == {}


@contextmanager
def _recorded_stages(model: WanS2VTransformer3DModel) -> Iterator[dict[str, Tensor]]:
    """Outputs of the stages by the recorded set's names, filled while the model runs."""
    stages: dict[str, Tensor] = {}

    def keep(key: str) -> Callable[..., None]:
        return lambda module, inputs, output: stages.update({key: output})

    def keep_before_audio(index: int) -> Callable[..., None]:
        def hook(block: nn.Module, inputs: Any, output: Tensor) -> None:
            noisy = stages.pop(f"noisy{index}", output[:, :0])
            rest = output[:, noisy.shape[1] :]
            stages[f"block{index}_out_before_audio"] = torch.cat([noisy, rest], dim=1)

        return hook

    hooks = [
        model.time_embedding.register_forward_hook(keep("e")),
        model.time_projection.register_forward_hook(keep("e0_flat")),
        model.blocks[0].register_forward_pre_hook(
            lambda module, inputs: stages.update(tokens_in=inputs[0])
        ),
    ]
    injector_number = 0
    for index, block in enumerate(model.blocks):
        hooks.append(block.register_forward_hook(keep_before_audio(index)))
        injector, number = getattr(block, "audio_injector", None), injector_number
        if injector is None:
            continue
        injector_number += 1
        hooks += [
            injector.register_forward_pre_hook(
                lambda module, inputs, i=index: stages.update({f"noisy{i}": inputs[0].clone()})
            ),
            injector.adain.register_forward_hook(keep(f"adain{number}_out")),
            injector.attn.register_forward_hook(keep(f"injector{number}_residual")),
        ]
    try:
        yield stages
    finally:
        for hook in hooks:
            hook.remove()


# --- every epsilon -------------------------------------------------------------------------------


def _low_amplitude(reference: Reference) -> tuple[WanS2VTransformer3DModel, Callable[[], Tensor]]:
    """The model with the recorded scaling, and its run on the recorded inputs."""
    file = reference.file("dit_case_low_amplitude")
    patterns = file.config["scale_parameters_matching_any_regex"]
    weights = {
        name: tensor * file.config["scale"] if any(re.search(p, name) for p in patterns) else tensor
        for name, tensor in reference.file("dit_state").tensors().items()
    }
    cases = reference.file("dit_cases")
    name = next(name for name in cases.cases if f"{name}." in file.config["inputs"])
    facts = {**cases.cases[name], "drop_motion_frames": False}
    model = transformer(reference, weights)
    return model, lambda: run_case(model, facts, cases.case(name))


def test_low_amplitude_output_equals_the_official_one(reference: Reference) -> None:
    _, run = _low_amplitude(reference)
    assert max_abs(run(), reference.file("dit_case_low").tensor("out")) <= STAGE_TOLERANCE


_NORMS: dict[str, Callable[[str], bool]] = {
    "adain LayerNorm": lambda name: name.endswith("adain.norm"),
    "block norm1/2": lambda name: name.endswith((".norm1", ".norm2")),
    "norm3": lambda name: name.endswith(".norm3"),
    "self q/k": lambda name: ".self_attn.norm_" in name,
    "text q/k": lambda name: ".cross_attn.norm_" in name,
    "injector q/k": lambda name: ".audio_injector.attn.norm_" in name,
    "head LN": lambda name: name == "head.norm",
}
"""Start of a trap's name in the manifest -> the modules whose epsilon it means."""


def test_a_wrong_epsilon_shows_as_it_does_in_the_official_model(
    reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = reference.file("dit_case_low_amplitude")
    for trap, effect in file.cases["effect_of_wrong_eps"].items():
        model, run = _low_amplitude(reference)
        match = re.search(r"eps (\S+)", trap)
        assert match, trap
        with monkeypatch.context() as patch:
            if trap.startswith("audio encoder"):
                patch.setattr(audio_tower, "NORM_EPS", float(match[1]))
            else:
                means = next(means for start, means in _NORMS.items() if trap.startswith(start))
                for name, module in model.named_modules():
                    if means(name):
                        module.eps = float(match[1])
            expected = pytest.approx(effect, rel=0.01, abs=STAGE_TOLERANCE)
            assert max_abs(run(), file.tensor("out")) == expected, trap
