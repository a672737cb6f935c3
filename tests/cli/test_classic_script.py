"""The commands that existed before soundreel: they look at what they must and pass the rest on."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from comfyui.fake.server import FakeComfyUI
from soundreel.cli import app, classic
from soundreel.engines.comfyui.client.wire.address import parse_server

SCRIPTS = Path(__file__).parents[2] / "scripts"
NO_SERVER = "http://127.0.0.1:9"


@pytest.fixture
def script() -> ModuleType:
    return loaded("generate_wan22_sound_video.py")


@pytest.fixture
def image_script() -> ModuleType:
    return loaded("generate_wan22_video.py")


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("classic_script", SCRIPTS / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What arrives at `soundreel`."""
    calls: list[list[str]] = []

    def run(args: list[str]) -> int:
        calls.append(args)
        return 0

    monkeypatch.setattr(app, "run", run)
    monkeypatch.setattr(classic, "_server_answers", lambda: False)
    return calls


@pytest.mark.parametrize(
    ("given", "added"),
    [
        (["a.wav"], ["--engine=auto", "--frames=77"]),
        (["a.wav", "--frames", "9"], ["--engine=auto"]),
        (["a.wav", "--audio-duration=3"], ["--engine=auto"]),
        (["--duration", "3", "--crf", "0", "a.wav"], ["--engine=auto"]),
        (["a.wav", "-e", "preview", "--frames", "9"], []),
        (["a.wav", "--frames"], []),
        (["--from", "a.mp4"], ["--engine=auto"]),
        (["--url", "http://[", "a.wav"], ["--engine=comfyui", "--frames=77"]),
        (["--url", NO_SERVER, "a.wav"], ["--engine=comfyui", "--frames=77"]),
        (
            ["--url", NO_SERVER, "--interpolate", "film", "a.wav"],
            ["--engine=comfyui", "--frames=77"],
        ),
    ],
)
def test_what_was_given_is_passed_on_as_it_is(
    script: ModuleType, passed: list[list[str]], given: list[str], added: list[str]
) -> None:
    assert script.main(given) == 0
    assert passed == [["generate", *added, *given]]


def test_its_help_is_that_of_generate(script: ModuleType, passed: list[list[str]]) -> None:
    assert script.main(["-h"]) == 0
    assert passed == [["generate", "--help"]]


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        (["--interpolate", "film", "a.wav"], ["--interpolate", "flow", "a.wav"]),
        (["--interpolate=film", "a.wav"], ["--interpolate=flow", "a.wav"]),
        (["--interpolate", "none", "film"], ["--interpolate", "none", "film"]),
        (["--", "film"], ["--", "film"]),
    ],
)
def test_film_without_a_server_becomes_flow_with_a_word(
    script: ModuleType,
    passed: list[list[str]],
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    passed_on: list[str],
) -> None:
    assert script.main(given) == 0
    assert passed == [["generate", "--engine=auto", "--frames=77", *passed_on]]
    assert ("--interpolate flow in its place" in capsys.readouterr().err) is (given != passed_on)


def test_film_stays_where_its_weights_are(
    script: ModuleType,
    passed: list[list[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(classic, "require_packages", lambda method: None)
    monkeypatch.setattr(classic, "find_network", lambda method, folders: asked.append(folders))
    given = ["--interpolate", "film", "--models-dir", "weights", "a.wav"]
    assert script.main(given) == 0
    assert passed == [["generate", "--engine=auto", "--frames=77", *given]]
    assert asked == [(Path("weights"),)]
    assert "flow" not in capsys.readouterr().err


@pytest.mark.parametrize("film", ["core", ""])
def test_a_server_that_was_not_named_must_have_film(
    script: ModuleType,
    passed: list[list[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    film: str,
) -> None:
    monkeypatch.setenv("COMFYUI_PATH", "nowhere")
    with FakeComfyUI(film=film) as server:
        monkeypatch.setattr(classic, "_server_answers", lambda: True)
        monkeypatch.setattr(classic, "_servers", lambda: [parse_server(server.url)])
        assert script.main(["--interpolate", "film", "a.wav"]) == 0
    method = "film" if film else "flow"
    expected = ["generate", "--engine=comfyui", "--frames=77", "--interpolate", method, "a.wav"]
    assert passed == [expected]
    assert ("--interpolate flow in its place" in capsys.readouterr().err) is not bool(film)


def test_a_server_named_by_the_environment_is_wanted_too(
    script: ModuleType, passed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOUNDREEL_URL", NO_SERVER)
    assert script.main(["a.wav"]) == 0
    assert passed[0][1] == "--engine=comfyui"


@pytest.mark.parametrize(
    ("given", "added"),
    [
        (["a.png"], ["--engine=auto", "--frames=25"]),
        (["a.png", "--frames", "49"], ["--engine=auto"]),
        (["a.png", "--duration=3"], ["--engine=auto"]),
        (["a.png", "--audio", "a.wav"], ["--engine=auto"]),
        (["a.png", "--last-frame", "b.png", "-e", "preview"], ["--frames=25"]),
        (["--from", "a.mp4"], ["--engine=auto"]),
        (["--url", NO_SERVER, "a.png"], ["--engine=comfyui", "--frames=25"]),
    ],
)
def test_the_image_s_command_passes_on_what_was_given(
    image_script: ModuleType, passed: list[list[str]], given: list[str], added: list[str]
) -> None:
    assert image_script.main(given) == 0
    assert passed == [["image-to-video", *added, *given]]


def test_the_image_s_help_is_that_of_its_command(
    image_script: ModuleType, passed: list[list[str]]
) -> None:
    assert image_script.main(["-h"]) == 0
    assert passed == [["image-to-video", "--help"]]
