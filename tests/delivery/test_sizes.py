"""Words for sizes, what an engine draws for them, and how that comes into the file."""

from __future__ import annotations

import json
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundreel.api import generate
from soundreel.cli.app import run
from soundreel.config import Settings
from soundreel.engines.wan22 import BEST_AREA, LEAST_SIDE, SIZE_MULTIPLE
from soundreel.errors import InputError
from soundreel.events import Event, Notice, RunControl
from soundreel.options.sizes import parse_size
from soundreel.post import picture
from soundreel.timeline.sizes import drawn_size, for_engine
from soundreel.types import ChunkGeometry, Request, Rgb, Size
from soundreel.video.reader import probe_video, read_frames
from video_factory import moving_scene, psnr

SOUND = Path("song.wav")
WAN = ChunkGeometry(Fraction(16), 80, 4, 3, 0, SIZE_MULTIPLE, LEAST_SIDE, BEST_AREA)
ANY = ChunkGeometry(Fraction(16), 80)


@pytest.mark.parametrize(
    ("word", "size"),
    [
        ("832x1216", (832, 1216)),
        ("640 X 480", (640, 480)),
        ("1080p", (1920, 1080)),
        ("720P", (1280, 720)),
        ("480p", (854, 480)),
        ("4k", (3840, 2160)),
        ("reel", (1080, 1920)),
        ("short@720", (720, 1280)),
        ("square", (1080, 1080)),
        ("portrait", (1080, 1350)),
        ("wide", (1920, 1080)),
        ("9:16", (1080, 1920)),
        ("16:9@720", (1280, 720)),
        ("2.39:1@800", (1912, 800)),
    ],
)
def test_words_for_sizes(word: str, size: tuple[int, int]) -> None:
    assert parse_size(word) == size
    request = Request(audio=SOUND, size=word)
    assert (request.width, request.height) == size
    assert request.output_size == size


@pytest.mark.parametrize("word", ["big", "0:1", "9:0", "1080", "x", "", "p", "4k@720", "9:16@"])
def test_other_words_are_refused_with_those_that_there_are(word: str) -> None:
    with pytest.raises(InputError, match="1080p, 4k, reel"):
        Request(audio=SOUND, size=word)


@given(text=st.text(max_size=12))
def test_any_text_is_a_size_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert min(parse_size(text)) >= 0


sides = st.integers(8, 2048).map(lambda half: 2 * half)


@pytest.mark.parametrize("size", ["832x1216", "832x480", "1280x720", "64x64", "2560x1440"])
def test_sizes_that_a_model_makes_are_drawn_as_they_are(size: str) -> None:
    request = Request(audio=SOUND, size=size)
    assert drawn_size(request, WAN) == request.output_size


@settings(deadline=None, max_examples=60)
@given(width=sides, height=sides)
def test_every_other_size_is_drawn_near_in_shape_and_within_what_the_model_is_good_at(
    width: int, height: int
) -> None:
    request = Request(audio=SOUND, width=width, height=height)
    drawn = drawn_size(request, WAN)
    assert all(side % 16 == 0 and side >= 64 for side in drawn)
    assert max(drawn) <= 4096
    assert drawn == (width, height) or drawn.area < 1.3 * max(BEST_AREA, 64 * max(drawn))
    if min(width, height) >= 320 and max(width, height) <= 4 * min(width, height):
        one, other = drawn.width * height, drawn.height * width
        assert max(one, other) / min(one, other) < 1.04
    seen = for_engine(request, WAN)
    assert (seen.width, seen.height) == drawn
    assert drawn_size(request, ANY) == (width, height)


def test_hd_is_drawn_in_its_exact_shape() -> None:
    assert drawn_size(Request(audio=SOUND, size="1080p"), WAN) == (1280, 720)
    assert drawn_size(Request(audio=SOUND, size="reel"), WAN) == (720, 1280)
    assert drawn_size(Request(audio=SOUND, size="4k"), WAN) == (1280, 720)
    assert drawn_size(Request(audio=SOUND, size="portrait"), WAN) == (832, 1040)


def test_what_is_drawn_can_be_chosen_on_the_engines_grid_only() -> None:
    chosen = Request(audio=SOUND, size="reel", render_size=(1280, 720), engine="wan")
    assert drawn_size(chosen, WAN) == (1280, 720)
    with pytest.raises(InputError, match="multiples of 16") as caught:
        drawn_size(Request(audio=SOUND, render_size=(1000, 500)), WAN)
    assert "render_size='" in caught.value.hint


def test_a_draft_has_a_quarter_of_the_pixels() -> None:
    draft = Request(audio=SOUND, draft=True)
    assert draft.output_size == drawn_size(draft, WAN) == (416, 608)
    large = Request(audio=SOUND, size="4k", draft=True)
    assert large.output_size == (1920, 1080)
    assert drawn_size(large, WAN).area < 1.2 * BEST_AREA / 4


