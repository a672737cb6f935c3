"""What a strict type checker lets a caller write, and the types that he reads back. mypy checks
this file with all the others; `assert_type` is for it, the rest for pytest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import assert_type

import pytest

from media_factory import sine, write_audio
from soundreel import (
    Encoding,
    Estimate,
    FileFacts,
    InputError,
    Plan,
    Request,
    Settings,
    load_settings,
    plan,
    probe,
)


def test_a_request_takes_what_people_write_and_reads_exact() -> None:
    request = Request(audio="song.mp3", image=Path("a.png"), start="1:02.5", duration=10, fps="25")
    assert_type(request.audio, Path)
    assert_type(request.image, Path | None)
    assert_type(request.start, Fraction)
    assert_type(request.duration, Fraction | None)
    assert_type(request.fps, Fraction | None)
    assert_type(request.width, int)
    assert_type(request.encoding.audio_bitrate, int | None)
    assert request.audio == Path("song.mp3")
    assert request.start == Fraction(125, 2)
    assert isinstance(request.duration, Fraction)


def test_a_changed_request_takes_the_same() -> None:
    request = Request(audio="song.mp3", encoding=Encoding(audio_bitrate="192k"))
    changed = replace(request, start="0:10", duration=2.5)
    assert_type(changed, Request)
    assert changed.duration == Fraction(5, 2)
    assert changed.encoding.audio_bitrate == 192_000


def test_what_does_not_fit_is_an_error_of_type_checkers_and_of_the_program() -> None:
    with pytest.raises(InputError) as caught:
        Request(audio="song.mp3", start=["0"])  # type: ignore[arg-type]
    assert list(caught.value.fields) == ["start"]
    with pytest.raises(TypeError):
        Request(audio="song.mp3", durration=10)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Request(image="song.png")  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Request(audio="song.mp3").start = Fraction(1)  # type: ignore[misc]


def test_a_file_and_a_plan_are_looked_at_by_name(tmp_path: Path) -> None:
    name = str(write_audio(tmp_path / "a.wav", sine(1, rate=16000), rate=16000))
    facts = probe(name)
    assert_type(facts, FileFacts)
    assert_type(facts.record, Mapping[str, object] | None)
    assert facts.sound is not None
    assert facts.sound.num_samples == 16000
    settings = load_settings({"work_dir": str(tmp_path)})
    assert_type(settings, Settings)
    made, estimate = plan(Request(audio=name, engine="preview"), settings)
    assert_type((made, estimate), tuple[Plan, Estimate])
    assert made.num_frames == 16
