"""A kernel for attention is used where it is right, and for self-attention alone."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn
from torch import Tensor, nn

from soundreel.config import Settings
from soundreel.engines.wan.engine import WanEngine, WanReady
from soundreel.engines.wan.files.selection import Selection
from soundreel.engines.wan.machine import packages
from soundreel.engines.wan.model import kernels
from soundreel.engines.wan.model.attention import WanS2VAttention
from soundreel.engines.wan.model.kernels import BACKENDS, check_kernel, use_kernel
from soundreel.engines.wan.options import parse_options
from soundreel.errors import EngineUnavailable
from soundreel.types import Request
from wan import tiny
from wan.files.weight_files import find_weights
from wan.model.test_transformer import make_model, run

CPU = torch.device("cpu")


def backends(model: nn.Module) -> dict[str, object]:
    """By the name of every attention."""
    modules = model.named_modules()
    return {n: m.processor._attention_backend for n, m in modules if isinstance(m, WanS2VAttention)}


@pytest.mark.parametrize("name", ["sage", "flash", "flash3"])
@pytest.mark.skipif(torch.cuda.is_available(), reason="it may be installed there")
def test_a_kernel_that_cannot_run_here_is_refused(name: str) -> None:
    with pytest.raises(EngineUnavailable, match=f"attention='{name}'` does not run on this device"):
        check_kernel(name, CPU, torch.bfloat16)


@pytest.mark.parametrize("broken", [torch.zeros_like, lambda x: x * torch.nan, lambda x: x * 1.1])
def test_a_kernel_with_other_numbers_is_refused(
    broken: Callable[[Tensor], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = dispatch_attention_fn

    def dispatch(q: Tensor, k: Tensor, v: Tensor, backend: AttentionBackendName) -> Tensor:
        result = real(q, k, v, backend=AttentionBackendName("native"))
        return broken(result) if backend == "sage" else result

    monkeypatch.setattr(kernels, "dispatch_attention_fn", dispatch)
    with pytest.raises(EngineUnavailable, match="wrong numbers"):
        check_kernel("sage", CPU, torch.float32)
    check_kernel("flash", CPU, torch.float32)


def test_a_right_kernel_is_taken_and_acts_on_self_attention_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """torch's own in plain operations stands for a kernel that is not installed here."""
    monkeypatch.setitem(BACKENDS, "flash", "_native_math")
    check_kernel("flash", CPU, torch.bfloat16)
    model = make_model()
    with torch.no_grad():
        expected = run(model)
        use_kernel(model, "flash")
        torch.testing.assert_close(run(model), expected, rtol=0, atol=2e-6)
    chosen = backends(model)
    assert {chosen.pop(f"blocks.{index}.self_attn") for index in range(3)} == {"_native_math"}
    assert set(chosen.values()) == {None}


def test_the_models_self_attention_goes_through_the_chosen_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: list[object] = []
    real = dispatch_attention_fn

    def dispatch(*heads: Tensor, attn_mask: Tensor | None, backend: object) -> Tensor:
        used.append(backend)
        return real(*heads, attn_mask=attn_mask, backend="native")

    monkeypatch.setattr("soundreel.engines.wan.model.attention.dispatch_attention_fn", dispatch)
    model = make_model()
    use_kernel(model, "sage")
    with torch.no_grad():
        run(model)
    assert used.count("sage") == len(model.blocks)
    assert set(used) == {"sage", None}


def test_auto_leaves_the_choice() -> None:
    model = make_model()
    use_kernel(model, "auto")
    assert set(backends(model).values()) == {None}


@pytest.mark.skipif(find_spec("sageattention") is not None, reason="it is installed")
def test_a_package_that_is_missing_is_one_sentence() -> None:
    request = Request(audio=Path("a.wav"), engine="wan", options={"attention": "sage"})
    with pytest.raises(EngineUnavailable, match="needs the package sageattention, which is not"):
        WanEngine(Settings()).find(request)


def test_the_record_names_the_kernel_and_its_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(packages._KERNELS, "sage", "torch")
    files = Selection(find_weights((tiny.model_folder(),)))

    def identity(attention: str) -> dict[str, str]:
        options = parse_options({"attention": attention})
        return dict(WanReady(options, files, "float32 on cpu", None, Path("rates.json")).identity)

    assert identity("sage")["attention"] == f"sage {identity('auto')['torch']}"
    assert "attention" not in identity("auto")