# --- pictures -----------------------------------------------------------------------------------


def wide() -> Rgb:
    """320x180, red at the left, blue at the right, green between."""
    scene = np.zeros((180, 320, 3), np.uint8)
    scene[:, :60, 0] = scene[:, 60:260, 1] = scene[:, 260:, 2] = 255
    return scene


TALL = Size(90, 160)


def test_crop_fills_the_file_with_the_middle() -> None:
    cut = picture.crop(wide(), TALL)
    assert cut.shape == (160, 90, 3)
    assert (cut == (0, 255, 0)).all()


def test_pad_shows_all_between_black_bars() -> None:
    padded = picture.pad(wide(), TALL)
    height = round(90 * 180 / 320)
    top = (160 - height) // 2
    assert not padded[:top].any()
    assert not padded[top + height :].any()
    inside = padded[top : top + height]
    assert inside[:, 0, 0].min() > 200
    assert inside[:, -1, 2].min() > 200


def test_blur_shows_all_before_a_dark_copy_of_itself() -> None:
    blurred = picture.blur(wide(), TALL)
    above, inside = blurred[:40], blurred[60:100]
    assert 60 < above[..., 1].mean() < 200
    assert np.abs(np.diff(above.astype(int), axis=1)).max() < 40
    assert inside[:, 0, 0].min() > 200


@pytest.mark.parametrize("how", [picture.crop, picture.pad, picture.blur])
@pytest.mark.parametrize("size", [(64, 64), (200, 64), (64, 200), (1000, 300), (18, 4000)])
def test_any_shape_comes_out_in_its_size(how: picture.Fit, size: tuple[int, int]) -> None:
    for source in (wide(), wide().transpose(1, 0, 2).copy(), np.zeros((16, 16, 3), np.uint8)):
        assert how(source, Size(*size)).shape == (size[1], size[0], 3)


def test_scaling_keeps_the_picture_and_its_place() -> None:
    scene = moving_scene(0.3)
    height, width = scene.shape[:2]
    large = picture.crop(scene, Size(width * 3 // 2, height * 3 // 2))
    again = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    assert psnr(again.astype(np.uint8), scene) > 36


# --- files --------------------------------------------------------------------------------------


def made(tone: Path, folder: Path, settings: Settings, **changes: object) -> tuple[Path, list[str]]:
    said: list[Event] = []
    output = folder / "a.mp4"
    request = Request(audio=tone, engine="fake", seed=3, num_frames=20, output=output, **changes)  # type: ignore[arg-type]
    result = generate(request, settings, control=RunControl(said.append), overwrite=True)
    return result.path, [event.message for event in said if isinstance(event, Notice)]


def test_the_file_has_the_size_asked_for_and_the_scaling_is_said(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    path, said = made(
        tone, tmp_path, settings, size="90x160", render_size="128x72", fit_output="pad"
    )
    video = probe_video(path)
    assert (video.width, video.height) == (90, 160)
    assert any("draws 128x72" in text and "black bars" in text for text in said)
    frames = list(read_frames(path))
    assert not any(frame[:40].max() > 8 for frame in frames)
    assert any(frame[70:90].max() > 8 for frame in frames)


def test_a_draft_is_marked_and_said(tone: Path, tmp_path: Path, settings: Settings) -> None:
    path, _ = made(tone, tmp_path, settings, size="160x120")
    (plain, *_) = read_frames(path)
    path, said = made(tone, tmp_path, settings, size="320x240", draft=True)
    (first, *_) = read_frames(path)
    change = np.abs(first.astype(int) - plain)
    assert change[90:, :60].max() > 60
    assert max(change[:90].max(), change[:, 60:].max()) < 12
    assert any("draft: 160x120" in text and "320x240" in text for text in said)


def test_a_drafts_automatic_name_says_so(tone: Path, settings: Settings) -> None:
    request = Request(audio=tone, engine="fake", size="128x128", num_frames=3, seed=1, draft=True)
    assert "_64x64_3f_" in (name := generate(request, settings).path.name)
    assert "_draft_" in name


def test_a_draft_is_made_real_from_its_own_file(
    tone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--engine", "fake", "--size", "96x64", "--frames", "3", "--draft", "-o", "draft.mp4"]
    assert run([str(tone), *words]) == 0
    assert run(["--from", "draft.mp4", "--no-draft", "-o", "real.mp4"]) == 0
    made = {name: probe_video(tmp_path / f"{name}.mp4") for name in ("draft", "real")}
    assert (made["draft"].width, made["real"].width) == (48, 96)
    records = [json.loads((tmp_path / f"{name}.json").read_text()) for name in made]
    assert records[0]["seed"] == records[1]["seed"]
    assert [each["request"]["draft"] for each in records] == [True, False]
