"""A video of several shots: one file, each shot by itself, resumable and repeatable."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import cancel_after, frames_of, sidecar_of
from media_factory import sine, write_audio
from soundreel.api import generate, plan, resume
from soundreel.config import Settings
from soundreel.errors import Cancelled, InputError, WorkError
from soundreel.events import Event, FrameDone, RunControl
from soundreel.finished.replay import replay_request
from soundreel.record import TAG
from soundreel.types import Encoding, Request, ShotRequest
from soundreel.video.reader import probe_video, read_tags
from soundreel.work.listing import list_jobs

THREE = '[[shot]]\nstart = 0\n[[shot]]\nstart = 1.5\nprompt = "b"\n[[shot]]\nstart = 3\nseed = 8\n'


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def three(tmp_path: Path) -> Path:
    path = tmp_path / "shots.toml"
    path.write_text(THREE)
    return path


def request_for(tone: Path, output: Path, **changes: object) -> Request:
    values: dict[str, object] = {"audio": tone, "engine": "fake", "width": 64, "height": 48}
    return Request(**{**values, "seed": 3, "output": output, **changes})  # type: ignore[arg-type]


def codes(path: Path) -> list[int]:
    """What stands in the last rows of each picture: a code of all that the shot showed so far."""
    return [int(picture[-2, 10, 1]) for picture in frames_of(path)]


@pytest.mark.parametrize("interpolate", ["none", "flow"])
@pytest.mark.parametrize("frames", [5, 30, 60, 79])
def test_a_stopped_job_goes_on_to_the_same_bytes(
    tone: Path, tmp_path: Path, settings: Settings, three: Path, frames: int, interpolate: str
) -> None:
    whole = request_for(tone, tmp_path / "whole.mp4", shots=three, interpolate=interpolate)
    broken = replace(whole, output=tmp_path / "broken.mp4")
    generate(whole, settings)
    with pytest.raises(Cancelled):
        generate(broken, settings, control=cancel_after(frames))
    generate(broken, settings)
    assert digest(tmp_path / "broken.mp4") == digest(tmp_path / "whole.mp4")


def test_a_shot_looks_the_same_whatever_is_shown_before_it(
    tone: Path, tmp_path: Path, settings: Settings, three: Path
) -> None:
    """Its state begins anew at the cut, its seeds and prompts are its own."""
    one = request_for(tone, tmp_path / "a.mp4", shots=three)
    other = replace(one, output=tmp_path / "b.mp4", start=Fraction(3, 2), prompt="other")
    generate(one, settings)
    generate(other, settings)
    first, second = codes(tmp_path / "a.mp4"), codes(tmp_path / "b.mp4")
    assert first[24:48] == second[:24]
    assert first[48:] != second[24:], "the third shot takes the request's prompt"


def test_nothing_is_made_between_two_shots(tone: Path, tmp_path: Path, settings: Settings) -> None:
    """At twice the rate, each shot has the pictures that it has where it goes on after the cut."""
    cuts = [(0, 24), (24, 48), (48, 60), (60, 80)]
    shots = tuple(ShotRequest(start=Fraction(a, 16), seed=a, prompt=f"{a}") for a, _ in cuts)
    lossless = Encoding(crf=0)
    request = request_for(tone, tmp_path / "a.mp4", interpolate="flow", encoding=lossless)
    together = frames_of(generate(replace(request, shots=shots), settings).path)
    assert len(together) == 2 * 80
    for shot, (first, end) in zip(shots[:-1], cuts[:-1], strict=True):
        longer = replace(request, start=shot.start, num_frames=end - first + 4, shots=(shot,))
        alone = replace(longer, output=tmp_path / f"{first}.mp4")
        made = frames_of(generate(alone, settings).path)
        assert np.array_equal(made[: 2 * (end - first)], together[2 * first : 2 * end])


def test_many_shots_keep_their_time(tmp_path: Path, settings: Settings) -> None:
    """Each picture of the fake shows the loudness of its own sixteenth of a second."""
    count = 60
    random = np.random.default_rng(1)
    levels = np.repeat(random.uniform(0.3, 1, count), 1000).astype(np.float32)
    sound = levels * sine(count / 16, rate=16000, level=1.0)
    audio = write_audio(tmp_path / "a.wav", sound, rate=16000)
    shots = tuple(ShotRequest(start=Fraction(k, 16)) for k in range(count))
    request = request_for(audio, tmp_path / "a.mp4", shots=shots, width=16, height=16)
    made = generate(request, settings)
    shown = np.array([float(picture[4, 4, 1]) / 255 for picture in frames_of(made.path)])
    assert np.abs(shown - np.abs(sound).reshape(count, -1).max(axis=1)).max() < 0.03
    assert probe_video(made.path).duration == Fraction(count, 16)


def test_a_video_repeats_from_its_own_record_without_the_list(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    Image.new("RGB", (16, 16), (200, 30, 30)).save(tmp_path / "red.png")
    path = tmp_path / "shots.toml"
    path.write_text(THREE + 'image = "red.png"\noptions = { steps = 2 }\n')
    made = generate(request_for(tone, tmp_path / "a.mp4", shots=path), settings)
    path.unlink()
    record = sidecar_of(made.path)
    assert record["inputs"]["images.1"]["name"] == "red.png"  # type: ignore[index]
    assert record["plan"]["shots"] == [[0, 24], [24, 24], [48, 32]]  # type: ignore[index]
    for source in (made.path, made.sidecar):
        again = replay_request(source, None, None)
        output = tmp_path / f"{source.suffix[1:]}.mp4"
        generate(replace(again, output=output), settings)
        assert digest(output) == digest(made.path)


def test_a_comment_in_the_list_is_not_another_job_but_a_shot_is(
    tone: Path, tmp_path: Path, settings: Settings, three: Path
) -> None:
    request = request_for(tone, tmp_path / "a.mp4", shots=three)
    with pytest.raises(Cancelled):
        generate(request, settings, control=cancel_after(30))
    three.write_text("# better\n" + THREE)
    with pytest.raises(Cancelled):
        generate(request, settings, control=cancel_after(60))
    three.write_text(THREE.replace('"b"', '"c"'))
    assert generate(request, settings).resumed_chunks == 0


@pytest.mark.parametrize("by_list", [True, False])
def test_a_stopped_job_is_taken_up_by_its_key(
    tone: Path, tmp_path: Path, settings: Settings, three: Path, by_list: bool
) -> None:
    """What it noted holds the shots, whether they were listed or are found in the sound."""
    how: dict[str, object] = (
        {"shots": three} if by_list else {"shots": "auto", "shot_length": "1-2"}
    )
    whole = request_for(tone, tmp_path / "whole.mp4", prompts=("x", "y"), **how)
    broken = replace(whole, output=tmp_path / "broken.mp4")
    generate(whole, settings)
    with pytest.raises(Cancelled):
        generate(broken, settings, control=cancel_after(45))
    three.unlink()
    [job] = list_jobs(settings.work_dir)
    assert resume(job, settings, RunControl()).resumed_chunks > 0
    assert digest(tmp_path / "broken.mp4") == digest(tmp_path / "whole.mp4")


def test_an_image_of_a_shot_that_changes_while_the_job_runs_is_noticed(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    image = tmp_path / "red.png"
    Image.new("RGB", (16, 16), (200, 30, 30)).save(image)
    shots = (ShotRequest(start=Fraction(0)), ShotRequest(start=Fraction(2), image=image))

    def change(event: Event) -> None:
        if isinstance(event, FrameDone) and event.done == 40:
            Image.new("RGB", (17, 16), (200, 30, 30)).save(image)

    with pytest.raises(WorkError, match=r"red\.png changed"):
        generate(
            request_for(tone, tmp_path / "a.mp4", shots=shots), settings, control=RunControl(change)
        )


def test_without_shots_the_record_is_as_it_was(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    made = generate(request_for(tone, tmp_path / "a.mp4"), settings)
    tag = read_tags(made.path)[TAG]
    assert '"shots"' not in tag
    assert "images.1" not in tag


@pytest.mark.parametrize(
    ("options", "words"), [({"fit": "crop"}, "shot by shot"), ({"steps": "many"}, "integer")]
)
def test_an_option_that_a_shot_cannot_have_names_the_line(
    tone: Path, tmp_path: Path, settings: Settings, options: dict[str, object], words: str
) -> None:
    written = ", ".join(f'{name} = "{value}"' for name, value in options.items())
    path = tmp_path / "shots.toml"
    path.write_text(f"[[shot]]\nstart = 0\n\n[[shot]]\nstart = 2\noptions = {{ {written} }}\n")
    with pytest.raises(InputError, match=words) as caught:
        generate(request_for(tone, tmp_path / "a.mp4", shots=path), settings)
    assert "shots.toml, line 4" in caught.value.message
    assert not list(settings.work_dir.glob("*/"))
    with pytest.raises(InputError, match="line 4"):
        plan(request_for(tone, tmp_path / "a.mp4", shots=path), settings)
