"""The preview shows an image as it is: a camera moves over it, in time with a sound, if any."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from media_factory import clicks, write_audio
from soundreel.api import plan_request
from soundreel.audio.load import probe
from soundreel.config import Settings
from soundreel.engines.preview.engine import PreviewEngine, PreviewImageEngine
from soundreel.errors import InputError
from soundreel.events import RunControl
from soundreel.types import ImageRequest, Request
from video_factory import texture

SIZE = (96, 64)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "texture.png"
    cv2.imwrite(str(path), texture(192, 128, seed=3)[..., ::-1])
    return path


def request_for(image: Path, **changes: object) -> ImageRequest:
    values: dict[str, object] = {"image": image, "engine": "preview", "size": SIZE, "seed": 4}
    return ImageRequest(**{**values, **changes})  # type: ignore[arg-type]


def drawn(settings: Settings, request: Request) -> list[np.ndarray]:
    kinds = {"sound": PreviewEngine, "image": PreviewImageEngine}
    engine = kinds[request.kind](settings)
    info = None if request.sound is None else probe(request.sound)
    plan = plan_request(request, info, engine, RunControl())
    with engine.find(plan.request).open(plan, RunControl()) as session:
        return [frame.rgb for c in plan.chunks for frame in session.render(c, RunControl())]


def changes(pictures: list[np.ndarray]) -> np.ndarray:
    pairs = pairwise(picture.astype(int) for picture in pictures)
    return np.array([np.abs(after - before).mean() for before, after in pairs])


def test_it_begins_with_the_image_in_its_own_light(image: Path, settings: Settings) -> None:
    """The surround, the lamps and the fades of a video of a sound would darken it."""
    source = cv2.resize(texture(192, 128, seed=3), SIZE, interpolation=cv2.INTER_AREA)
    pictures = drawn(settings, request_for(image, num_frames=41))
    for picture in pictures:
        assert picture.mean() == pytest.approx(source.mean(), abs=6)
    seen, given = (cv2.GaussianBlur(each, (0, 0), 4).ravel() for each in (pictures[0], source))
    assert np.corrcoef(seen, given)[0, 1] > 0.75, "but for the camera, which is a little nearer"


def test_without_a_sound_the_camera_moves_slowly_all_the_time(
    image: Path, settings: Settings
) -> None:
    change = changes(drawn(settings, request_for(image, num_frames=41)))
    assert change.min() > 0
    assert change.max() < 6 * change.min()
    still = changes(drawn(settings, request_for(image, num_frames=9, options={"motion": "off"})))
    assert still.max() < change.min()


def test_with_a_sound_it_moves_when_something_sounds(
    image: Path, settings: Settings, tmp_path: Path
) -> None:
    struck = [12, 30]
    times = [float((frame + Fraction(1, 3)) / 16) for frame in struck]
    sound = write_audio(tmp_path / "clicks.wav", clicks(3, times, rate=16000), rate=16000)
    change = changes(drawn(settings, request_for(image, audio=sound, num_frames=41)))
    for click in struck:
        near = range(click - 4, click + 5)
        assert max(near, key=lambda frame: change[frame - 1]) == click


@pytest.mark.parametrize("way", [{"last_frame": "b.png"}, {"last_only": True}])
def test_a_last_picture_is_for_models(
    image: Path, settings: Settings, way: dict[str, object]
) -> None:
    with pytest.raises(InputError, match="makes no way to another") as caught:
        PreviewImageEngine(settings).geometry(request_for(image, **way))
    assert set(caught.value.fields) == set(way)
    assert "comfyui" in caught.value.hint
