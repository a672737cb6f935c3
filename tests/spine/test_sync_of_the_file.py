"""Picture against sound, measured in the finished file by decoders that are not ours: OpenCV's
for the picture, libsndfile for the sound it was made from."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from media_factory import clicks, write_audio
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.types import Request

EXAMPLES = Path(__file__).parents[2] / "examples"
SIZE = {"width": 208, "height": 304}


def picture_change(video: Path) -> NDArray[np.float64]:
    """Mean absolute difference of every picture from the one before; 0 for the first."""
    capture, last, change = cv2.VideoCapture(str(video)), None, []
    while True:
        got, picture = capture.read()
        if not got:
            break
        current = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float64)
        change.append(0.0 if last is None else float(np.abs(current - last).mean()))
        last = current
    return np.array(change)


def loudness(sound: Path, fps: Fraction, count: int) -> NDArray[np.float64]:
    samples, rate = soundfile.read(str(sound), always_2d=True)
    mono = samples.mean(axis=1)
    edges = [-(-i * rate * fps.denominator // fps.numerator) for i in range(count + 1)]
    spans = [mono[a:b] for a, b in itertools.pairwise(edges)]
    return np.array([np.sqrt((span**2).mean()) if len(span) else 0.0 for span in spans])


def best_lag(change: NDArray[np.float64], loud: NDArray[np.float64], reach: int = 4) -> int:
    """Frames by which the picture follows the sound, where they agree best."""

    def agreement(lag: int) -> float:
        a = change[max(0, lag) + 1 : len(change) + min(0, lag)]
        b = loud[max(0, -lag) + 1 : len(loud) + min(0, -lag)]
        return float(np.corrcoef(a, b)[0, 1])

    return max(range(-reach, reach + 1), key=agreement)


def make(sound: Path, output: Path, settings: Settings, **changes: object) -> Path:
    values: dict[str, object] = {**SIZE, "engine": "preview", "seed": 7, **changes}
    return generate(Request(audio=sound, output=output, **values), settings).path  # type: ignore[arg-type]


@pytest.mark.parametrize("fps", [16, 25])
@pytest.mark.parametrize("image", [None, EXAMPLES / "portrait.png"], ids=["abstract", "image"])
def test_change_peaks_on_the_frame_of_the_click(
    tmp_path: Path, settings: Settings, image: Path | None, fps: int
) -> None:
    times = [0.61, 1.43, 2.52, 3.37]
    sound = write_audio(tmp_path / "clicks.wav", clicks(4.2, times, rate=16000), rate=16000)
    video = make(
        sound, tmp_path / "a.mp4", settings, image=image, fps=Fraction(fps),
        options={"mouth": "off"} if image else {},
    )  # fmt: skip
    change = picture_change(video)
    assert len(change) == -(-42 * fps // 10)
    for time in times:
        frame = int(time * fps)
        near = range(frame - 3, frame + 4)
        assert max(near, key=lambda i: change[i]) == frame


@pytest.mark.parametrize("image", [None, EXAMPLES / "portrait.png"], ids=["abstract", "portrait"])
def test_speech_and_picture_agree_best_at_no_lag(
    tmp_path: Path, settings: Settings, image: Path | None
) -> None:
    sound = EXAMPLES / "speech.wav"
    change = picture_change(make(sound, tmp_path / "a.mp4", settings, image=image))
    assert best_lag(change, loudness(sound, Fraction(16), len(change))) == 0
