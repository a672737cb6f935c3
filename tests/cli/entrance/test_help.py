"""Help and the first word of a command line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import soundreel
from soundreel.cli.app import run
from soundreel.options.table import REQUEST_OPTIONS

COMMANDS = ("generate", "plan", "probe", "doctor", "engines", "models", "models pull", "jobs")


@pytest.fixture(params=[80, 40])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_the_window_and_speaks_no_program(
    command: str, width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command.split(), "-h"]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= width
    for token in ("<bool>", "<int>", "<path>", "(none)", "[none]", "None"):
        assert token not in shown


def test_help_begins_with_what_people_need(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    first = capsys.readouterr().out
    order = ("Examples:", "Sound:", "Picture:", "Output:", "Run:", "Commands:")
    assert sorted(order, key=first.index) == list(order)
    assert "--chunk-frames" not in first
    assert run(["generate", "--help"]) == 0
    every = capsys.readouterr().out
    panels = ("Sound:", "Picture:", "Output:", "Run:", "Engine options:")
    assert sorted(panels, key=every.index) == list(panels)


def test_every_option_of_the_table_stands_in_its_panel(capsys: pytest.CaptureFixture[str]) -> None:
    """A new row falls into place."""
    assert run(["generate", "--help"]) == 0
    shown = capsys.readouterr().out
    for row in REQUEST_OPTIONS:
        if row.names:
            panel = shown.split(f"\n{row.panel}:\n")[1].split("\n\n")[0]
            assert f"--{row.key.strip('_').replace('_', '-')} " in f"{panel} ".replace("\n", " \n")


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([flag]) == 0
    assert capsys.readouterr().out == f"soundreel {soundreel.__version__}\n"


def test_the_package_runs_as_a_module() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "soundreel", "-V"],
        capture_output=True, text=True, check=False, env={**os.environ},
    )  # fmt: skip
    assert ended.stdout.startswith("soundreel ")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("doctr", "did you mean: soundreel doctor"),
        ("Plan", "did you mean: soundreel plan"),
        ("xyzzy", "commands: generate, plan"),
    ],
)
def test_a_bare_word_that_is_no_file_is_a_command_misspelt(
    word: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([word]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert "neither a file nor a command" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.wav", "--nope"], "No such option: --nope"),
        (["models", "nope"], "No such command 'nope'"),
        (["a.wav", "--offload", "disk"], "'--offload': 'disk' is not one of"),
    ],
)
def test_a_slip_of_usage_is_a_sentence_like_every_other_error(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr().err
    assert said in shown.splitlines()[0]
    assert shown.startswith("error: ")
    assert shown.splitlines()[1:] == ["  hint: see soundreel --help"]


def test_without_a_word_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "Examples:" in capsys.readouterr().out


def test_a_file_without_a_suffix_is_a_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["no_such_song.mp3"]) == 2
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("soundreel generate --interpolate ", {"auto", "none", "flow", "film", "rife"}),
        ("soundreel generate --preset ultra", {"ultrafast"}),
        ("soundreel generate --offload m", {"model"}),
        ("soundreel do", {"doctor"}),
    ],
)
def test_the_shell_completes_commands_and_values(typed: str, offered: set[str]) -> None:
    code = "from soundreel.cli.app import app; app(prog_name='soundreel')"
    words = len(typed.split()) - (0 if typed.endswith(" ") else 1)
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, "_SOUNDREEL_COMPLETE": "complete_bash", "COMP_WORDS": typed,
             "COMP_CWORD": str(words)},
    )  # fmt: skip
    assert set(ended.stdout.split()) == offered
