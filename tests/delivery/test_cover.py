"""The picture inside a sound file as the image of the video."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from delivery.covers import KINDS, album
from fakes import frames_of, sidecar_of
from media_factory import sine, write_audio
from soundreel.api import generate, plan
from soundreel.config import Settings
from soundreel.errors import InputError
from soundreel.events import Event, Notice, RunControl
from soundreel.finished.replay import replay_request
from soundreel.media.cover import load_cover, reference_image
from soundreel.types import Request


def small(audio: Path, **changes: object) -> Request:
    values = {"engine": "preview", "width": 96, "height": 64, "seed": 1, "num_frames": 4}
    return Request(audio=audio, **{**values, **changes})  # type: ignore[arg-type]


def halves(picture: np.ndarray) -> tuple[bool, bool]:
    """Whether the left is red and the right is blue."""
    height, width = picture.shape[:2]
    left = picture[height // 3 : -height // 3, width // 6 : width // 3].mean(axis=(0, 1))
    right = picture[height // 3 : -height // 3, -width // 3 : -width // 6].mean(axis=(0, 1))
    return bool(left[0] > 2 * left[2]), bool(right[2] > 2 * right[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_cover_is_read_from_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    cover = load_cover(album(tmp_path, kind))
    assert cover is not None
    assert cover.shape == (80, 120, 3)
    assert halves(cover) == (True, True)


def test_the_preview_shows_the_cover_and_says_so_once(tmp_path: Path, settings: Settings) -> None:
    said: list[Event] = []
    made = generate(small(album(tmp_path)), settings, control=RunControl(said.append))
    assert halves(frames_of(made.path)[-1]) == (True, True)
    notices = [event.message for event in said if isinstance(event, Notice)]
    assert sum("cover inside the sound is the image" in notice for notice in notices) == 1
    assert "with_ref" in made.path.name
    assert sidecar_of(made.path)["request"]["cover"] is True  # type: ignore[index]


def test_no_cover_where_the_user_says_none_or_gives_an_image(
    tmp_path: Path, settings: Settings
) -> None:
    song = album(tmp_path)
    made = generate(small(song, image="none"), settings)
    assert halves(frames_of(made.path)[-1]) != (True, True)
    assert "no_ref" in made.path.name
    given = small(song, image=tmp_path / "art.png")
    assert given.cover is False


def test_a_video_of_a_cover_is_made_again(tmp_path: Path, settings: Settings) -> None:
    made = generate(small(album(tmp_path), output=tmp_path / "a.mp4"), settings)
    again = replace(replay_request(made.path, None, None), output=tmp_path / "b.mp4")
    assert generate(again, settings).path.read_bytes() == made.path.read_bytes()


def test_a_video_made_before_covers_were_looked_at_stays_without(
    tmp_path: Path, settings: Settings
) -> None:
    made = generate(small(album(tmp_path), image="none", output=tmp_path / "a.mp4"), settings)
    text = made.sidecar.read_text().replace('"cover": false,\n', "")
    (tmp_path / "old.json").write_text(text)
    assert '"cover"' not in text
    assert replay_request(tmp_path / "old.json", None, None).cover is False


@pytest.mark.parametrize(("image", "shown"), [(None, False), ("cover", True), ("none", False)])
def test_a_model_gets_the_cover_only_by_word(
    tmp_path: Path, settings: Settings, image: str | None, shown: bool
) -> None:
    made, _ = plan(small(album(tmp_path), engine="fake", image=image), settings)
    assert made.request.cover is shown
    assert made.request.has_picture is shown
    assert (reference_image(made.for_engine.request) is not None) is shown


def test_a_cover_that_is_asked_for_and_missing_is_an_error(
    tmp_path: Path, settings: Settings
) -> None:
    plain = write_audio(tmp_path / "a.wav", sine(1, rate=16000), rate=16000)
    with pytest.raises(InputError, match=r"image='cover'.*a\.wav has no cover"):
        generate(small(plain, image="cover"), settings)
    assert generate(small(plain), settings).plan.request.cover is False


def test_a_cover_too_small_to_show_is_said_and_left_out(tmp_path: Path, settings: Settings) -> None:
    said: list[Event] = []
    song = album(tmp_path, size=(4, 4))
    made = generate(small(song), settings, control=RunControl(said.append))
    assert made.plan.request.cover is False
    assert any(isinstance(one, Notice) and "too small" in one.message for one in said)
    with pytest.raises(InputError, match="too small"):
        generate(small(song, image="cover"), settings)
