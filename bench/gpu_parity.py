"""The recorded official cases (tests/parity/data) on a card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from parity import models
from parity.reference import BF16_RELATIVE, STAGE_TOLERANCE, Reference
from soundreel.engines.wan.encoders.text import TextEncoder
from soundreel.engines.wan.memory.offload import Residence
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel

Line = Mapping[str, object]

_DATA = Path(__file__).resolve().parent.parent / "tests" / "parity" / "data"


def parity(device: torch.device) -> Line:
    """Greatest differences to the official code; bf16 by the 2-norm of the whole output."""
    reference = Reference(_DATA)
    with _exact():
        found = {
            "transformer": max(_transformer_cases(reference, device, torch.float32)),
            "vae": max(_vae_cases(reference, device)),
            "text": max(_text_cases(reference, device)),
            "transformer_bf16_relative": max(_transformer_cases(reference, device, torch.bfloat16)),
        }
    bounds = dict.fromkeys(found, STAGE_TOLERANCE) | {"transformer_bf16_relative": BF16_RELATIVE}
    too_far = [name for name, bound in bounds.items() if not found[name] <= bound]
    failed = {"error": f"beyond the bound: {', '.join(too_far)}"} if too_far else {}
    return {**found, "bounds": bounds, **failed}


def stream(device: torch.device) -> Line:
    """The recorded cases through streamed blocks against the same model at rest on the card."""
    reference = Reference(_DATA)
    model = models.transformer(reference)
    names = list(reference.file("dit_cases").cases)
    with _exact(), Residence(device, "model")(model):
        resident = [_run(reference, name, model, device) for name in names]
    with _exact(), Residence(device, "block")(model):
        streamed = [_run(reference, name, model, device) for name in names]
    differences = [_greatest(a - b) for a, b in zip(resident, streamed, strict=True)]
    failed = {"error": "streamed blocks give other numbers"} if max(differences) else {}
    return {"cases": len(names), "greatest_difference": max(differences), **failed}


def _transformer_cases(
    reference: Reference, device: torch.device, dtype: torch.dtype
) -> Iterator[float]:
    half = dtype == torch.bfloat16
    model = models.transformer(reference, dtype=dtype if half else None).to(device)
    cases = reference.file("dit_cases")
    for name in cases.cases:
        expected = cases.case(name)["out"]
        difference = _run(reference, name, model, device) - expected
        yield float(difference.norm() / expected.norm()) if half else _greatest(difference)


def _run(
    reference: Reference, name: str, model: WanS2VTransformer3DModel, device: torch.device
) -> Tensor:
    cases = reference.file("dit_cases")
    case = {key: tensor.to(device) for key, tensor in cases.case(name).items()}
    return models.run_case(model, cases.cases[name], case).cpu()


def _vae_cases(reference: Reference, device: torch.device) -> Iterator[float]:
    vae, cases = models.vae(reference), reference.file("vae_cases")
    vae.model.to(device)
    for key in cases.keys:
        name, _, kind = key.rpartition(".")
        if kind != "video":
            continue
        video, latents = (cases.tensor(f"{name}.{part}")[None] for part in ("video", "latent"))
        if name.startswith("enc"):
            yield _greatest(vae.encode(video).cpu() - latents)
        if name.startswith("dec"):
            made = torch.cat(list(vae.decode(latents.to(device))), dim=2)
            yield _greatest(made.cpu() - video)


def _text_cases(reference: Reference, device: torch.device) -> Iterator[float]:
    encoder = TextEncoder(models.text_model(reference).to(device), lambda _: [])
    cases = reference.file("t5_cases")
    for name in (key.removesuffix(".context") for key in cases.keys if key.endswith(".context")):
        real = cases.tensor(f"{name}.mask")[0] == 1
        context = encoder.encode_tokens(cases.tensor(f"{name}.ids")[0][real].tolist())[0]
        yield _greatest(context.cpu() - cases.tensor(f"{name}.context"))


def _greatest(difference: Tensor) -> float:
    return float(difference.abs().max()) if difference.numel() else 0.0


@contextmanager
def _exact() -> Iterator[None]:
    """float32 as such on cards, without TF32; on CPUs without oneDNN, which rounds sums to bf16."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.backends.mkldnn.flags(enabled=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
