"""Products in int8 and fp8: the numbers of other implementations, used where they are right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from soundreel import api
from soundreel.config import Settings
from soundreel.engines.wan import job
from soundreel.engines.wan.engine import WanEngine, WanReady
from soundreel.engines.wan.files.formats import Declared
from soundreel.engines.wan.files.selection import Selection
from soundreel.engines.wan.load import products
from soundreel.engines.wan.load.comfy import Int8
from soundreel.engines.wan.load.fp8 import held_in_8_bits
from soundreel.engines.wan.load.lora import LoraLinear, LowRank
from soundreel.engines.wan.load.mapped import empty_model, fill, read_state
from soundreel.engines.wan.load.products import Rounding, check_products, use_products
from soundreel.engines.wan.load.quantised import Quantised, QuantisedLinear
from soundreel.engines.wan.load.reading import read_contents, split_quantised
from soundreel.engines.wan.memory import counted, needs
from soundreel.engines.wan.memory.needs import Workload
from soundreel.engines.wan.model.compiled import compile_blocks
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.engines.wan.options import parse_options
from soundreel.engines.wan22 import FEW_STEP_LORA
from soundreel.errors import EngineUnavailable, InputError
from soundreel.events import Event, Notice, RunControl
from soundreel.types import Request
from soundreel.video.reader import read_frames, read_tags
from wan import model_folder
from wan import tiny as wan_tiny
from wan.eight_bit import write_eight_bit_folder
from wan.fake_card import CARD, fake_card
from wan.files.weight_files import find_weights

RECORDED = Path(__file__).parents[2] / "data" / "products_by_comfy_kitchen.safetensors"
"""Layers in int8 that comfy-kitchen 0.2.40 made and used, on the CPU, in float32."""

CPU = torch.device("cpu")
E4M3 = torch.float8_e4m3fn


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with wan_tiny.one_thread():
        yield


def filled(tensors: dict[str, Tensor], declared: Declared | None = None) -> QuantisedLinear:
    """The layer of these tensors of a file."""
    rows, columns = tensors["weight"].shape
    net = empty_model(lambda: nn.ModuleDict({"x": nn.Linear(columns, rows, "bias" in tensors)}))
    named = {f"x.{name}": tensor for name, tensor in tensors.items()}
    read = split_quantised(named, {"x": declared} if declared else {})
    fill(net, read.weights, read.quantised, device=CPU, dtype=torch.float32)
    layer = net.get_submodule("x")
    assert isinstance(layer, QuantisedLinear)
    return layer


def small_floats(rows: int = 64, columns: int = 96) -> dict[str, Tensor]:
    weight = torch.randn(rows, columns)
    tensors = {"weight": weight.to(E4M3), "scale_weight": torch.tensor(0.1)}
    return {**tensors, "bias": torch.randn(rows)}


def off(made: Tensor, expected: Tensor) -> float:
    return float((made.double() - expected).norm() / expected.norm())


# --- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "group"), [("int8_rows", 0), ("int8_convrot", 256)])
def test_whole_numbers_multiply_as_comfy_kitchen_multiplies_them(name: str, group: int) -> None:
    stored = {
        key.removeprefix(f"{name}."): value
        for key, value in load_file(RECORDED).items()
        if key.startswith(f"{name}.")
    }
    inputs, outputs = stored.pop("inputs"), stored.pop("outputs").double()
    layer = filled(stored, Declared("int8_tensorwise", group))
    restored = off(layer(inputs), outputs)
    assert use_products(layer, "int8") == 1
    assert off(layer(inputs), outputs) < 1e-6, "nor is it what restored weights give:"
    assert restored > 1e-3


@pytest.mark.parametrize("per_row", [False, True])
def test_small_floats_multiply_as_in_float64(per_row: bool) -> None:
    stored = small_floats()
    if per_row:
        stored["scale_weight"] = torch.rand(64, 1) + 0.1
    layer, x = filled(stored), torch.randn(2, 19, 96) * torch.logspace(-3, 3, 19)[:, None]
    assert use_products(layer, "fp8") == 1
    scale = x.abs().amax(-1, keepdim=True).double() / 448
    rounded = (x.double() / scale).float().to(E4M3).double() * scale
    weight = stored["weight"].double() * stored["scale_weight"].double()
    expected = rounded @ weight.T + stored["bias"].double()
    assert off(layer(x), expected) < 1e-6
    assert layer(x).shape == (2, 19, 64)
    assert layer(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("kind", ["int8", "fp8"])
def test_tokens_may_be_many_few_and_nought(kind: Rounding, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = products._layer(kind, torch.randn(64, 512))
    use_products(layer, kind)
    x = torch.randn(1, 77, 512)
    x[0, 5] = 0
    whole = layer(x)
    assert float(whole[0, 5].abs().max()) == 0
    monkeypatch.setattr(products, "AT_ONCE", 32 * 512)
    torch.testing.assert_close(layer(x), whole, rtol=0, atol=1e-5)
    assert layer(x[:, :0]).shape == (1, 0, 64)


def test_a_lora_goes_onto_what_such_a_layer_gives() -> None:
    layer, x = filled(small_floats()), torch.randn(3, 7, 96)
    use_products(layer, "fp8")
    with_lora = LoraLinear(layer)
    down, up = torch.randn(4, 96), torch.randn(64, 4)
    with_lora.loras.append(LowRank(down, up, 0.5))
    expected = layer(x).double() + 0.5 * (x.double() @ down.double().T) @ up.double().T
    assert off(with_lora(x), expected) < 1e-6


def test_layers_that_cannot_or_shall_not_are_left_alone() -> None:
    odd, wide = filled(small_floats(60)), filled(small_floats())
    wide.float32 = True
    other = filled({"weight": torch.randn(64, 96).to(torch.float8_e5m2)})
    kept = filled(small_floats(), Declared("float8_e4m3fn", exact=True))
    assert use_products(nn.ModuleList([odd, wide, other, kept]), "fp8") == 0
    assert use_products(filled(small_floats()), "int8") == 0


def test_a_file_says_which_layers_are_to_be_restored(tmp_path: Path) -> None:
    entry = {"format": "float8_e4m3fn", "full_precision_matrix_mult": True}
    text = json.dumps({"layers": {"a": entry, "b": "float8_e4m3fn"}})
    tensors = {"a.weight": torch.zeros(16, 16).to(E4M3), "a.weight_scale": torch.ones(())}
    tensors |= {name.replace("a.", "b."): tensor.clone() for name, tensor in tensors.items()}
    save_file(tensors, tmp_path / "x.safetensors", {"_quantization_metadata": text})
    read = read_contents([tmp_path / "x.safetensors"]).quantised
    assert {name: weight.exact for name, weight in read.items()} == {
        "a.weight": True,
        "b.weight": False,
    }


# --- whether they are right here ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["int8", "fp8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_they_are_right_on_this_machine(kind: Rounding, dtype: torch.dtype) -> None:
    check_products(kind, CPU, dtype)


@pytest.mark.parametrize("broken", [torch.zeros_like, lambda sums: sums + sums // 20])
def test_wrong_numbers_are_refused(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = torch._int_mm
    monkeypatch.setattr(torch, "_int_mm", lambda *given: broken(real(*given)))
    with pytest.raises(EngineUnavailable, match=r"in int8 are .* away from those with restored"):
        check_products("int8", CPU, torch.float32)


def test_a_library_that_has_none_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> Tensor:
        raise RuntimeError("cublasLt has none\nat gemm.cpp:1")

    monkeypatch.setattr(torch, "_int_mm", missing)
    with pytest.raises(EngineUnavailable, match=r"int8 do not run here: cublasLt has none$"):
        check_products("int8", CPU, torch.float32)


def test_other_devices_are_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineUnavailable, match=r"^`matmul='fp8'`: .* are not there on mps$"):
        check_products("fp8", torch.device("mps"), torch.bfloat16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 6))
    with pytest.raises(EngineUnavailable, match=r"8\.9 or newer .* this one has 8\.6$") as refused:
        check_products("fp8", CARD, torch.bfloat16)
    assert "`matmul='exact'`" in refused.value.hint


@pytest.mark.parametrize("kind", ["int8", "fp8"])
def test_all_of_it_stays_on_the_card(kind: Rounding) -> None:
    with torch.no_grad(), fake_card():
        layer = products._layer(kind, torch.randn(64, 512)).to(CARD)
        use_products(layer, kind)
        made = layer(torch.empty(1, 70, 512, device=CARD, dtype=torch.bfloat16))
    assert (made.shape, made.dtype, made.device) == ((1, 70, 64), torch.bfloat16, CARD)


@pytest.mark.parametrize("kind", ["int8", "fp8"])
@torch.no_grad()
def test_they_are_compiled_with_a_block(kind: Rounding) -> None:
    layer, x = products._layer(kind, torch.randn(64, 512)), torch.randn(1, 70, 512)
    use_products(layer, kind)
    expected = layer(x)
    compile_blocks(nn.ModuleList([layer]), "eager")
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["int8", "fp8"])
@pytest.mark.parametrize(("width", "frames"), [(256, 8), (480, 80)])
def test_they_take_no_more_memory_than_the_plan_says(
    kind: Rounding, width: int, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, row = Workload(width, 832, frames), {"int8": "unpacked", "fp8": "fp8_scaled"}[kind]
    monkeypatch.setattr(counted, "_held", lambda module, _: held_on_meta(module, kind))
    quantise = counted._quantise

    def quantised(model: nn.Module, row: str) -> None:
        quantise(model, row)
        assert use_products(model, kind)

    monkeypatch.setattr(counted, "_quantise", quantised)
    found = counted.step_count(load, row)
    assert found.peak_bytes + found.held_bytes <= needs.step_count(load, row).peak_bytes


def held_on_meta(module: nn.Linear, kind: Rounding) -> Quantised:
    shape = module.out_features, module.in_features
    with torch.device("meta"):
        if kind == "fp8":
            return held_in_8_bits(torch.empty(shape, dtype=E4M3))
        group = 0 if shape[1] % 256 else 256
        parts = {"weight": torch.empty(shape, dtype=torch.int8), "scale": torch.empty(shape[0], 1)}
        return Quantised(Int8(group), shape, parts)


# --- in a job -----------------------------------------------------------------------------------


def in_whole_numbers(folder: Path) -> None:
    """The transformer of an 8-bit folder as ComfyUI's int8 has it."""
    (path,) = (folder / "transformer").glob("*.safetensors")
    state = read_state([path])
    layers = [name.removesuffix(".weight") for name, t in state.items() if t.dtype == E4M3]
    for layer in layers:
        weight = state[f"{layer}.weight"].float() * state.pop(f"{layer}.scale_weight")
        whole, scale = products._rounded(weight, torch.int8)
        state |= {f"{layer}.weight": whole, f"{layer}.weight_scale": scale}
    text = json.dumps({"layers": dict.fromkeys(layers, "int8_tensorwise")})
    kept = {name: tensor.clone() for name, tensor in state.items()}
    save_file(kept, path, {"_quantization_metadata": text})


