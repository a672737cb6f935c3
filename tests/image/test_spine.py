"""A video of an image goes the way that one of a sound goes: request, plan, record, resume."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, assert_type

import av
import numpy as np
import pytest
from PIL import Image

from fakes import cancel_after, frames_of, sidecar_of
from media_factory import sine, write_audio
from soundreel import ImageRequest, Plan, Request, generate, plan, registry
from soundreel.api import resume
from soundreel.cli.app import run
from soundreel.config import Settings
from soundreel.errors import Cancelled, EngineUnavailable, InputError
from soundreel.events import Event, Notice, RunControl
from soundreel.finished.replay import replay_request
from soundreel.record import TAG
from soundreel.types import Encoding
from soundreel.video.reader import read_tags
from soundreel.work.listing import list_jobs

SIZE = (64, 48)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return painted(tmp_path / "first.png", 200)


@pytest.fixture
def end(tmp_path: Path) -> Path:
    return painted(tmp_path / "last.png", 40)


def painted(path: Path, level: int, size: tuple[int, int] = SIZE) -> Path:
    Image.fromarray(np.full((size[1], size[0], 3), level, np.uint8)).save(path)
    return path


def request_for(image: Path, **changes: object) -> ImageRequest:
    values: dict[str, Any] = {"image": image, "engine": "fake", "size": SIZE, "seed": 3}
    return ImageRequest(**{**values, **changes})


def passes(made: Plan) -> list[tuple[int, int]]:
    return [(chunk.generated_frames, chunk.num_frames) for chunk in made.chunks]


def test_a_request_reads_as_a_type_checker_says(image: Path) -> None:
    request = ImageRequest(image=str(image), last_frame="b.png", duration="1:00")
    assert_type(request.image, Path)
    assert_type(request.last_frame, Path | None)
    assert_type(request.audio, Path | None)
    assert_type(replace(request, num_frames=25), ImageRequest)
    assert (request.image, request.last_frame, request.audio) == (image, Path("b.png"), None)
    assert request.duration == 60
    assert request.tag == "i2v"
    assert request.prompt != Request(audio="a.wav").prompt
    with pytest.raises(TypeError):
        ImageRequest(audio="a.wav")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("given", "first", "last"),
    [
        ({}, "a.png", None),
        ({"last_frame": "b.png"}, "a.png", "b.png"),
        ({"last_only": True}, None, "a.png"),
        ({"last_frame": "b.png", "last_only": True}, None, "b.png"),
    ],
)
def test_which_pictures_are_given(
    given: Mapping[str, Any], first: str | None, last: str | None
) -> None:
    request = ImageRequest(image="a.png", **given)
    found = (request.first_picture, request.last_picture)
    assert found == (first and Path(first), last and Path(last))
    assert [path.name for path in request.pictures] == [each for each in (first, last) if each]


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": "cover"},
        {"image": "none"},
        {"drive": "b.wav"},
        {"gate": -40},
        {"shots": "auto"},
        {"images": "a.png,b.png"},
        {"prompts": ("one", "two")},
        {"turns": "a.srt"},
        {"cast": {"anna": "a.png"}},
        {"by_section": True},
        {"start": 3},
        {"track": 2},
        {"encoding": Encoding(audio_codec="copy")},
        {"last_only": "maybe"},
        {"num_frames": 0},
    ],
)
def test_what_only_a_sound_can_have_is_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        ImageRequest(**{"image": "a.png", **wrong})
    assert {path.partition(".")[0] for path in caught.value.fields} == set(wrong)


def test_a_sound_brings_what_belongs_to_it() -> None:
    request = ImageRequest(image="a.png", audio="b.wav", start=3, track=2)
    assert (request.start, request.track) == (3, 2)


def test_passes_go_on_from_the_last_picture(image: Path, settings: Settings) -> None:
    """A first pass gives one picture beyond its frames, the given one; the others are even."""
    made, _ = plan(request_for(image, num_frames=21), settings)
    assert passes(made) == [(20, 21)]
    made, _ = plan(request_for(image, num_frames=45), settings)
    assert passes(made) == [(16, 17), (16, 16), (12, 12)]
    made, _ = plan(request_for(image, num_frames=1), settings)
    assert passes(made) == [(4, 1)]
    made, _ = plan(request_for(image, num_frames=22), settings)
    assert passes(made) == [(12, 13), (12, 9)]


def test_it_is_as_long_as_asked_or_as_its_sound_or_five_seconds(
    image: Path, tone: Path, settings: Settings
) -> None:
    assert plan(request_for(image), settings)[0].num_frames == 81
    assert plan(request_for(image, duration=2), settings)[0].num_frames == 32
    with_sound, _ = plan(request_for(image, audio=tone), settings)
    assert with_sound.num_frames == 80
    both, _ = plan(request_for(image, audio=tone, start=4, num_frames=32), settings)
    assert [both.audio.duration, both.audio.sound_duration] == [Fraction(2), Fraction(1)]
    silent, _ = plan(request_for(image, duration=2), settings)
    assert silent.audio.duration == 2
    assert not silent.audio.has_sound


def test_a_last_picture_needs_a_pass_that_ends_with_it(
    image: Path, end: Path, settings: Settings
) -> None:
    plan(request_for(image, last_frame=end, num_frames=45), settings)
    with pytest.raises(InputError, match="4n \\+ 1 frames") as caught:
        plan(request_for(image, last_frame=end, num_frames=46), settings)
    assert "45" in caught.value.hint
    assert "49" in caught.value.hint
    plan(request_for(image, last_only=True, num_frames=21), settings)
    with pytest.raises(InputError, match="a picture to begin with") as caught:
        plan(request_for(image, last_only=True, num_frames=25), settings)
    assert "at most 21 frames" in caught.value.hint


def test_the_video_begins_and_ends_with_what_was_given(
    image: Path, end: Path, settings: Settings
) -> None:
    result = generate(request_for(image, last_frame=end, num_frames=45), settings)
    shown = [float(picture.mean()) for picture in frames_of(result.path)]
    assert len(shown) == 45
    assert shown[0] == pytest.approx(200, abs=3)
    assert shown[-1] == pytest.approx(40, abs=3)
    reverse = generate(request_for(end, last_frame=image, num_frames=21), settings)
    last_only = generate(request_for(end, last_only=True, num_frames=21), settings)
    assert float(frames_of(reverse.path)[-1].mean()) == pytest.approx(200, abs=3)
    assert float(frames_of(last_only.path)[-1].mean()) == pytest.approx(40, abs=3)
    words = [each.path.name.split("_f_")[0] for each in (result, reverse, last_only)]
    assert ["_first_last_i2v_" in words[0], "_last_i2v_" in words[2]] == [True, True]
    assert result.path.name.startswith("first_64x48_45f_2.8125s_")


@pytest.mark.parametrize("container", ["mp4", "mov", "webm", "gif"])
def test_without_a_sound_the_file_has_no_sound_track(
    image: Path, settings: Settings, container: str
) -> None:
    encoding = Encoding(container=container, loudness=-14)
    request = request_for(image, num_frames=10, encoding=encoding, thumbnail=True)
    result = generate(request, settings)
    with av.open(str(result.path)) as file:
        assert len(file.streams.video) == 1
        assert not file.streams.audio
    assert len(frames_of(result.path)) == 10


def test_a_sound_under_it_is_exact(image: Path, tone: Path, settings: Settings) -> None:
    encoding = Encoding(audio_codec="flac")
    request = request_for(image, audio=tone, start=1, num_frames=25, encoding=encoding)
    result = generate(request, settings)
    with av.open(str(result.path)) as file:
        blocks = [frame.to_ndarray() for frame in file.decode(audio=0)]
    heard = np.concatenate(blocks, axis=1)[0].astype(float)
    with av.open(str(tone)) as file:
        source = np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)[0]
    assert len(heard) == 25 * 1000
    wanted = source[16000 : 16000 + 25000].astype(float)
    if source.dtype != np.int16:
        wanted = wanted * 32768
    scale = 1 if np.abs(heard).max() < 2**15 else 2**16
    assert np.abs(heard / scale - wanted).max() <= 1


def test_the_record_says_its_kind_and_makes_it_again(
    image: Path, end: Path, tone: Path, settings: Settings, tmp_path: Path
) -> None:
    request = request_for(
        image, last_frame=end, audio=tone, num_frames=29, output=tmp_path / "a.mp4"
    )
    result = generate(request, settings)
    record = json.loads(read_tags(result.path)[TAG])
    assert record["request"]["kind"] == "image"
    assert set(record["inputs"]) == {"audio", "image", "last_frame"}
    assert record["plan"]["geometry"]["head_frames"] == 1
    assert record["plan"]["chunks"] == [[16, 17], [12, 12]]
    assert str(tmp_path) not in json.dumps(record)
    assert sidecar_of(result.path)["request"] == record["request"]
    again = replay_request(result.path, None, None)
    assert again == replace(request, encoding=again.encoding, output=None)
    second = generate(replace(again, output=tmp_path / "b.mp4"), settings)
    assert second.path.read_bytes() == result.path.read_bytes()


def test_a_sound_s_record_says_nothing_of_kinds(tone: Path, settings: Settings) -> None:
    request = Request(audio=tone, engine="fake", size=SIZE, num_frames=5)
    record = json.loads(read_tags(generate(request, settings).path)[TAG])
    assert not {"kind", "last_frame", "last_only"} & set(record["request"])


@pytest.mark.parametrize("frames", [20, 40])
def test_a_stopped_job_ends_with_the_same_bytes(
    image: Path, end: Path, settings: Settings, tmp_path: Path, frames: int
) -> None:
    whole = request_for(image, last_frame=end, num_frames=45, output=tmp_path / "whole.mp4")
    broken = replace(whole, output=tmp_path / "broken.mp4")
    generate(whole, settings)
    with pytest.raises(Cancelled):
        generate(broken, settings, control=cancel_after(frames))
    [job] = list_jobs(settings.work_dir)
    finished = resume(job, settings, cancel_after(10**6))
    assert finished.resumed_chunks == (frames >= 17) + (frames >= 33)
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.glob("*.mp4")}
    assert len(digests) == 1


def test_another_picture_is_another_job(image: Path, end: Path, settings: Settings) -> None:
    request = request_for(image, last_frame=end, num_frames=45, output=settings.work_dir / "a.mp4")
    with pytest.raises(Cancelled):
        generate(request, settings, control=cancel_after(20))
    painted(end, 90)
    with pytest.raises(Cancelled):
        generate(request, settings, control=cancel_after(20))
    assert len(list_jobs(settings.work_dir)) == 2


def test_an_engine_is_asked_for_what_it_makes(
    image: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry._BUILT_IN, "image", {})
    with pytest.raises(InputError, match="makes no video of an image"):
        generate(request_for(image, engine="preview"), settings)
    with pytest.raises(InputError, match="unknown engine"):
        generate(request_for(image, engine="prewiev"), settings)
    with pytest.raises(EngineUnavailable, match="no engine"):
        generate(request_for(image, engine="auto"), settings)


@pytest.mark.parametrize("interpolate", ["none", "flow"])
def test_a_file_has_exactly_the_pictures_of_its_time(
    image: Path, settings: Settings, interpolate: str
) -> None:
    result = generate(request_for(image, num_frames=26, interpolate=interpolate), settings)
    assert len(frames_of(result.path)) == 26 * (1 if interpolate == "none" else 2)
    assert result.plan.audio.duration == Fraction(26, 16)


def test_what_is_cut_of_a_picture_is_said(tmp_path: Path, settings: Settings) -> None:
    wide = painted(tmp_path / "wide.png", 90, (200, 48))
    said: list[Event] = []
    plan(request_for(wide, num_frames=5), settings, RunControl(said.append))
    plan(request_for(wide, num_frames=5, fit_output="pad"), settings, RunControl(said.append))
    plan(request_for(wide, num_frames=5, size=(400, 96)), settings, RunControl(said.append))
    words = [event.message for event in said if isinstance(event, Notice)]
    assert words == [
        "wide.png is 200x48: cropped, for 64x48",
        "wide.png is 200x48: set between black bars, for 64x48",
    ]


class TestCommand:
    def made(self, *arguments: object) -> int:
        return run(["image-to-video", *map(str, arguments)])

    def test_it_makes_the_video_and_makes_it_again(
        self, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first, second = tmp_path / "1.mp4", tmp_path / "2.mp4"
        common = ("--engine", "fake", "--size", "64x48", "--seed", "4", "--frames", "25")
        place = ("--work-dir", tmp_path / "work", "--json")
        assert self.made(image, *common, "-o", first, *place) == 0
        assert json.loads(capsys.readouterr().out)["frames"] == 25
        assert self.made("--from", first, "-o", second, *place) == 0
        assert first.read_bytes() == second.read_bytes()
        capsys.readouterr()
        assert run(["probe", str(first)]) == 0
        assert f"soundreel image-to-video --from {first}" in capsys.readouterr().out
        assert run(["generate", "--from", str(first)]) == 2
        assert "soundreel image-to-video --from" in capsys.readouterr().err

    def test_a_plan_makes_nothing(
        self, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.made(image, "-e", "fake", "--size", "64x48", "--frames", 45, "--plan") == 0
        said = capsys.readouterr().out
        assert "first.png: 2.8125 s without sound, 45 frames at 16 fps" in said
        assert "each later part goes on from the last picture of the part before it" in said
        assert {path.name for path in tmp_path.rglob("*.mp4")} == set()

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ((), "no image given"),
            (("none.png", "-e", "fake"), "no image at none.png"),
            (("{image}", "-e", "fake", "--last-frame", "x.png"), "no image at x.png"),
            (("{image}", "-e", "fake", "--audio", "{image}"), "without sound"),
            (("{image}", "-e", "fake", "--start", "3"), "there is no sound"),
            (("{image}", "--shots", "auto"), "--shots"),
        ],
    )
    def test_what_is_wrong_is_said_in_a_sentence(
        self,
        image: Path,
        given: tuple[str, ...],
        said: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert self.made(*(word.format(image=image) for word in given)) == 2
        assert said in capsys.readouterr().err

    def test_an_unfinished_job_is_listed_and_finished(
        self,
        image: Path,
        tone: Path,
        settings: Settings,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        request = request_for(image, num_frames=45, audio=tone, output=tmp_path / "a.mp4")
        with pytest.raises(Cancelled):
            generate(request, settings, control=cancel_after(20))
        place = ("--work-dir", str(settings.work_dir))
        assert run(["jobs", *place]) == 0
        said = capsys.readouterr().out
        assert "first.png, fake -> a.mp4: 1 of 3 parts" in said
        assert run(["jobs", "resume", said.split()[0], *place]) == 0
        assert len(frames_of(tmp_path / "a.mp4")) == 45

    def test_a_picture_in_place_of_a_sound_is_told_of_this_command(
        self, image: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run([str(image), "-e", "fake"]) == 2
        assert "soundreel image-to-video" in capsys.readouterr().err

    def test_a_config_file_may_hold_what_is_for_sounds(
        self, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config = tmp_path / "own.toml"
        config.write_text('[options]\nshots = "auto"\nframes = 9\nsize = "64x48"\n')
        given = (image, "-e", "fake", "--config", config, "--plan", "--json")
        assert self.made(*given) == 0
        assert json.loads(capsys.readouterr().out)["frames"] == 9
        config.write_text("[options]\nframs = 9\n")
        assert self.made(*given) == 2


def test_a_short_sound_is_followed_by_silence(
    image: Path, tmp_path: Path, settings: Settings
) -> None:
    short = write_audio(tmp_path / "short.wav", sine(0.5, rate=16000), rate=16000)
    made = generate(request_for(image, audio=short, num_frames=17), settings)
    with av.open(str(made.path)) as file:
        [sound] = file.streams.audio
        assert sound.duration is not None
        assert sound.time_base is not None
        assert abs(sound.duration * sound.time_base - Fraction(17, 16)) <= Fraction(1024, 16000)
