"""FILM makes them too, from the weights on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from fakes import sidecar_of
from framerate.videos import apart, pictures_of
from media_factory import write_video
from post.film_weights import film_weights, save_film
from soundreel import interpolate
from soundreel.config import Settings
from soundreel.errors import EngineUnavailable
from video_factory import moving_scene


def test_film_makes_as_many_others_and_is_named(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path / "nowhere"))
    shown = [moving_scene(i / 16, (64, 64)) for i in range(3)]
    video = write_video(tmp_path / "a.mp4", shown)
    with pytest.raises(EngineUnavailable, match="none are on this machine") as raised:
        interpolate(video, method="film", output=tmp_path / "b.mp4", settings=settings)
    assert "`interpolate='flow'`" in raised.value.hint
    save_film(film_weights(), tmp_path / "frame_interpolation" / "film_net_fp16.safetensors")
    machine = settings.model_copy(update={"models_dir": (tmp_path,)})
    film = interpolate(video, method="film", output=tmp_path / "b.mp4", settings=machine)
    flow = interpolate(video, output=tmp_path / "c.mp4", settings=machine)
    assert film.frames == flow.frames == 6
    one, other = pictures_of(film.path), pictures_of(flow.path)
    assert apart(one[2], other[2]) < 6
    assert apart(one[1], other[1]) > 10  # the weights are random
    versions = sidecar_of(film.path)["versions"]
    assert isinstance(versions, dict)
    assert versions["film"].startswith("film_net_fp16.safetensors ")
