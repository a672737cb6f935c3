"""What holds of every look: it reacts on the frame, rests in silence, and needs no other frame."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from media_factory import clicks, silence, speech_like, write_audio
from preview.looks_factory import scene
from soundreel.config import Settings
from soundreel.engines.preview.engine import PreviewEngine
from soundreel.engines.preview.looks.table import LOOKS
from soundreel.engines.preview.options import LookName
from soundreel.engines.preview.staging.scene import LookScene
from soundreel.errors import InputError
from soundreel.types import Encoding, Request

RATE = 16000
CLICK = 30
"""The frame that holds the click."""

every_look = pytest.mark.parametrize("look", sorted(LOOKS))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    struck = clicks(2.4, [(CLICK + 0.5) / 25], rate=RATE)
    write_audio(folder / "click.wav", struck, rate=RATE)
    write_audio(folder / "silence.wav", silence(1, rate=RATE), rate=RATE)
    write_audio(folder / "speech.wav", speech_like(3, rate=RATE), rate=RATE)
    return folder


def changes(made: LookScene, first: int, last: int) -> NDArray[np.float64]:
    """From each frame to the next, of frames [first, last)."""
    pictures = np.stack([made.frame(i) for i in range(first, last)]).astype(np.int16)
    return np.asarray(np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2, 3)))


def test_every_look_has_a_name_on_the_command_line() -> None:
    assert set(get_args(LookName)) == {"flow", *LOOKS}


@every_look
def test_a_click_shows_on_its_own_frame(sounds: Path, look: str) -> None:
    steps = changes(scene(sounds / "click.wav", look), CLICK - 10, CLICK + 3)
    before, struck = steps[:9], steps[9]
    assert struck > 5 * before.max() + 0.3


@every_look
def test_silence_is_calm_and_not_black(sounds: Path, look: str) -> None:
    made = scene(sounds / "silence.wav", look)
    assert changes(made, 0, 12).max() < (1.5 if look == "vinyl" else 0.4)  # a record turns
    assert made.frame(5).mean() > 3


@every_look
def test_frames_are_the_same_in_any_order(sounds: Path, look: str) -> None:
    onward, backward = (scene(sounds / "speech.wav", look) for _ in range(2))
    wanted = (40, 41, 60)
    once = [onward.frame(i) for i in wanted]
    again = [backward.frame(i) for i in reversed(wanted)]
    np.testing.assert_array_equal(once, again[::-1])


@every_look
@pytest.mark.parametrize("size", [(16, 16), (16, 200), (200, 16), (90, 160)])
def test_layers_have_the_frame_s_size_and_hold_no_light_beyond_their_opacity(
    sounds: Path, look: str, size: tuple[int, int]
) -> None:
    layer = scene(sounds / "speech.wav", look, width=size[0], height=size[1]).layer(30)
    assert layer.shape == (size[1], size[0], 4)
    assert layer.any()
    assert (layer[..., :3].max(axis=2).astype(int) <= layer[..., 3].astype(int) + 1).all()


@every_look
def test_a_colour_lies_beneath_as_it_is(sounds: Path, look: str) -> None:
    made = scene(sounds / "speech.wav", look, options={"background": "#0f4020"})
    layer = made.layer(30).astype(float)
    clearness = 1 - layer[..., 3:] / 255
    expected = layer[..., :3] + np.array((0x0F, 0x40, 0x20)) * clearness
    assert clearness.max() > 0.9
    assert np.abs(made.frame(30) - expected).max() <= 1


def test_a_picture_fills_the_frame_beneath(sounds: Path, tmp_path: Path) -> None:
    picture = np.zeros((60, 200, 3), np.uint8)
    picture[:, :100], picture[:, 100:] = (90, 0, 0), (0, 0, 90)
    Image.fromarray(picture).save(tmp_path / "behind.png")
    made = scene(sounds / "silence.wav", "bars", options={"background": tmp_path / "behind.png"})
    top = made.frame(0)[2].astype(int)
    assert top[2, 0] > 80 > 20 > top[2, 2]
    assert top[-3, 2] > 80 > 20 > top[-3, 0]


def test_a_background_without_a_look_is_refused(sounds: Path) -> None:
    request = Request(audio=sounds / "speech.wav", options={"background": "teal"})
    with pytest.raises(InputError, match="none is chosen"):
        PreviewEngine(Settings()).find(request)


def test_a_colour_s_code_that_is_none_is_refused(sounds: Path) -> None:
    options = {"look": "bars", "background": "#12345"}
    with pytest.raises(InputError, match="six digits"):
        PreviewEngine(Settings()).find(Request(audio=sounds / "speech.wav", options=options))


def test_one_thread_and_several_draw_the_same(sounds: Path) -> None:
    made = scene(sounds / "speech.wav", "ring-bars")
    alone = [made.frame(i) for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(list(pool.map(made.frame, range(12))), alone)


def test_a_background_that_is_not_there_is_refused(sounds: Path, tmp_path: Path) -> None:
    options = {"look": "bars", "background": str(tmp_path / "gone.png")}
    with pytest.raises(InputError, match="gone"):
        PreviewEngine(Settings()).find(Request(audio=sounds / "speech.wav", options=options))


def test_an_overlay_is_the_look_without_its_ground(sounds: Path) -> None:
    plain, clear = (
        scene(sounds / "speech.wav", "bars", encoding=Encoding(alpha=alpha))
        for alpha in (False, True)
    )
    np.testing.assert_array_equal(clear.frame(30), plain.layer(30))


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, "fills the frame"), ({"look": "bars", "background": "teal"}, "beneath an overlay")],
)
def test_an_overlay_without_a_look_or_with_a_background_is_refused(
    sounds: Path, options: dict[str, object], words: str
) -> None:
    asked = Request(audio=sounds / "speech.wav", options=options, encoding=Encoding(alpha=True))
    with pytest.raises(InputError, match=words):
        PreviewEngine(Settings()).find(asked)