@pytest.fixture(scope="module", params=["int8", "fp8"])
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a transformer most of which is in these numbers."""
    folder = tmp_path_factory.mktemp(request.param) / request.param
    config = {"num_attention_heads": 2, "attention_head_dim": 24, "ffn_dim": 1024, "num_layers": 2}
    config |= {"text_dim": 16, "audio_dim": 16, "num_audio_layers": 3}
    with pytest.MonkeyPatch.context() as patch:
        make = partial(WanS2VTransformer3DModel, **config, audio_inject_layers=(0, 1))
        patch.setitem(model_folder._PARTS, "transformer", make)
        write_eight_bit_folder(folder)
    if request.param == "int8":
        in_whole_numbers(folder)
    return folder


def test_a_job_uses_them_and_its_record_says_so(
    models: Path, tone: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, pictures, calls = models.name, [], list[torch.dtype]()
    real = products._rounded

    def noted(inputs: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        calls.append(dtype)
        return real(inputs, dtype)

    monkeypatch.setattr(products, "_rounded", noted)
    for matmul in ("exact", kind):
        options = {"steps": 1, "guidance_scale": 1.0, "chunk_frames": 8, "matmul": matmul}
        output = tmp_path / f"{matmul}.mp4"
        request = Request(
            audio=tone, engine="wan", width=64, height=64, num_frames=5, seed=1, output=output,
            options=options | {"lora": (f"{models / 'loras' / FEW_STEP_LORA.name}:0.5",)},
        )  # fmt: skip
        assert not calls
        api.generate(request, settings.model_copy(update={"models_dir": (models,)}))
        pictures.append(np.stack([np.asarray(rgb, float) for rgb in read_frames(output)]))
        said = json.loads(read_tags(output)["soundreel"])["engine"]
        assert said.get("matmul", "exact") == matmul
    assert calls
    assert 0 < np.abs(pictures[0] - pictures[1]).mean() < 8, "of 255 levels, on random weights"


def test_a_file_in_other_numbers_is_refused(models: Path, tone: Path) -> None:
    other = {"int8": "fp8", "fp8": "int8"}[models.name]
    request = Request(audio=tone, engine="wan", options={"matmul": other, "lora": ("none",)})
    with pytest.raises(InputError, match=f"for weights in {other} or .* is {models.name}"):
        WanEngine(Settings(models_dir=(models,))).find(request)


def ready_with(models: Path, **options: object) -> WanReady:
    files = Selection(find_weights((models,)))
    return WanReady(parse_options(options), files, "float32 on cpu", None, Path("rates.json"))


def test_auto_takes_whole_numbers_on_a_card_where_they_are_right(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decided() -> tuple[str, list[str]]:
        events: list[Event] = []
        ready = ready_with(models)
        chosen = job.decide_products(ready.options, ready.files, RunControl(events.append))
        return chosen, [event.message for event in events if isinstance(event, Notice)]

    assert decided() == ("exact", []), "on a CPU, where restored weights are as quick"
    monkeypatch.setattr(job, "choose_device", lambda: CARD)
    monkeypatch.setattr(job, "check_products", lambda *_: None)
    whole = models.name == "int8"
    chosen, said = decided()
    assert chosen == ("int8" if whole else "exact")
    assert len(said) == int(whole)
    monkeypatch.setattr(job, "check_products", partial(_refuse, "products in int8 do not run"))
    chosen, said = decided()
    assert chosen == "exact"
    assert said == (["products in int8 do not run: going on with `matmul='exact'`"] * whole)


def _refuse(text: str, *_: object) -> None:
    raise EngineUnavailable(text, hint="")


def test_a_job_keeps_to_what_was_decided_when_it_started(models: Path) -> None:
    ready = ready_with(models)
    assert ready.decided({"matmul": "int8"}).identity["matmul"] == "int8"
    assert "matmul" not in ready.decided({}).identity, "of a job from before there was a choice"
