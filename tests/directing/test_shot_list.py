"""A list of shots as people write it: what is read, and the line of what is wrong."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from soundreel.directing.shot_list import read_shot_list
from soundreel.directing.written import shot_list_text
from soundreel.errors import InputError
from soundreel.timeline.plan import make_plan
from soundreel.types import AudioClip, ChunkGeometry, Request, ShotRequest, Take

GOOD = """\
# a comment that stays
[[shot]]
start = "0:00"
prompt = "calm sea"

[[shot]]
start = "0:12.5"
image = "boat.png"
seed = 7
options = { steps = 8 }

[[shot]]
start = 20
end = "1:02.25"
negative_prompt = '''
[[shot]]
'''
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (8, 8)).save(tmp_path / "boat.png")
    return tmp_path


def listed(folder: Path, text: str) -> tuple[ShotRequest, ...]:
    path = folder / "shots.toml"
    path.write_text(text, encoding="utf-8")
    return read_shot_list(path)


def test_a_list_is_read_on_the_clock_of_the_sound(folder: Path) -> None:
    first, second, third = listed(folder, GOOD)
    assert (first.start, first.end, first.prompt) == (Fraction(0), None, "calm sea")
    assert second.start == Fraction(25, 2)
    assert (second.image, second.seed) == (folder / "boat.png", 7)
    assert second.options == {"steps": 8}
    assert (third.start, third.end) == (Fraction(20), Fraction(249, 4))
    assert second.place == "shots.toml, line 6"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[[shot]]\nstart = "0:00"\n\n[[shot]]\nstart = "0:05"\nseeed = 1\n', 6, "seeed"),
        ('[[shot]]\nstart = "0:00"\nend = "0:04"\n[[shot]]\nstart = "0:05"\n', 4, "leaves a gap"),
        ('[[shot]]\nstart = "0:00"\nend = "0:06"\n[[shot]]\nstart = "0:05"\n', 4, "overlaps"),
        ('[[shot]]\nstart = "0:07"\n\n\n[[shot]]\nstart = "0:05"\n', 5, "does not start after"),
        ('[[shot]]\nstart = "0:07"\nend = "0:06"\n', 1, "not after its start"),
        ('[[shot]]\nstart = "0:00"\nimage = "no.png"\n', 3, "no.png"),
        ('[[shot]]\n\nstart = "1:75"\n', 3, "not a time"),
        ('[[shot]]\nstart = 0\nseed = -1\n', 3, "0 or more"),
        ('[[shot]]\nstart = 0\nprompt = 5\n', 3, "not a text"),
        ('[[shot]]\nprompt = "x"\n', 1, "no start"),
        ('[[shot]]\nstart = 0\n[shots]\na = 1\n', 3, "unknown key 'shots'"),
        ('[[shot]]\nstart = = 0\n', 2, "not valid TOML"),
        ('[[shot]]\nstart = 0\ntransition = "wipe"\n', 3, "crossfade:0.5"),
        ('[[shot]]\nstart = 0\ntransition = "crossfade:1:75"\n', 3, "not a time"),
        ('[[shot]]\nstart = 0\ntakes = { 0 = { seed = 7 } }\n', 3, "the number of a part"),
        ('[[shot]]\nstart = 0\ntakes = { 2 = { image = "a" } }\n', 3, "the number of a part"),
        ('[[shot]]\nstart = 0\n[shot.options]\nsteps = 1979-05-27\n', 3, "a text"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(
    folder: Path, text: str, line: int, words: str
) -> None:
    with pytest.raises(InputError) as caught:
        listed(folder, text)
    assert f"line {line}" in caught.value.message
    assert words in caught.value.message
    assert caught.value.hint or caught.value.rule


@pytest.mark.parametrize("text", ["", "# nothing\n", "shot = []\n", "shot = 5\n", "\x00"])
def test_a_file_without_shots_is_refused(folder: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"shots\.toml"):
        listed(folder, text)


def test_a_missing_list_and_a_folder_are_refused(folder: Path) -> None:
    for path in (folder, folder / "none.toml"):
        with pytest.raises(InputError):
            read_shot_list(path)


def test_what_is_written_is_read_again_as_the_same_shots(folder: Path) -> None:
    prompt = '"quoted" \\ \x7f sea\n2nd'
    own: dict[str, object] = {"steps": 8, "fit": "crop"}
    second, takes = Fraction(13, 4), {2: Take(seed=7), 3: Take(prompt=prompt, seed=8)}
    shots = (
        ShotRequest(start=Fraction(1), end=second, prompt=prompt, seed=3),
        ShotRequest(
            start=second,
            image=folder / "boat.png",
            seed=9,
            options=own,
            takes=takes,
            transition="crossfade:0.5",
        ),
    )
    request = Request(audio=Path("a.wav"), prompt="plain", shots=shots)
    clip = AudioClip(Path("a.wav"), Fraction(1), Fraction(5), Fraction(5), 16000, 1)
    plan = make_plan(request, ChunkGeometry(Fraction(16), 80), clip, 80)
    text = shot_list_text(plan, folder / "shots.toml")
    assert len(tomllib.loads(text)["shot"]) == 2
    again = listed(folder, text)
    assert again[0] == ShotRequest(start=Fraction(1), prompt=prompt, seed=3)
    assert again[1] == replace(shots[1], prompt="plain")
