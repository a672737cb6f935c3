"""`plan` compares the transformers at hand; GGUF files weigh what their makers' rule says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("torch")

from bench.full_size_files import ALIGNMENT, header_of, size_of_any, tensors_of
from bench.gguf_mixes import MIXES, size_of, types_of

from soundreel.engines.wan.cost import estimate
from soundreel.engines.wan.files.formats import Kind
from soundreel.engines.wan.files.lookup import Found, WeightSet, given
from soundreel.engines.wan.files.selection import Selection
from soundreel.engines.wan.job import tell_taken
from soundreel.engines.wan.memory.needs import Weights
from soundreel.engines.wan.options import parse_options
from soundreel.events import Event, Notice, RunControl
from wan.files.weight_files import key_lists
from wan.memory.test_fit import _plan

NAMES = {"fp8.safetensors": ("fp8_scaled", 16), "Q4.gguf": ("GGUF Q4_K_M", 13)}
SIZES = {**NAMES, "Q2.gguf": ("GGUF Q2_K", 9)}


def found(name: str, form: str, size: int) -> Found:
    kind = Kind.TEXT_ENCODER if name == "text" else Kind.S2V
    path = Path("/models") / name
    return Found(kind, path, (path,), form, size * 2**30, 16 * 10**9, "models_dir")


@pytest.fixture(autouse=True)
def _weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are weighed by their size alone: the headers are other tests' matter."""

    def weights_of(file: Found) -> Weights:
        return Weights(file.size, file.size // 10, file.size // 50)

    monkeypatch.setattr("soundreel.engines.wan.cost.weights_of", weights_of)


def at_hand(gpu: str, taken: str, files: dict[str, tuple[str, int]] = SIZES) -> list[str]:
    transformers = {name: found(name, *facts) for name, facts in files.items()}
    text = found("text", "GGUF Q5_K_M", 4)
    weights = WeightSet(transformer=transformers[taken], text_encoder=text)
    selection = Selection(weights, (), tuple(transformers.values()))
    told = estimate(_plan(), parse_options({}), selection, gpu, Path("none"))
    return [text for label, text in told.details if label == "at hand"]


def test_what_fits_comes_before_what_would_stream_and_the_larger_first() -> None:
    lines = at_hand("RTX 4090", "fp8.safetensors")
    assert [line.split(":")[0] for line in lines] == ["fp8.safetensors", "Q4.gguf", "Q2.gguf"]
    assert all(": fits, likely " in line for line in lines)
    lines = at_hand("RTX 4080", "fp8.safetensors")
    assert [line.split(",")[0] for line in lines[:3]] == [
        *("Q4.gguf: fits", "Q2.gguf: fits", "fp8.safetensors: would stream"),
    ]
    assert lines[3:] == ["best is Q4.gguf: take it by `model='Q4.gguf'`"]


def test_the_best_is_not_advised_where_it_is_taken() -> None:
    assert not any("best is" in line for line in at_hand("RTX 4080", "Q4.gguf"))


def test_a_card_without_rates_has_no_times_and_a_lone_file_no_lines() -> None:
    assert at_hand("16GB", "Q4.gguf")[0] == "Q4.gguf: fits"
    assert at_hand("16GB", "Q4.gguf", {"Q4.gguf": ("GGUF Q4_K_M", 13)}) == []


@pytest.mark.parametrize(
    ("mix", "everything", "sound_in_16_bits"),
    [
        *(("Q2_K", 6.21, 9.37), ("Q3_K_M", 8.29, 11.25), ("Q4_0", 9.88, 12.63)),
        *(("Q4_K_M", 11.05, 13.72), ("Q6_K", 13.82, 16.08), ("Q8_0", 17.68, 19.48)),
    ],
)
def test_the_size_of_a_mix_is_that_of_its_types(
    mix: str, everything: float, sound_in_16_bits: float
) -> None:
    """GB, reckoned apart from this code; 13.9 of Q4_K_M and 12.8 of Q4_0 are reported."""
    shapes = {name: shape for name, (shape, _) in key_lists()["s2v_bf16"].items()}
    for sound, expected in ((True, everything), (False, sound_in_16_bits)):
        kinds = types_of(shapes, mix, sound=sound)
        size = sum(size_of(shapes[name], kind) for name, kind in kinds.items())
        assert size / 1e9 == pytest.approx(expected, abs=0.01)
    assert mix in MIXES


@pytest.mark.parametrize(
    ("form", "named", "transformer_gb"),
    [
        *(("fp8_scaled", "fp8_scaled", 16.39), ("int8", "int8", 16.39)),
        *(("gguf-q4_k_m", "GGUF Q4_K_M", 13.72), ("gguf-q8_0", "GGUF Q8_0", 19.48)),
    ],
)
def test_a_full_size_file_of_the_bench_is_a_transformer_of_its_format(
    tmp_path: Path, form: str, named: str, transformer_gb: float
) -> None:
    tensors = tensors_of(form)
    sizes = {name: size_of_any(shape, kind) for name, (shape, kind) in tensors.items()}
    path = tmp_path / f"a.{'gguf' if form.startswith('gguf') else 'safetensors'}"
    path.write_bytes(header_of(form, tensors, sizes))
    end = ALIGNMENT if path.suffix == ".gguf" else 1
    whole = sum(size + -size % end for size in sizes.values())
    os.truncate(path, path.stat().st_size + whole)
    file = given(path, "transformer")
    assert file.number_format == named
    assert file.size / 1e9 == pytest.approx(transformer_gb, abs=0.02)


def test_a_job_says_which_file_of_several_it_took() -> None:
    def told(files: dict[str, tuple[str, int]], **options: object) -> list[str]:
        events: list[Event] = []
        transformers = tuple(found(name, *facts) for name, facts in files.items())
        selection = Selection(WeightSet(transformer=transformers[-1]), (), transformers)
        tell_taken(parse_options(options), selection, RunControl(events.append))
        return [event.message for event in events if isinstance(event, Notice)]

    assert told(SIZES) == [
        "Q2.gguf, 9.7 GB, is taken of 3 transformers here: soundreel plan compares them, "
        "`model=` takes another"
    ]
    assert told(SIZES, model="Q2.gguf") == told({"Q2.gguf": SIZES["Q2.gguf"]}) == []
