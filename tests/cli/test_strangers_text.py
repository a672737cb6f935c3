"""Whatever a stranger wrote cannot act on the terminal, on any path by which the program prints."""

from __future__ import annotations

import ast
import json
import unicodedata
from pathlib import Path

import pytest

import soundreel.cli
from media_factory import sine, write_audio
from soundreel.cli.app import run
from soundreel.safe import secrets
from wan.files.weight_files import key_lists, write_sparse

EVIL = "a\x1b]0;owned\x07\x1b[2Jb\x9b31m\u202egnp\nerror: forged"
SECRET = "s3cr3tValue"


def acting(text: str) -> set[str]:
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return {char for char in text if unicodedata.category(char) in kinds} - {"\n"}


@pytest.fixture
def evil_sound(tmp_path: Path) -> Path:
    return write_audio(tmp_path / f"{EVIL}.wav", sine(1, rate=16000), rate=16000)


@pytest.fixture
def evil_models(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of 16 GB on paper, and small ones where each byte is read."""
    model = "vae_comfy" if name == "verify" else "s2v_fp8_scaled"
    folder = tmp_path / f"m{EVIL}"
    write_sparse(folder / f"{EVIL}.safetensors", key_lists()["vae_comfy"])
    layers = {"layers": {"blocks.0.self_attn.q": {"format": EVIL}}}
    metadata = {"_quantization_metadata": json.dumps(layers)}
    write_sparse(folder / "q.safetensors", key_lists()[model], metadata)
    (folder / f"{EVIL}.pth").write_bytes(b"no weights")
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path / "no"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no"))
    return folder


COMMANDS: dict[str, list[str]] = {
    "generate": ["{sound}", "--engine", "fake", "--output-dir", "{out}"],
    "quiet": ["{sound}", "--engine", "fake", "--output-dir", "{out}", "-q"],
    "plan": ["plan", "{sound}", "--engine", "fake"],
    "probe": ["probe", "{sound}"],
    "no file": ["probe", "nothing" + EVIL],
    "no sound": ["nothing" + EVIL + ".wav"],
    "unknown engine": ["{sound}", "--engine", EVIL],
    "unknown option": ["{sound}", "--" + EVIL],
    "unknown argument": ["probe", "x", EVIL],
    "bad value": ["{sound}", "--width", EVIL],
    "config": ["{sound}", "--config", EVIL],
    "models": ["models", "--models-dir", "{models}"],
    "verify": ["models", "verify", "--models-dir", "{models}"],
    "set": ["models", "pull", EVIL],
    "doctor": ["doctor", "--models-dir", "{models}"],
    "model": ["{sound}", "--engine", "wan", "--model", EVIL, "--models-dir", "{models}"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_prints_what_acts(
    name: str,
    evil_sound: Path,
    evil_models: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {"sound": str(evil_sound), "models": str(evil_models), "out": str(tmp_path / EVIL)}
    run([word.format(**places) if word.startswith("{") else word for word in COMMANDS[name]])
    shown = capsys.readouterr()
    text = shown.out + shown.err
    assert r"\x1b" in text
    assert not acting(text)
    assert not any(line.startswith("error: forged") for line in text.split("\n"))


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("quiet", "set")])
def test_json_is_exact_and_harmless(
    name: str,
    evil_sound: Path,
    evil_models: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {"sound": str(evil_sound), "models": str(evil_models), "out": str(tmp_path / EVIL)}
    words = [word.format(**places) if word.startswith("{") else word for word in COMMANDS[name]]
    run([*words, "--json"])
    text = capsys.readouterr().out
    assert not acting(text)
    document = json.loads(text)
    if name == "probe":
        assert document["file"] == evil_sound.name
    if name == "generate":
        assert Path(document["path"]).is_file()
        sidecar = Path(document["sidecar"]).read_text(encoding="utf-8")
        assert not acting(sidecar)
        assert json.loads(sidecar)["files"]["audio"] == str(evil_sound)


def test_a_fault_of_ours_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(secrets, "_kept", {})
    monkeypatch.setenv("HF_TOKEN", SECRET)

    def fail(*_: object) -> None:
        try:
            raise ValueError(f"GET http://me:pass@gpu/?token=abcdef with {SECRET}")
        except ValueError as err:
            raise ZeroDivisionError(EVIL) from err

    monkeypatch.setattr("soundreel.finished.inspection.probe", fail)
    assert run(["probe", "x"]) == 1
    shown = capsys.readouterr().err
    assert "unexpected ZeroDivisionError" in shown
    assert "doctor --report" in shown
    assert not acting(shown)
    for private in (SECRET, "pass@", "abcdef"):
        assert private not in shown


def test_only_one_module_prints() -> None:
    folder = Path(soundreel.cli.__file__).parent
    printing = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("echo", "secho"):
                printing.add(path.name)
    assert printing == {"say.py"}
