"""The looks that show a thing: a record that turns exactly, a card that says what it should."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media_factory import speech_like, write_audio
from preview.looks_factory import scene
from soundreel.api import plan
from soundreel.engines.preview.looks.things.card import played
from soundreel.engines.preview.looks.things.people import people_of
from soundreel.engines.preview.looks.things.tonearm import Tonearm
from soundreel.engines.preview.looks.things.vinyl import turns_at
from soundreel.engines.preview.staging.scene import LookScene
from soundreel.types import Plan, Request

RATE = 16000


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("things") / "speech.wav"
    return write_audio(path, speech_like(3, rate=RATE), rate=RATE)


@pytest.fixture(scope="module")
def art(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half red, half blue."""
    picture = np.zeros((80, 80, 3), np.uint8)
    picture[:, :40], picture[:, 40:] = (220, 20, 20), (20, 20, 220)
    path = tmp_path_factory.mktemp("art") / "art.png"
    Image.fromarray(picture).save(path)
    return path


def test_a_record_turns_thirty_three_and_a_third_times_a_minute() -> None:
    assert turns_at(60 * 24, Fraction(24)) == Fraction(1, 3)
    assert turns_at(1800, Fraction(30000, 1001)) == Fraction(1001, 30) % 1


def test_its_label_is_turned_so_far_on_every_frame(speech: Path, art: Path) -> None:
    """The border between its colours, as an angle."""
    made = scene(speech, "vinyl", image=art, options={"background": "#000000"})
    for i in (0, 9, 20):
        picture = made.frame(i).astype(float)
        redness = picture[..., 0] - picture[..., 2]
        y, x = np.indices(redness.shape)
        label = np.hypot(x - _middle(made)[0], y - _middle(made)[1]) < 12
        across = (redness * (x - _middle(made)[0]))[label].sum()
        down = (redness * (y - _middle(made)[1]))[label].sum()
        turn = np.arctan2(-down, -across) / (2 * np.pi) % 1
        off = (turn - float(turns_at(i, Fraction(25))) + 0.5) % 1 - 0.5
        assert abs(off) < 0.01


def _middle(made: LookScene) -> tuple[float, float]:
    x, y = made._look._centre  # type: ignore[attr-defined]
    return x - 0.5, y - 0.5


@pytest.mark.parametrize("shape", ["tall", "square", "wide"])
def test_the_needle_reaches_the_first_and_the_last_groove(shape: str) -> None:
    arm = Tonearm((100.0, 120.0), 90, shape)  # type: ignore[arg-type]
    for radius in (0.475 * 90, 0.235 * 90):
        needle = arm.needle(radius)
        assert np.hypot(*(needle - (100, 120))) == pytest.approx(radius)


def test_a_card_says_how_much_was_played(speech: Path) -> None:
    """The knob's middle, by the light on its line."""
    made = scene(speech, "card", options={"background": "#000000"})
    left, right, y = made._look._places.line  # type: ignore[attr-defined]
    for i in (0, 30, 74):
        rows = made.frame(i)[round(y) - 3 : round(y) + 3].astype(float).sum(axis=(0, 2))
        knob = np.flatnonzero(rows > 0.8 * rows.max())
        wanted = left + i / 75 * (right - left)
        assert abs(knob.mean() + 0.5 - wanted) <= 1


def test_a_card_writes_title_and_artist_once(speech: Path, art: Path) -> None:
    said = {"title": "Late Train", "artist": "The Hours"}
    bare, titled = (scene(speech, "card", image=art, **more) for more in ({}, said))
    words = titled._look._stage.plan.words  # type: ignore[attr-defined]
    assert (words.title, words.artist, words.on_card) == ("Late Train", "The Hours", True)
    place = titled._look._places.title  # type: ignore[attr-defined]
    rows = slice(int(place.top), int(place.bottom) + 1)
    middle = slice(30, 66)
    assert titled.layer(3)[rows, middle].max() > 180
    assert bare._look._places.front.height > titled._look._places.front.height  # type: ignore[attr-defined]


def test_a_card_shows_the_cover_that_is_given(speech: Path, art: Path) -> None:
    made = scene(speech, "card", artwork=art, options={"background": "#000000"})
    front = made._look._places.front  # type: ignore[attr-defined]
    x, y = round(front.left + front.width / 2), round(front.top + front.height / 2)
    left, right = made.layer(3)[y, [x - 8, x + 8], :3].astype(int)
    assert left[0] > 180 > 80 > left[2]
    assert right[2] > 180 > 80 > right[0]


def test_other_looks_leave_the_title_to_the_words(speech: Path) -> None:
    request = Request(
        audio=speech, engine="preview", options={"look": "bars"}, title="Late Train", seed=1
    )
    words = plan(request)[0].words
    assert words is not None
    assert not words.on_card


@pytest.fixture
def talk(speech: Path, art: Path, tmp_path: Path) -> Plan:
    turns = tmp_path / "turns.rttm"
    rows = ("0.0 1.0 <NA> <NA> anna", "1.0 2.0 <NA> <NA> ben")
    turns.write_text("".join(f"SPEAKER a 1 {row} <NA> <NA>\n" for row in rows))
    grey = tmp_path / "grey.png"
    Image.new("RGB", (64, 64), (128, 128, 128)).save(grey)
    request = Request(
        audio=speech, engine="preview", options={"look": "card", "fade": 0}, turns=turns, seed=1,
        cast={"anna": art, "ben": grey}, shot_length="1-4", width=96, height=96, fps=25,
    )  # fmt: skip
    return plan(request)[0]


def test_a_card_of_two_shows_who_speaks(talk: Plan) -> None:
    from soundreel.engines.preview.options import PreviewOptions
    from soundreel.engines.preview.scenes import Scenes
    from soundreel.events import RunControl

    scenes = Scenes(talk, PreviewOptions(look="card", fade=0), RunControl())
    first, second = (scenes.of(chunk) for chunk in talk.chunks)
    assert isinstance(first, LookScene)
    assert isinstance(second, LookScene)
    for made, speaker in ((first, "anna"), (second, "ben")):
        people = people_of(made._look._stage)  # type: ignore[attr-defined]
        assert [person.name for person in people if person.speaks] == [speaker]
        assert len(people) == 2
    one, other = first.frame(26).astype(int), second.frame(26).astype(int)
    assert np.abs(one - other)[:40, :48].mean() > 10  # her picture goes dark
    assert np.abs(one - other)[:40, 48:].mean() > 10  # and his light
    assert np.abs(one - other)[75:].max() <= 2  # all else stays


def test_what_was_played_is_counted_in_the_clip(speech: Path) -> None:
    made = scene(speech, "card")
    stage = made._look._stage  # type: ignore[attr-defined]
    assert played(stage, 0) == 0
    assert played(stage, 60) == pytest.approx(60 / 75)
