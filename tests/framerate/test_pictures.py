"""How many pictures there are, which moment each shows, and that none is made across a cut."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from fakes import sidecar_of
from framerate.videos import (
    SIZE,
    apart,
    other_scene,
    picture_times,
    pictures_of,
    scene,
    write_at_times,
)
from media_factory import write_video
from soundreel import generate, interpolate
from soundreel.config import Settings
from soundreel.errors import InputError
from soundreel.types import Encoding, Request, ShotRequest
from video_factory import moving_scene, psnr

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("own", "wanted", "count"),
    [("16", None, 24), ("16", "48", 36), ("25", "50", 24), (NTSC, 2 * NTSC, 24), ("16", "24", 18),
     ("30", "25", 10), ("16", "12", 9)],
)  # fmt: skip
def test_counts_and_times_are_exact(
    tmp_path: Path, settings: Settings, own: Fraction, wanted: Fraction | None, count: int
) -> None:
    fps = Fraction(own)
    video = write_video(tmp_path / "a.mp4", scene(12, fps), fps)
    made = interpolate(video, wanted, output=tmp_path / "b.mp4", settings=settings)
    rate = Fraction(wanted or 2 * fps)
    assert made.frames == count == math.ceil(12 / fps * rate)
    assert picture_times(made.path) == [j / rate for j in range(count)]


def test_each_picture_shows_its_moment(tmp_path: Path, settings: Settings) -> None:
    video = write_video(tmp_path / "a.mp4", scene(9), options={"crf": "4"})
    made = interpolate(
        video, 24, output=tmp_path / "b.mp4", encoding=Encoding(crf=4), settings=settings
    )
    for j, picture in enumerate(pictures_of(made.path)[:-1]):
        moments = {i: psnr(picture, moving_scene(i / 48, SIZE)) for i in range(27)}
        assert max(moments, key=lambda i: moments[i]) == 2 * j


def test_pictures_of_a_matroska_file_stand_on_an_even_rate(
    tmp_path: Path, settings: Settings
) -> None:
    """Its times are in milliseconds: 0, 33, 67, 100."""
    video = write_video(tmp_path / "a.mkv", scene(20, Fraction(30)), Fraction(30))
    made = interpolate(video, output=tmp_path / "b.mp4", settings=settings)
    assert (made.fps, made.frames) == (Fraction(60), 40)


def test_an_uneven_rate_is_drawn_at_its_own_times(tmp_path: Path, settings: Settings) -> None:
    ticks = [0, 1, 3, 4, 7, 8, 9, 12, 60, 61]  # of a 24th second; one stands for two seconds
    shown = [moving_scene(min(at, 14) / 24, SIZE) for at in ticks]
    video = write_at_times(tmp_path / "a.mp4", shown, ticks, Fraction(1, 24))
    with pytest.raises(InputError, match="come unevenly") as raised:
        interpolate(video, settings=settings)
    assert "fps" in raised.value.hint
    made = interpolate(
        video, 24, output=tmp_path / "b.mp4", encoding=Encoding(crf=4), settings=settings
    )
    pictures = pictures_of(made.path)
    assert len(pictures) == made.frames == 62
    for at in (2, 5, 6, 10):  # none of them is in the source
        moments = {i: psnr(pictures[at], moving_scene(i / 24, SIZE)) for i in range(14)}
        assert max(moments, key=lambda i: moments[i]) == at
    assert apart(pictures[12], shown[7]) < 4
    assert all(apart(pictures[at], pictures[12]) < 1 for at in range(12, 60))


def test_a_cut_is_found_and_nothing_is_made_across_it(tmp_path: Path, settings: Settings) -> None:
    shown = [*scene(6), *other_scene(6), *scene(6, begin=3)]
    video = write_video(tmp_path / "a.mp4", shown, options={"crf": "4"})
    made = interpolate(video, 48, output=tmp_path / "b.mp4", settings=settings)
    assert made.cuts == 2
    plan = sidecar_of(made.path)["plan"]
    assert isinstance(plan, dict)
    assert plan["cuts"] == [18, 36]
    pictures = pictures_of(made.path)
    for cut in (18, 36):
        before, after = pictures[cut - 3], pictures[cut]
        assert apart(before, after) > 15
        assert all(apart(pictures[at], before) < 2 for at in (cut - 2, cut - 1))
    again = interpolate(made.path, 96, output=tmp_path / "c.mp4", settings=settings)
    assert again.cuts == 2  # by the record


def test_a_video_of_ours_says_its_cuts_itself(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    """The fake engine's shots look alike: nobody could find where they begin."""
    shots = tuple(ShotRequest(start=Fraction(frame, 16), seed=frame) for frame in (0, 5, 11))
    request = Request(
        audio=tone, engine="fake", size="64x48", num_frames=16, shots=shots, fps=32,
        interpolate="flow", output=tmp_path / "a.mp4",
    )  # fmt: skip
    path = generate(request, settings).path
    made = interpolate(path, 64, output=tmp_path / "b.mp4", settings=settings)
    plan = sidecar_of(made.path)["plan"]
    assert isinstance(plan, dict)
    assert plan["cuts"] == [5 * 4, 11 * 4]
    faded = (*shots[:2], replace(shots[2], transition="crossfade:0.125"))
    mixed = replace(request, shots=faded, output=tmp_path / "e.mp4")
    path = generate(mixed, settings).path
    assert interpolate(path, 64, output=tmp_path / "f.mp4", settings=settings).cuts == 1
    single = replace(request, shots="none", output=tmp_path / "c.mp4")
    path = generate(single, settings).path
    assert interpolate(path, 64, output=tmp_path / "d.mp4", settings=settings).cuts == 0


@pytest.mark.parametrize(
    ("codec", "size", "ratio", "turned", "shown"),
    [("libx264", (150, 104), "4/3", 0, (200, 104)), ("libx264", (150, 104), "1/2", 0, (150, 208)),
     ("libx264", (150, 104), "1", 90, (104, 150)), ("ffv1", (151, 103), "1", 0, (150, 102))],
)  # fmt: skip
def test_pictures_are_upright_square_and_even(
    tmp_path: Path, settings: Settings, codec: str, size: tuple[int, int], ratio: str,
    turned: int, shown: tuple[int, int],
) -> None:  # fmt: skip
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=10, width=size[0], height=size[1])
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt = "yuv444p"
        stream.codec_context.sample_aspect_ratio = Fraction(ratio)
        if turned:
            stream.set_display_rotation(turned)
        for i in range(4):
            picture = moving_scene(i / 10, size)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    made = interpolate(path, output=tmp_path / "b.mp4", encoding=Encoding(crf=4), settings=settings)
    with av.open(str(made.path)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height) == shown
    expected = np.rot90(moving_scene(0, size)[: size[1] // 2 * 2, : size[0] // 2 * 2], turned // 90)
    assert apart(pictures_of(made.path)[0], np.ascontiguousarray(expected)) < 3
