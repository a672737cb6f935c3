"""What a plan says of the time for pictures between and for scaling."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from soundreel.api import plan
from soundreel.cli.app import run
from soundreel.config import Settings
from soundreel.post.networks.kept import FILE_NAME, keep_pace, kept_paces
from soundreel.types import Estimate, Request


@pytest.fixture
def request_of(tone: Path) -> Request:
    return Request(audio=tone, engine="fake", size="640x480", seed=3, num_frames=16)


def told(estimate: Estimate) -> dict[str, str]:
    return dict(estimate.details)


def seconds_of(request: Request, settings: Settings) -> float:
    seconds = plan(request, settings)[1].seconds
    assert seconds is not None
    return seconds


def test_flow_counts_pairs_and_pictures(request_of: Request, settings: Settings) -> None:
    plain = seconds_of(request_of, settings)
    twice, thrice = (
        seconds_of(replace(request_of, fps=Fraction(rate)), settings) - plain for rate in (32, 48)
    )
    assert twice == pytest.approx(0.3072 * (16 * 0.07 + 16 * 0.042))
    assert thrice - twice == pytest.approx(0.3072 * 16 * 0.042)
    _, estimate = plan(replace(request_of, fps=Fraction(24)), settings)
    assert told(estimate)["optical flow"] == "16 pictures, about 0:01 (measured on two cores)"


def test_scaling_is_counted(request_of: Request, settings: Settings) -> None:
    larger = replace(request_of, render_size=(320, 240))
    _, estimate = plan(larger, settings)
    assert told(estimate)["scaling"].startswith("16 pictures, about 0:00")


def test_film_is_measured_by_the_last_job(request_of: Request, settings: Settings) -> None:
    pytest.importorskip("torch")
    film = replace(request_of, interpolate="film")
    _, estimate = plan(film, settings)
    assert told(estimate)["FILM"] == "16 pictures, about 3:17 (measured on two cores)"
    keep_pace(settings.work_dir.parent / "other", "film", "cpu", 2.0)  # no such folder: no matter
    settings.work_dir.mkdir(parents=True)
    keep_pace(settings.work_dir, "film", "cpu", 2.0)
    _, estimate = plan(film, settings)
    assert told(estimate)["FILM"] == "16 pictures, about 0:10 (as in the last job here)"
    keep_pace(settings.work_dir, "film", "some card", 0.1)
    assert kept_paces(settings.work_dir) == {"film on cpu": 2.0, "film on some card": 0.1}


@pytest.mark.parametrize("text", ["", "[]", '{"cpu": "fast"}', '{"cpu": -1}', "{", '{"cpu": NaN}'])
def test_a_damaged_file_is_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    assert kept_paces(tmp_path) == {}


def test_film_keeps_its_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    import numpy as np

    from soundreel.post.networks import between

    monkeypatch.setattr(between, "load_network", lambda *_: None)
    monkeypatch.setattr(between, "in_tiles", lambda *_: torch.zeros(1, 3, 8, 8))
    film = between.NetworkBetween(tmp_path / "film.pt", work_dir=tmp_path)
    black = np.zeros((8, 8, 3), np.uint8)
    film(black, black, [Fraction(1, 8 + n) for n in range(7)])
    assert kept_paces(tmp_path) == {}
    film(black, black, [Fraction(1, 2)])
    [pace] = kept_paces(tmp_path).values()
    assert pace > 0


def test_doctor_says_where_film_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from post.film_weights import film_weights, save_film

    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path / "nowhere"))
    where = ["doctor", "--url", "http://127.0.0.1:9", "--models-dir", str(tmp_path), "--json"]
    run(where)
    assert "models pull film" in json.loads(capsys.readouterr().out)["machine"]["FILM"]
    save_film(film_weights(), tmp_path / "frame_interpolation" / "film_net_fp16.safetensors")
    run(where)
    said = json.loads(capsys.readouterr().out)["machine"]["FILM"]
    assert said == "film_net_fp16.safetensors, for --interpolate film"
