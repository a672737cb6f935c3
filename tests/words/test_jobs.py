"""Words through whole jobs: the same bytes however a job was run."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import cancel_after
from soundreel.api import generate, plan
from soundreel.config import Settings
from soundreel.errors import Cancelled, InputError, WorkError
from soundreel.finished.replay import replay_request
from soundreel.types import Encoding, ImageRequest, Request
from soundreel.types.words import Font
from soundreel.video.reader import read_frames
from soundreel.words.letters import fonts
from words.written import FONTS, changed

LYRICS = """[00:00.50]<00:00.50>gold <00:01.00>en <00:01.50>
[00:02.00]سلام
[00:03.30]你好世界
[00:04.40]
"""


@pytest.fixture
def lyrics(tmp_path: Path) -> Path:
    path = tmp_path / "song.lrc"
    path.write_text(LYRICS, encoding="utf-8")
    return path


def request_for(tone: Path, output: Path, **changes: object) -> Request:
    values: dict[str, object] = {"audio": tone, "engine": "fake", "width": 96, "height": 96}
    values |= {"seed": 3, "output": output, "font": FONTS, **changes}
    return Request(**values)  # type: ignore[arg-type]


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("rate", [None, "30000/1001"])
def test_the_file_has_each_line_on_the_pictures_of_its_time(
    tone: Path, lyrics: Path, tmp_path: Path, settings: Settings, rate: str | None
) -> None:
    """Without words but else the same, the pictures of all other times are equal."""
    lossless = Encoding(crf=0)
    bare = request_for(tone, tmp_path / "bare.mp4", fps=rate, encoding=lossless)
    made = generate(replace(bare, output=tmp_path / "words.mp4", lyrics=lyrics), settings)
    generate(bare, settings)
    pairs = zip(read_frames(made.path), read_frames(tmp_path / "bare.mp4"), strict=True)
    seen = [number for number, pair in enumerate(pairs) if changed(*pair).mean() > 0.01]
    fps = made.plan.output_fps
    times = [("0.5", "1.5"), ("2", "3.3"), ("3.3", "4.4")]
    spans = [(Fraction(begin), Fraction(end)) for begin, end in times]
    count = made.plan.output_frames
    expected = [j for j in range(count) if any(a <= j / fps < b for a, b in spans)]
    assert seen == expected


@pytest.mark.parametrize(
    "changes",
    [{}, {"interpolate": "flow"}, {"shots": "crossfade"}],
    ids=["plain", "interpolated", "crossfade"],
)
def test_a_stopped_job_ends_with_the_same_bytes(
    tone: Path, lyrics: Path, tmp_path: Path, settings: Settings, changes: dict[str, object]
) -> None:
    if changes.get("shots"):
        listed = tmp_path / "shots.toml"
        listed.write_text("[[shot]]\nstart = 0\n[[shot]]\nstart = 2.1\n")
        changes = {"shots": listed, "transition": "crossfade:0.5"}
    whole = request_for(tone, tmp_path / "whole.mp4", lyrics=lyrics, title="One", **changes)
    broken = replace(whole, output=tmp_path / "broken.mp4")
    generate(whole, settings)
    with pytest.raises(Cancelled):
        generate(broken, settings, control=cancel_after(50))
    assert generate(broken, settings).resumed_chunks > 0
    assert digest(tmp_path / "broken.mp4") == digest(tmp_path / "whole.mp4")


def test_changed_lyrics_are_another_job(
    tone: Path, lyrics: Path, tmp_path: Path, settings: Settings
) -> None:
    request = request_for(tone, tmp_path / "a.mp4", lyrics=lyrics)
    with pytest.raises(Cancelled):
        generate(request, settings, control=cancel_after(50))
    lyrics.write_text(LYRICS.replace("gold", "cold"), encoding="utf-8")
    assert generate(request, settings).resumed_chunks == 0


def test_another_font_of_the_machine_refuses_a_resume(
    tone: Path, lyrics: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_for(tone, tmp_path / "a.mp4", lyrics=lyrics)
    with pytest.raises(Cancelled):
        generate(request, settings, control=cancel_after(50))
    other = tmp_path / "Other.otf"
    other.write_bytes(fonts.PACKAGED[0].path.read_bytes() + b"\0")
    monkeypatch.setattr(fonts, "PACKAGED", (Font(other),))
    with pytest.raises(WorkError):
        generate(request, settings)


def test_a_video_with_words_is_made_again_from_its_record(
    tone: Path, lyrics: Path, tmp_path: Path, settings: Settings
) -> None:
    art = tmp_path / "art.png"
    Image.fromarray(np.full((20, 20, 3), 200, np.uint8)).save(art)
    said = {"lyrics": lyrics, "title": "Gold", "artist": "Anna", "artwork": art, "logo": art}
    made = generate(request_for(tone, tmp_path / "a.mp4", **said), settings)
    record = json.loads(made.sidecar.read_text(encoding="utf-8"))
    names = [font[0] for font in record["plan"]["words"]["fonts"]]
    assert names == ["Arabic.ttf", "CJK.otf", "Inter-Bold.otf"]
    assert str(tmp_path) not in json.dumps(record["request"])
    again = replace(replay_request(made.path, None, None), output=tmp_path / "b.mp4")
    assert again.font == FONTS
    generate(again, settings)
    assert digest(tmp_path / "b.mp4") == digest(tmp_path / "a.mp4")


def test_without_words_the_record_says_nothing_of_them(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    made = generate(request_for(tone, tmp_path / "a.mp4", font=()), settings)
    record = json.loads(made.sidecar.read_text(encoding="utf-8"))
    fields = {"lyrics", "captions", "font", "title", "artist", "artwork", "logo"}
    assert not fields & {*record["request"]}
    assert "words" not in record["plan"]
    assert "letters" not in record["versions"]


def test_an_image_that_moves_has_words_too(
    lyrics: Path, tmp_path: Path, settings: Settings
) -> None:
    Image.fromarray(np.full((96, 96, 3), 90, np.uint8)).save(tmp_path / "a.png")
    request = ImageRequest(
        image=tmp_path / "a.png", engine="fake", width=96, height=96, seed=1, captions=lyrics,
        font=FONTS, duration=2, output=tmp_path / "a.mp4",
    )  # fmt: skip
    found, _ = plan(request, settings)
    assert found.words is not None
    assert [cue.text for cue in found.words.cues] == ["gold en"]
    generate(request, settings)


def test_what_is_asked_twice_or_cannot_be_said_is_refused_before_the_work(
    tone: Path, lyrics: Path, tmp_path: Path, settings: Settings
) -> None:
    request = request_for(tone, tmp_path / "a.mp4")
    with pytest.raises(InputError, match="shown once"):
        plan(replace(request, lyrics=lyrics, captions=lyrics), settings)
    with pytest.raises(InputError, match="does not say it"):
        plan(replace(request, title="tags"), settings)
    with pytest.raises(InputError, match="no picture inside"):
        plan(replace(request, artwork="tags"), settings)
    with pytest.raises(InputError, match="no font here has"):
        plan(replace(request, title="\U0010fffd"), settings)
