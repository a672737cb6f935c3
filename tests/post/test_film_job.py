"""`interpolate="film"` with an engine that has none: counts, cuts, resumed jobs, the record."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from fakes import cancel_after, frames_of, sidecar_of
from post.film_weights import film_weights, save_film
from soundreel.api import generate, plan
from soundreel.cli.app import run
from soundreel.config import Settings
from soundreel.errors import Cancelled, EngineUnavailable
from soundreel.post import interpolate
from soundreel.post.flow import between
from soundreel.post.networks.between import NetworkBetween
from soundreel.types import Encoding, Request, Rgb, ShotRequest

CUT = 3
"""Picture with which the second shot begins."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_film(film_weights(), folder / "frame_interpolation" / "film_net_fp16.safetensors")
    return folder


@pytest.fixture
def machine(settings: Settings, models: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("COMFYUI_PATH", str(models / "nowhere"))
    return settings.model_copy(update={"models_dir": (models,)})


@pytest.fixture
def request_of(tone: Path, tmp_path: Path) -> Request:
    shots = tuple(ShotRequest(start=Fraction(frame, 16), seed=frame) for frame in (0, CUT))
    return Request(
        audio=tone, engine="fake", size="64x64", seed=3, num_frames=2 * CUT, shots=shots,
        interpolate="film", encoding=Encoding(crf=0), output=tmp_path / "a.mp4",
    )  # fmt: skip


def test_the_pictures_between_are_films(request_of: Request, machine: Settings) -> None:
    single = replace(request_of, num_frames=2, shots="none")
    first, made, second, _ = frames_of(generate(single, machine).path)
    [weights] = machine.models_dir[0].rglob("*.safetensors")
    half = [Fraction(1, 2)]
    [film], [flow] = NetworkBetween(weights)(first, second, half), between(first, second, half)
    assert _apart(made, film) < 3 < 10 < _apart(made, flow)


def _apart(one: Rgb, other: Rgb) -> float:
    """Levels of grey: the file's colours are halved in size."""
    return float(np.abs(one.mean(axis=2) - other.mean(axis=2)).mean())


def test_twice_as_many_pictures_none_across_the_cut_the_same_after_a_stop(
    request_of: Request, machine: Settings, tmp_path: Path
) -> None:
    whole = generate(request_of, machine).path
    broken = replace(request_of, output=tmp_path / "b.mp4")
    with pytest.raises(Cancelled):
        generate(broken, machine, control=cancel_after(2 * CUT + 1))
    result = generate(broken, machine)
    assert result.resumed_chunks == 1
    assert result.path.read_bytes() == whole.read_bytes()
    shown = frames_of(whole)
    assert len(shown) == 2 * (2 * CUT)
    first, second = request_of.shot_list
    other = (first, replace(second, seed=99))
    changed = replace(request_of, shots=other, output=tmp_path / "c.mp4")
    after = frames_of(generate(changed, machine).path)
    assert all(np.array_equal(a, b) for a, b in zip(shown[: 2 * CUT], after, strict=False))
    assert not np.array_equal(shown[2 * CUT], after[2 * CUT])


@pytest.mark.parametrize(("rate", "count"), [("24", 5), ("12", 3), ("48", 9)])
def test_any_rate_has_its_pictures_and_the_record_names_the_weights(
    request_of: Request, machine: Settings, rate: str, count: int
) -> None:
    short = replace(request_of, fps=Fraction(rate), num_frames=CUT, shots="none")
    path = generate(short, machine).path
    assert len(frames_of(path)) == count
    record = json.dumps(sidecar_of(path))
    versions = sidecar_of(path)["versions"]
    assert isinstance(versions, dict)
    assert versions["film"].startswith("film_net_fp16.safetensors ")
    assert versions["torch"].endswith(" on cpu")
    assert str(machine.models_dir[0]) not in record


@pytest.mark.usefixtures("machine")
def test_without_weights_the_error_names_both_ways_out(
    request_of: Request, settings: Settings
) -> None:
    with pytest.raises(EngineUnavailable, match="none are on this machine") as raised:
        generate(request_of, settings)
    assert "models pull film" in raised.value.hint
    assert "`interpolate='flow'`" in raised.value.hint
    assert plan(request_of, settings)[0].output_frames == 4 * CUT


def test_without_torch_the_error_says_how_to_get_it(
    request_of: Request, machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpolate, "find_spec", lambda name: None if name == "torch" else name)
    with pytest.raises(EngineUnavailable, match="needs torch, not installed") as raised:
        generate(request_of, machine)
    assert "[wan]" in raised.value.hint


def test_models_shows_the_file(machine: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--models-dir", str(machine.models_dir[0])]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if "FILM" in line]
    assert line.startswith("ok      film")
    assert "fp16, 0.1 GB, models_dir" in line
