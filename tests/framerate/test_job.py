"""One that was stopped, killed or out of room ends with the same bytes; what cannot be, is told."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from fakes import cancel_after
from framerate.videos import scene, video_with_sound
from media_factory import write_video
from soundreel import interpolate
from soundreel.cli.app import run
from soundreel.config import Settings
from soundreel.errors import Cancelled, InputError, WorkError
from soundreel.framerate.run import PIECE_FRAMES
from soundreel.media import marks
from soundreel.types import Encoding
from soundreel.video.reader import read_tags

KILLED = """
import os, signal, sys
from soundreel import FrameDone, RunControl, interpolate, load_settings

def watch(event):
    if isinstance(event, FrameDone) and event.done == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)

settings = load_settings({"work_dir": sys.argv[3]})
interpolate(sys.argv[1], 64, output=sys.argv[2], settings=settings, control=RunControl(watch))
"""


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return video_with_sound(tmp_path / "a.mp4", 60)


def killed(video: Path, output: Path, work: Path, at: int) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", KILLED, str(video), str(output), str(work), str(at)]
    return subprocess.run(words, check=False, timeout=120, capture_output=True, text=True)


@pytest.mark.parametrize("at", [PIECE_FRAMES + 1, 2 * PIECE_FRAMES + 10])
def test_a_killed_job_goes_on_to_the_same_bytes(
    video: Path, tmp_path: Path, settings: Settings, at: int
) -> None:
    whole = interpolate(video, 64, output=tmp_path / "whole.mp4", settings=settings)
    assert whole.pieces == 3
    work = tmp_path / "killed"
    assert killed(video, tmp_path / "b.mp4", work, at).returncode == -signal.SIGKILL
    assert not (tmp_path / "b.mp4").exists()
    made = interpolate(
        video,
        64,
        output=tmp_path / "b.mp4",
        settings=settings.model_copy(update={"work_dir": work}),
    )
    assert made.resumed_pieces == at // PIECE_FRAMES
    assert made.path.read_bytes() == whole.path.read_bytes()
    assert not [path for path in work.iterdir() if path.is_dir()]


def test_a_stopped_job_is_listed_and_taken_up_by_its_key(
    video: Path, tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = interpolate(video, 64, output=tmp_path / "whole.mp4", settings=settings)
    control = cancel_after(PIECE_FRAMES + 1)
    with pytest.raises(Cancelled):
        interpolate(video, 64, output=tmp_path / "b.mp4", settings=settings, control=control)
    work = str(settings.work_dir)
    assert run(["jobs", "--work-dir", work]) == 0
    line = capsys.readouterr().out.splitlines()[0]
    assert "a.mp4 -> b.mp4: 1 of 3 parts" in line
    assert run(["jobs", "resume", line[:8], "--work-dir", work, "--quiet"]) == 0
    assert (tmp_path / "b.mp4").read_bytes() == whole.path.read_bytes()


def test_a_full_disk_is_told_and_nothing_is_left(video: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    words = [
        "interpolate",
        str(video),
        "-o",
        str(tmp_path / "b.mp4"),
        "--work-dir",
        str(tmp_path / "w"),
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "soundreel", *words], check=False, timeout=120, capture_output=True,
        text=True, preexec_fn=limit, env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
    )  # fmt: skip
    assert ended.returncode == WorkError.exit_code, ended.stderr
    assert "no room left" in ended.stderr
    assert {path.name for path in tmp_path.glob("*b.mp4*")} == set()


def test_the_command_says_what_it_made(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = ["--work-dir", str(tmp_path / "w")]
    assert run(["interpolate", str(video), "--fps", "24", "--json", *work]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["frames"], said["fps"], said["method"], said["cuts"]) == (90, "24", "flow", 0)
    assert Path(said["path"]) == tmp_path / "a_24fps.mp4"
    record = json.loads(read_tags(Path(said["path"]))["soundreel"])
    sidecar = json.loads(Path(said["sidecar"]).read_text(encoding="utf-8"))
    assert {name: sidecar[name] for name in record} == record
    assert str(tmp_path) not in json.dumps(record)
    assert record["source_type"] == marks.ENHANCED
    assert run(["interpolate", str(video), "--fps", "24", *work]) == 2
    assert "exists already" in capsys.readouterr().err
    assert run(["interpolate", str(video), "--fps", "24", "--overwrite", "-q", *work]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'a_24fps.mp4'}\n"
    assert run(["probe", said["path"]]) == 0
    assert "another video at a new rate" in capsys.readouterr().out
    assert run(["--from", said["path"], "-o", str(tmp_path / "c.mp4")]) == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fps": 16}, "as many pictures a second already"),
        ({"method": "spline"}, "no such method"),
        ({"fps": 500}, "between 1 and 240"),
        ({"output": "b.webm"}, "does not end in .mp4 or .mov"),
        ({"output": "a.mp4", "overwrite": True}, "the file that the video is made from"),
        ({"output": "b.mov", "encoding": Encoding(codec="av1")}, "mov holds h264 and h265"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    video: Path, settings: Settings, given: dict[str, Any], words: str
) -> None:
    before = sorted(video.parent.iterdir())
    if "output" in given:
        given["output"] = video.parent / given["output"]
    with pytest.raises(InputError, match=words):
        interpolate(video, **{"fps": 32, **given}, settings=settings)
    assert [path for path in sorted(video.parent.iterdir()) if path.suffix] == before


def test_a_picture_a_sound_and_pictures_of_two_moments_are_refused(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    single = write_video(tmp_path / "one.mp4", scene(1))
    woven = write_video(tmp_path / "tv.mp4", scene(6), options={"x264-params": "interlaced=1"})
    for path, words in ((single, "a single picture"), (woven, "interlaced"), (tone, "no picture")):
        with pytest.raises(InputError, match=words):
            interpolate(path, 32, output=tmp_path / "b.mp4", settings=settings)
    bright = tmp_path / "hdr.mp4"
    with av.open(str(bright), "w") as output:
        stream = output.add_stream("libx264", rate=16, width=64, height=48)
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.color_trc = 16
        for picture in scene(4, Fraction(16)):
            frame = av.VideoFrame.from_ndarray(picture[:48, :64].copy(), format="rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(InputError, match="high dynamic range"):
        interpolate(bright, 32, output=tmp_path / "b.mp4", settings=settings)
