"""Who speaks is seen, and driven by the own voice alone."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fakes import sidecar_of
from media_factory import noise, write_audio
from soundreel.api import generate, plan
from soundreel.audio.segment import read_clip
from soundreel.audio.silence import merged
from soundreel.config import Settings
from soundreel.directing.turn_files import Turn, read_turns
from soundreel.directing.turns import shots_of_turns
from soundreel.directing.written import shot_list_text
from soundreel.errors import Cancelled, InputError
from soundreel.events import Event, FrameDone, Notice, RunControl
from soundreel.finished.replay import replay_request
from soundreel.types import Request

RATE = 16000
CAST = {"anna": Path("anna.png"), "ben": Path("ben.png")}

RTTM = """\
;; made by hand
SPEAKER talk 1 4.0 3.50 <NA> <NA> ben <NA> <NA>
SPEAKER talk 1 0.1 3.65 <NA> <NA> anna <NA> <NA>
"""
SRT = """\
1
00:00:00,100 --> 00:00:02,000
anna: Good morning,

2
00:00:02,000 --> 00:00:03,750
and good day.

3
00:00:04,000 --> 00:00:07,500
[ben] Hello
- how are you?
"""
VTT = """\
WEBVTT

00:00.100 --> 00:03.750 align:start
<v anna>Good morning</v>

