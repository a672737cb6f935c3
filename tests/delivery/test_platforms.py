"""One word for what a platform wants; what is given beside it wins."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from media_factory import sine, write_audio
from soundreel.cli.app import run
from soundreel.cli.flags.arguments import make_request
from soundreel.errors import InputError
from soundreel.options.platforms import PLATFORM_FIELDS, PLATFORMS
from soundreel.types import Encoding, Request, for_platform

SOUND = Path("song.wav")


def asked(config: Path | None = None, /, **given: object) -> Request:
    return make_request(SOUND, given, config)


@pytest.mark.parametrize(
    ("name", "size", "loudness"),
    [
        ("youtube", (1920, 1080), -14),
        ("reels", (1080, 1920), -14),
        ("tiktok", (1080, 1920), -14),
        ("podcast", (1920, 1080), -16),
    ],
)
def test_a_word_sets_size_rate_loudness_and_quality(
    name: str, size: tuple[int, int], loudness: float
) -> None:
    request = asked(for_=name)
    assert request.output_size == size
    assert request.fps == 30
    assert request.encoding.loudness == loudness
    assert request.encoding.crf == PLATFORMS[name].crf
    assert len(PLATFORM_FIELDS) == 5


def test_what_is_given_beside_it_wins() -> None:
    request = asked(for_="reels", size="square", fps="25", loudness="off", crf="23")
    assert request.output_size == (1080, 1080)
    assert request.fps == Fraction(25)
    assert (request.encoding.loudness, request.encoding.crf) == (None, 23)
    assert asked(for_="reels", width="720").output_size == (720, 1920)


def test_what_a_codec_cannot_have_is_left_out() -> None:
    copy = asked(for_="youtube", audio_codec="copy")
    assert copy.encoding.loudness is None
    for name, other in (("codec", "av1"), ("container", "webm"), ("output", "a.webm")):
        assert asked(None, **{"for_": "youtube", name: other}).encoding.crf is None
    with pytest.raises(InputError, match="as they are"):
        asked(for_="youtube", audio_codec="copy", loudness="-14")


def test_the_config_file_and_the_command_line(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[options]\nfor = "reels"\ncrf = 21\n')
    assert asked(config).output_size == (1080, 1920)
    assert asked(config).encoding.crf == 21
    assert asked(config, for_="youtube").output_size == (1920, 1080)
    assert asked(config, size="640x480").output_size == (640, 480)
    config.write_text('[options]\nsize = "640x480"\ncrf = 21\ncodec = "av1"\n')
    assert asked(config, for_="reels").output_size == (1080, 1920)
    assert asked(config, for_="reels").encoding.crf == 21


def test_a_size_on_the_command_line_wins_over_a_width_in_the_config_file(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[options]\nwidth = 320\n")
    assert asked(config).output_size == (320, 1216)
    assert asked(config, size="640x480").output_size == (640, 480)


@pytest.mark.parametrize("name", ["vimeo", "YouTube", ""])
def test_other_words_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="youtube, reels, tiktok, podcast"):
        asked(for_=name)


def test_it_is_said_and_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audio = write_audio(tmp_path / "a.wav", sine(2, rate=16000, level=0.1), rate=16000)
    words = ["plan", str(audio), "--engine", "preview", "--for", "reels", "--size", "9:16@180"]
    assert run(words) == 0
    shown = capsys.readouterr()
    assert "for reels: 180x320, 30 pictures a second, -14 LUFS, crf 18" in shown.err
    assert "louder for -14 LUFS" in shown.err
    assert "180x320" in shown.out
    assert "gain +" in shown.out


def test_from_python() -> None:
    request = for_platform("podcast", "song.mp3", fps=25, prompt="two chairs")
    assert request.output_size == (1920, 1080)
    assert (request.fps, request.prompt) == (Fraction(25), "two chairs")
    assert request.encoding.loudness == -16
    sized = for_platform("reels", "song.mp3", size="square", encoding=Encoding(crf=20))
    assert sized.output_size == (1080, 1080)
    assert (sized.encoding.crf, sized.encoding.loudness) == (20, None)
    with pytest.raises(InputError, match="youtube, reels"):
        for_platform("vimeo", "song.mp3")
