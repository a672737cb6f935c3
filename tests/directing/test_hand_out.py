"""Images and prompts over many shots, and shots that the sound suggests."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media_factory import sine, write_audio
from soundreel.api import generate, plan
from soundreel.audio.structure.describe import Section, Structure
from soundreel.config import Settings
from soundreel.directing.direct import read_direction
from soundreel.directing.hand_out import hand_out
from soundreel.errors import InputError
from soundreel.events import Event, Notice, RunControl
from soundreel.finished.replay import replay_request
from soundreel.types import Request, ShotRequest

SHOTS = tuple(ShotRequest(start=Fraction(4 * k)) for k in range(4))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, colour in (("b.png", (200, 30, 30)), ("a.jpg", (30, 200, 30))):
        Image.new("RGB", (16, 16), colour).save(folder / name)
    (folder / "notes.txt").write_text("none")
    return folder


def sounds_like(names: str) -> Structure:
    """Sections of four seconds, called as `names` says."""
    sections = tuple(Section(Fraction(4 * k), name) for k, name in enumerate(names))
    end = Fraction(4 * len(names))
    return Structure(Fraction(0), end, 120.0, 4, (), (), sections, (), ())


def test_images_and_prompts_go_around_and_a_shots_own_stay() -> None:
    own = (*SHOTS[:3], ShotRequest(start=Fraction(12), prompt="mine", image=Path("own.png")))
    request = Request(audio=Path("a.wav"), images="x.png, y.png", prompts=("one", "two", "three"))
    shots = hand_out(request, own, lambda: sounds_like("ABCD"))
    assert [str(shot.image) for shot in shots] == ["x.png", "y.png", "x.png", "own.png"]
    assert [shot.prompt for shot in shots] == ["one", "two", "three", "mine"]


def test_by_section_the_chorus_looks_like_the_chorus_again() -> None:
    request = Request(
        audio=Path("a.wav"), images=("x.png", "y.png"), prompts=("one", "two"), by_section=True
    )
    early = (SHOTS[0], *(replace(shot, start=shot.start - Fraction(1, 5)) for shot in SHOTS[1:]))
    shots = hand_out(request, early, lambda: sounds_like("ABAC"))
    assert [str(shot.image) for shot in shots] == ["x.png", "y.png", "x.png", "x.png"]
    assert [shot.prompt for shot in shots] == ["one", "two", "one", "one"]


def test_parts_of_a_song_are_needed_only_where_something_is_handed_out_by_them() -> None:
    nothing = Request(audio=Path("a.wav"), by_section=True)
    assert hand_out(nothing, SHOTS, lambda: sounds_like("")) == SHOTS
    with pytest.raises(InputError, match="no parts of a song"):
        hand_out(replace(nothing, prompts=("a", "b")), SHOTS, lambda: sounds_like(""))


def test_what_is_left_over_is_said(tone: Path, settings: Settings) -> None:
    said: list[Event] = []
    shots = (ShotRequest(start=Fraction(0)), ShotRequest(start=Fraction(2)))
    request = Request(audio=tone, engine="fake", prompts=("a", "b", "c"), shots=shots)
    plan(request, settings, RunControl(said.append))
    notices = [event.message for event in said if isinstance(event, Notice)]
    assert "1 of 3 prompts are not used: there are 2 shots" in notices


def test_a_folder_gives_its_pictures_and_a_file_its_lines(pictures: Path, tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("# mine\ncalm sea\n\nstorm\n")
    request = Request(audio=Path("a.wav"), images=pictures, prompts=path)
    read = read_direction(request, RunControl())
    assert [image.name for image in read.images] == ["a.jpg", "b.png"]
    assert read.prompts == ("calm sea", "storm")
    path.write_text("[0:00-0:12] calm sea\n[0:12-] storm\n")
    timed = read_direction(Request(audio=Path("a.wav"), prompt="plain", prompts=path), RunControl())
    assert timed.prompts == ()
    assert timed.prompt == "plain [0:00-0:12] calm sea [0:12-] storm"


def test_one_shot_takes_one_image_and_more_are_an_error(tone: Path, settings: Settings) -> None:
    request = Request(audio=tone, engine="fake", prompts=("a", "b"))
    with pytest.raises(InputError, match="handed out over shots") as caught:
        plan(request, settings)
    assert "shots='auto'" in caught.value.hint


@pytest.mark.parametrize(
    "change", [{"images": "nowhere"}, {"prompts": "nowhere.txt"}, {"shot_length": "9-4"}]
)
def test_what_is_not_there_is_said(
    tone: Path, settings: Settings, change: dict[str, object]
) -> None:
    with pytest.raises(InputError, match=r"nowhere|9-4"):
        plan(Request(audio=tone, engine="fake", **change), settings)  # type: ignore[arg-type]


def test_cuts_found_in_the_sound_make_a_video_that_its_record_repeats(
    tmp_path: Path, settings: Settings, pictures: Path
) -> None:
    """Speech-like bursts with pauses: the record lists the shots, found or handed out."""
    loud = np.repeat([1, 0, 1, 0, 1], [46000, 4000, 46000, 4000, 46000]).astype(np.float32)
    noise = np.random.default_rng(1).normal(0, 0.2, len(loud)).astype(np.float32)
    audio = write_audio(tmp_path / "a.wav", (loud * noise)[None], rate=16000)
    request = Request(
        audio=audio, engine="fake", width=16, height=16, seed=4, shots="auto", shot_length="1-4",
        images=pictures, output=tmp_path / "a.mp4",
    )  # fmt: skip
    made = generate(request, settings)
    assert len(made.plan.shots) >= 3
    assert made.plan.request.images == ()
    assert {shot.image for shot in made.plan.shots} == {pictures / "a.jpg", pictures / "b.png"}
    again = replay_request(made.path, None, None)
    generate(replace(again, output=tmp_path / "b.mp4"), settings)
    assert (tmp_path / "b.mp4").read_bytes() == made.path.read_bytes()


def test_a_replayed_video_with_another_seed_has_other_shots(
    tmp_path: Path, settings: Settings
) -> None:
    """Seeds that were derived are derived anew; one that the list said stays."""
    audio = write_audio(tmp_path / "a.wav", sine(3, rate=16000), rate=16000)
    shots = (ShotRequest(start=Fraction(0)), ShotRequest(start=Fraction(1)),
             ShotRequest(start=Fraction(2), seed=77))  # fmt: skip
    request = Request(
        audio=audio, engine="fake", width=16, height=16, seed=4, shots=shots,
        output=tmp_path / "a.mp4",
    )  # fmt: skip
    made = generate(request, settings)
    again, _ = plan(replace(replay_request(made.path, None, None), seed=5), settings)
    before, after = ([shot.seed for shot in each.shots] for each in (made.plan, again))
    assert before[2] == after[2] == 77
    assert before[0] != after[0]
    assert before[1] != after[1]