00:00:04.000 --> 00:00:07.500
<v.loud ben>Hello: I am here
"""
JSON = """{"segments": [{"start": 0.1, "end": "0:03.75", "speaker": "anna", "text": "Good"},
{"start": 4, "end": 7.5, "speaker": "ben"}]}"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text"), [("a.rttm", RTTM), ("a.SRT", SRT), ("a.vtt", VTT), ("a.json", JSON)]
)
def test_every_form_says_the_same(tmp_path: Path, name: str, text: str) -> None:
    turns = read_turns(write(tmp_path, name, text))
    assert {turn.speaker for turn in turns[:-1]} == {"anna"}
    assert (turns[0].start, turns[-2].end) == (Fraction(1, 10), Fraction(15, 4))
    assert turns[-1].speaker == "ben"
    assert (turns[-1].start, turns[-1].end) == (Fraction(4), Fraction(15, 2))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "anna", "its name says no kind of list"),
        ("a.rttm", "LEXEME x\n", "nobody speaks"),
        ("a.rttm", "SPEAKER talk 1 0 1 <NA>", "a.rttm, line 1: 6 fields"),
        ("a.rttm", RTTM.replace("0.1", "soon"), "a.rttm, line 3: 'soon' is not a time"),
        ("a.srt", SRT.replace("anna: ", ""), "a.srt, line 2: nobody is named"),
        ("a.srt", SRT.replace("- how", "- anna: how"), "a.srt, line 10: ben and anna speak at"),
        ("a.srt", SRT.replace("07,500", "03,000"), "a.srt, line 10: it ends no later than it"),
        ("a.json", "[1", "a.json is not valid JSON"),
        ("a.json", "{}", "a.json holds no list of turns"),
        ("a.json", '[{"start": 0, "end": 1}]', "a.json, turn 1 has no 'speaker'"),
        ("a.json", '[{"start": 0, "end": 1, "speaker": 3}]', "turn 1: 3 is not the name"),
        ("a.json", '[{"start": true, "end": 1, "speaker": "a"}]', "turn 1: True is not a time"),
    ],
)
def test_a_mistake_names_its_line(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_turns(write(tmp_path, name, text))


def turns(text: str, length: Fraction | int = 5) -> list[Turn]:
    """ "aab": anna for two lengths, then ben for one."""
    names = {"a": "anna", "b": "ben"}
    starts = [k * Fraction(length) for k in range(len(text) + 1)]
    return [
        Turn(starts[k], starts[k + 1], names[letter], f"line {k + 1}")
        for k, letter in enumerate(text)
        if letter in names
    ]


def shown(of: list[Turn], least: int) -> tuple[list[tuple[str, float]], list[str]]:
    events: list[Event] = []
    shots = shots_of_turns(of, CAST, Fraction(least), RunControl(events.append))
    seen = [(shot.image.stem if shot.image else "", float(shot.start)) for shot in shots]
    return seen, [event.message for event in events if isinstance(event, Notice)]


def test_a_shot_goes_on_to_the_next_speaker() -> None:
    assert shown(turns("-aa-bab"), 4) == (
        [("anna", 0), ("ben", 20), ("anna", 25), ("ben", 30)],
        [],
    )


def test_what_is_too_short_joins_its_longer_neighbour_and_is_told() -> None:
    seen, notices = shown(turns("aaaabaab", 1), 4)
    assert seen == [("anna", 0)]
    assert notices == ["heard and not seen, in a shot of less than 0:04: ben at 0:04, ben at 0:07"]
    assert shown(turns("aaaabbbb", 1), 4) == ([("anna", 0), ("ben", 4)], [])
    assert shown(turns("abbbbbb", 1), 4)[0] == [("ben", 0)]


def test_what_others_say_in_a_shot_is_silence_to_its_face() -> None:
    short = shots_of_turns(turns("aaaabaab", 1), CAST, Fraction(4), RunControl())
    spans = ((Fraction(4), Fraction(5)), (Fraction(7), Fraction(8)))
    assert [shot.silent for shot in short] == [spans]


def test_silences_that_touch_are_one() -> None:
    assert merged([(Fraction(4), Fraction(6)), (Fraction(1), Fraction(4))]) == (
        (Fraction(1), Fraction(6)),
    )


@pytest.mark.parametrize(
    ("of", "cast", "words"),
    [
        (turns("ab"), {"anna": Path("a.png")}, "line 2: no picture for speaker 'ben'"),
        (turns("aa"), CAST, "nobody of that name speaks: there are anna"),
        (
            [*turns("aab"), Turn(Fraction(9), Fraction(30), "ben", "line 9")],
            CAST,
            "line 9: ben speaks from 0:09, before anna ends at 0:10 .line 2",
        ),
    ],
)
def test_cast_and_turns_go_together(of: list[Turn], cast: dict[str, Path], words: str) -> None:
    ordered = sorted(of, key=lambda turn: turn.start)
    with pytest.raises(InputError, match=words):
        shots_of_turns(ordered, cast, Fraction(1), RunControl())


@pytest.fixture
def talk(tmp_path: Path) -> Request:
    """Anna from 0 to 2 s, ben to 4, and anna to 5, within which ben says a word of 0.25 s."""
    for name, colour in (("anna", (200, 30, 30)), ("ben", (30, 30, 200))):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{name}.png")
    said = [(0, 2, "anna"), (2, 4, "ben"), (4, 4.5, "anna"), (4.5, 4.75, "ben"), (4.75, 5, "anna")]
    listed = [{"start": start, "end": end, "speaker": name} for start, end, name in said]
    return Request(
        audio=write_audio(tmp_path / "talk.wav", noise(5, rate=RATE, level=0.2), RATE),
        engine="fake",
        width=64,
        height=64,
        seed=3,
        turns=write(tmp_path, "turns.json", json.dumps(listed)),
        cast=[f"anna={tmp_path / 'anna.png'}", f"ben={tmp_path / 'ben.png'}"],
        shot_length="1-12",
        output=tmp_path / "talk.mp4",
    )


def test_the_plan_cuts_on_turns_and_rests_for_the_others(talk: Request, settings: Settings) -> None:
    made, _ = plan(talk, settings)
    rate = made.fps
    assert [shot.start_frame / rate for shot in made.shots] == [0, 2, 4]
    assert [shot.image and shot.image.stem for shot in made.shots] == ["anna", "ben", "anna"]
    assert made.drive is not None
    driving, heard = read_clip(made.for_engine.audio), read_clip(made.audio)
    begin, end, fade = round(4.5 * RATE), round(4.75 * RATE), RATE // 50
    assert not driving[:, begin + fade : end - fade].any()
    assert np.array_equal(driving[:, :begin], heard[:, :begin])
    assert np.array_equal(driving[:, end:], heard[:, end:])


def test_the_record_repeats_it_without_the_list(talk: Request, settings: Settings) -> None:
    first = generate(talk, settings)
    assert isinstance(talk.turns, Path)
    talk.turns.unlink()
    record: Any = sidecar_of(first.path)
    assert record["request"]["shots"][2]["silent"] == [["9/2", "19/4"]]
    assert not {"turns", "cast"} & set(record["request"])
    again = replay_request(first.path, None, None)
    made, _ = plan(again, settings)
    assert made.shots == first.plan.shots
    assert made.drive == first.plan.drive


def test_a_stopped_job_ends_with_the_same_bytes(
    talk: Request, settings: Settings, tmp_path: Path
) -> None:
    whole = generate(talk, settings).path.read_bytes()
    again = replace(talk, output=tmp_path / "again.mp4")
    control = RunControl()

    def stop(event: Event) -> None:
        if isinstance(event, FrameDone) and event.done >= 45:
            control.cancel()

    control.on_event = stop
    with pytest.raises(Cancelled):
        generate(again, settings, control=control)
    result = generate(again, settings)
    assert result.resumed_chunks > 0
    assert result.path.read_bytes() == whole


def test_a_written_list_of_shots_says_it_too(
    talk: Request, settings: Settings, tmp_path: Path
) -> None:
    made, _ = plan(talk, settings)
    path = tmp_path / "shots.toml"
    path.write_text(shot_list_text(made, path))
    listed, _ = plan(replace(talk, turns=None, cast=(), shots=path), settings)
    assert listed.shots == made.shots
    assert listed.drive == made.drive


@pytest.mark.parametrize("spans", ["[[2, 1]]", "[1, 2]", '[["soon", 3]]'])
def test_a_silence_that_cannot_be_read_names_its_line(
    talk: Request, settings: Settings, tmp_path: Path, spans: str
) -> None:
    path = write(tmp_path, "shots.toml", f"[[shot]]\nstart = 0\nsilent = {spans}\n")
    with pytest.raises(InputError, match=r"^shots.toml, line 3: silent: "):
        plan(replace(talk, turns=None, cast=(), shots=path), settings)


def test_turns_and_cast_and_shots_are_asked_for_sensibly(talk: Request, settings: Settings) -> None:
    for changes, words in (
        ({"turns": None}, "say who speaks when"),
        ({"shots": "auto"}, "both say where the cuts are"),
        ({"turns": Path("none.rttm")}, "none.rttm"),
    ):
        with pytest.raises(InputError, match=words):
            plan(replace(talk, **changes), settings)


@pytest.mark.parametrize("cast", ["anna.png", ["anna.png"], ["=a.png"], ["a=b.png", "a=c.png"]])
def test_a_cast_that_cannot_be_read_is_an_error(cast: object) -> None:
    with pytest.raises(InputError, match="cast"):
        Request(audio="a.wav", cast=cast)  # type: ignore[arg-type]
