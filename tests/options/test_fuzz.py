"""Whatever a record, a tag, a settings file or a Python caller says: it is understood or refused in
one sentence. Each case can be run again by its seed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from media_factory import sine, write_audio
from options.mutations import JSON_VALUES, PYTHON_VALUES, broken, changed
from soundreel import api
from soundreel.cli.app import run
from soundreel.config import Settings
from soundreel.errors import InputError, SoundreelError
from soundreel.record import digest_of, hash_inputs
from soundreel.types import Encoding, ImageRequest, Request
from soundreel.video.reader import read_tags

IN_A_BLOCK, BLOCKS, ALL_BLOCKS = 20, 10, 100
EVERYWHERE = pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, marks=[pytest.mark.soak] if block >= BLOCKS else [])
        for block in range(ALL_BLOCKS)
    ],
)
FAKE = ("--engine", "fake", "--size", "64x48", "--seed", "3")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOUNDREEL_WORK_DIR", str(tmp_path / "work"))
    monkeypatch.setenv("SOUNDREEL_URL", "http://127.0.0.1:9")
    write_audio(tmp_path / "song.wav", sine(0.3, rate=16000), rate=16000)
    return tmp_path


@pytest.fixture
def video(place: Path) -> Path:
    given = ["--fps", "32", "--interpolate", "flow", "--start", "0.1"]
    assert run(["song.wav", *FAKE, *given, "-o", "a.mp4", "--quiet"]) == 0
    return place / "a.mp4"


def seeds(kind: str, block: int) -> Iterator[tuple[str, random.Random]]:
    for number in range(block * IN_A_BLOCK, (block + 1) * IN_A_BLOCK):
        yield f"{kind}-{number}", random.Random(f"{kind}-{number}")


def refused_or_planned(capsys: pytest.CaptureFixture[str], seed: str, *arguments: str) -> None:
    """Another exception than ours ends the test, and `seed` says which case it was."""
    try:
        code = run(["plan", *arguments])
    except BaseException as err:
        raise AssertionError(f"{seed}: {type(err).__name__}: {err}") from err
    shown = capsys.readouterr()
    assert code in (0, 2, 3, 4), seed
    assert "Traceback" not in shown.err, seed
    if code:
        assert shown.err.count("error: ") == 1, seed
        assert len(shown.err) < 3000, seed


@EVERYWHERE
def test_a_record_of_any_shape(
    place: Path, video: Path, capsys: pytest.CaptureFixture[str], block: int
) -> None:
    text = video.with_suffix(".json").read_text(encoding="utf-8")
    for seed, chance in seeds("record", block):
        mutant = place / "mutant.json"
        if chance.random() < 0.7:
            mutant.write_text(json.dumps(changed(json.loads(text), chance)), encoding="utf-8")
        else:
            mutant.write_bytes(broken(text.encode(), chance))
        refused_or_planned(capsys, seed, "--from", "mutant.json")


@EVERYWHERE
def test_a_tag_of_any_shape(
    place: Path, video: Path, capsys: pytest.CaptureFixture[str], block: int
) -> None:
    """The tag's bytes inside the file, of the same length so that the file stays one."""
    whole, tag = video.read_bytes(), read_tags(video)["soundreel"].encode()
    at = whole.index(tag)
    for seed, chance in seeds("tag", block):
        if chance.random() < 0.5:
            new = json.dumps(changed(json.loads(tag), chance), separators=(",", ":")).encode()
        else:
            new = broken(tag, chance)
        fitted = new[: len(tag)].ljust(len(tag))
        (place / "mutant.mp4").write_bytes(whole[:at] + fitted + whole[at + len(tag) :])
        refused_or_planned(capsys, seed, "--from", "mutant.mp4")
        assert run(["probe", "mutant.mp4", "--json"]) in (0, 2), seed
        capsys.readouterr()


SETTINGS = {
    "url": "http://gpu:8188",
    "token": "t",
    "timeout": 3,
    "gpu": "RTX 4090",
    "models_dir": ["/nowhere"],
    "work_dir": "work",
    "output_dir": "videos",
    "options": {
        "size": "64x48", "width": 64, "height": 48, "crf": 20, "preset": "fast", "seed": 1,
        "audio_codec": "aac", "audio_bitrate": "128k",
        "start": "0:00.1", "duration": 0.1, "frames": 2, "fps": 16, "interpolate": "none",
        "prompt": "a", "negative": "b", "settings": "s2v", "allow_truncated": False, "steps": 2,
        "lora": ["a"], "engine": "fake", "image": "none.png", "output": "b.mp4",
    },
}  # fmt: skip


def toml(table: dict[str, Any]) -> str:
    """A table as TOML; what has no spelling there is left as it is, which is then no TOML."""
    lines = [f"{key} = {toml_value(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value)


@EVERYWHERE
def test_a_settings_file_of_any_shape(
    place: Path, capsys: pytest.CaptureFixture[str], block: int
) -> None:
    for seed, chance in seeds("toml", block):
        text = toml(changed(SETTINGS, chance)).encode(errors="surrogatepass")
        data = broken(text, chance) if chance.random() < 0.3 else text
        (place / "mutant.toml").write_bytes(data)
        refused_or_planned(capsys, seed, "song.wav", "--config", "mutant.toml", *FAKE[:2])


KINDS: dict[type[Request], dict[str, Any]] = {
    Request: {"audio": "song.wav"},
    ImageRequest: {"image": "photo.png"},
}


@EVERYWHERE
def test_a_request_of_any_values(place: Path, settings: Settings, block: int) -> None:
    Image.new("RGB", (64, 48), "teal").save("photo.png")
    for seed, chance in seeds("request", block):
        kind, given = chance.choice(list(KINDS.items()))
        names = chance.sample([each.name for each in fields(kind)], chance.randint(1, 3))
        odd: dict[str, Any] = {name: _value(name, chance) for name in names}
        made = outcome(seed, partial(kind, **{**given, **odd}))
        if isinstance(made, InputError):
            wrong = {path.partition(".")[0] for path in made.fields}
            assert wrong, seed
            assert wrong <= set(names), seed
            assert len(made.message) < 1000, seed
        else:
            assert isinstance(made, kind), seed
            outcome(seed, partial(api.plan, replace(made, engine="fake"), settings))
            outcome(seed, partial(_key, made))


def _key(request: Request) -> str:
    return digest_of([request, hash_inputs(request)])


def _value(name: str, chance: random.Random) -> object:
    if name == "options" and chance.random() < 0.5:
        return {chance.choice(["steps", "lora", "x", ""]): copy.copy(chance.choice(PYTHON_VALUES))}
    return chance.choice(PYTHON_VALUES)


def outcome(seed: str, make: Callable[[], object]) -> object:
    """What it gives, or its error of ours; another exception ends the test."""
    try:
        return make()
    except SoundreelError as err:
        return err
    except BaseException as err:
        raise AssertionError(f"{seed}: {type(err).__name__}: {err}") from err


@pytest.mark.parametrize("name", ["crf", "preset", "audio_codec", "audio_bitrate"])
def test_an_encoding_of_any_values(name: str) -> None:
    for number, value in enumerate(PYTHON_VALUES):
        made = outcome(f"value {number}", partial(Encoding, **{name: value}))
        assert isinstance(made, Encoding) or (
            isinstance(made, InputError) and list(made.fields) == [f"encoding.{name}"]
        )


def test_the_values_are_odd_enough() -> None:
    """Most of them fit no field but the free texts and names."""
    assert len(JSON_VALUES) > 60
    assert len(PYTHON_VALUES) > 90
