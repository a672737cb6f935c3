"""`captions=auto`, by a module of the shape of faster-whisper: its own needs a model."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from fakes import cancel_after
from media_factory import sine, write_audio
from soundreel import installation
from soundreel.api import generate, plan
from soundreel.config import Settings
from soundreel.errors import Cancelled, EngineUnavailable, InputError
from soundreel.events import Event, Notice, RunControl
from soundreel.types import Request
from soundreel.words.reading import recognise
from soundreel.words.reading.plain import LONGEST_LINE


@dataclass
class Said:
    """As `faster_whisper.transcribe.Word` of 1.2.1."""

    start: float
    end: float
    word: str
    probability: float = 1.0


@dataclass
class Segment:
    words: list[Said] | None


class Whisper(ModuleType):
    """Says what it is told, and remembers how it was asked."""

    def __init__(self, segments: list[Segment]) -> None:
        super().__init__("faster_whisper")
        self.asked: list[dict[str, Any]] = []
        module = self

        class WhisperModel:
            def __init__(self, model_size_or_path: str, **options: object) -> None:
                module.asked.append({"model": model_size_or_path, **options})

            def transcribe(self, audio: object, **options: object) -> tuple[Any, None]:
                module.asked.append({"audio": audio, **options})
                return iter(segments), None

        self.WhisperModel = WhisperModel


SEGMENTS = [
    Segment([Said(0.0, 0.42, " Good"), Said(0.42, 0.6, " mor"), Said(0.6, 0.8, "ning,")]),
    Segment(None),
    Segment([Said(2.0, 2.5, " Anna.")]),
]


@pytest.fixture
def whisper(monkeypatch: pytest.MonkeyPatch) -> Whisper:
    module = Whisper(SEGMENTS)
    monkeypatch.setitem(sys.modules, "faster_whisper", module)
    monkeypatch.setattr(installation, "find_spec", lambda name: module)
    return module


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "faster-whisper-tiny"
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"weights")
    (folder / "config.json").write_text(json.dumps({"alignment_heads": [[2, 2]]}))
    (folder / "tokenizer.json").write_text("{}")
    return folder.parent


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    sound = write_audio(tmp_path / "a.wav", sine(4, rate=16000), rate=16000)
    return Request(
        audio=sound, start=1, duration=3, size="64x64", engine="preview", seed=1,
        captions="auto", output=tmp_path / "v.mp4",
    )  # fmt: skip


def test_what_is_heard_becomes_captions(
    whisper: Whisper, models: Path, asked: Request, settings: Settings
) -> None:
    made = generate(asked, settings.model_copy(update={"models_dir": (models,)}))
    assert made.plan.words is not None
    assert made.plan.words.captions
    first, second = made.plan.words.cues
    assert (first.text, second.text) == ("Good morning,", "Anna.")
    assert [(word.text, float(word.start), float(word.end)) for word in first.words] == [
        ("Good ", 1, 1.42),
        ("mor", 1.42, 1.6),
        ("ning,", 1.6, 1.8),
    ]
    assert float(second.start) == 3
    loaded, heard = whisper.asked
    assert loaded["model"] == str(models / "faster-whisper-tiny")
    assert loaded["local_files_only"] is True
    assert heard["word_timestamps"] is True
    assert heard["audio"].shape == (48_000,)
    assert heard["audio"].dtype == np.float32


def test_a_run_that_goes_on_keeps_what_was_heard(
    whisper: Whisper, models: Path, asked: Request, settings: Settings
) -> None:
    settings = settings.model_copy(update={"models_dir": (models,)})
    asked = replace(asked, engine="fake", options={})
    with pytest.raises(Cancelled):
        generate(asked, settings, control=cancel_after(30))
    before = len(whisper.asked)
    again = generate(asked, settings)
    assert again.resumed_chunks
    assert len(whisper.asked) == before == 2


def test_a_plan_hears_nothing(whisper: Whisper, asked: Request, settings: Settings) -> None:
    told: list[Event] = []
    made, _ = plan(asked, settings, RunControl(told.append))
    assert made.words is None
    assert not whisper.asked
    assert any("captions are heard" in event.message for event in told if isinstance(event, Notice))


def test_without_the_package_one_sentence_says_what_to_do(
    asked: Request, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda name: None)
    with pytest.raises(EngineUnavailable, match="faster-whisper, which is not installed") as caught:
        generate(asked, settings)
    assert "[captions]" in caught.value.hint


@pytest.mark.parametrize("missing", ["model.bin", "config.json", "tokenizer.json", "heads"])
def test_without_a_model_nothing_is_fetched(
    whisper: Whisper, models: Path, asked: Request, settings: Settings, missing: str
) -> None:
    folder = models / "faster-whisper-tiny"
    if missing == "heads":
        (folder / "config.json").write_text('{"architectures": ["Other"]}')
    else:
        (folder / missing).unlink()
    with pytest.raises(EngineUnavailable, match="none is in a models folder"):
        generate(asked, settings.model_copy(update={"models_dir": (models,)}))
    assert not whisper.asked


def test_where_nobody_speaks_that_is_said(
    models: Path, asked: Request, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", Whisper([]))
    monkeypatch.setattr(installation, "find_spec", lambda name: name)
    model = models / "faster-whisper-tiny" / "model.bin"
    with pytest.raises(InputError, match="nobody is heard to speak"):
        generate(replace(asked, recogniser=model), settings)


def test_long_speech_is_broken_into_cues(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [Said(at / 4, at / 4 + 0.25, " word") for at in range(100)]
    words += [Said(30, 30.5, " late")]
    found = list(recognise._words([Segment(words)], Fraction(0), RunControl()))
    lines = ["".join(word.text for word in line) for line in recognise._lines(found)]
    assert " ".join(lines) == "word " * 100 + "late"
    assert lines[-1] == "late"
    assert max(map(len, lines)) <= LONGEST_LINE
