"""Two faces in one picture: where their sounds act, and what comes of it on the tiny model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
import torch
from PIL import Image

from fakes import cancel_after
from media_factory import clicks, noise, write_audio
from soundreel.api import generate, plan
from soundreel.audio.segment import read_clip
from soundreel.config import Settings
from soundreel.directing.direct import read_direction
from soundreel.engines.wan.encoders.faces import face_masks, shares
from soundreel.engines.wan.encoders.sound import clip_sound, statistics
from soundreel.engines.wan.engine import WanEngine
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.errors import Cancelled, InputError
from soundreel.events import RunControl
from soundreel.finished.replay import replay_request
from soundreel.types import Face, Plan, Region, Request
from wan import tiny as wan_tiny

HALVES = {"anna": "@left", "ben": "@right"}


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with wan_tiny.one_thread():
        yield


@pytest.fixture
def ready(settings: Settings) -> Settings:
    return settings.model_copy(update={"models_dir": (wan_tiny.model_folder(),)})


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "both.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def sounds(tmp_path: Path) -> Mapping[str, Path]:
    """Of two speakers, and both together."""
    anna = noise(1.5, rate=16000, seed=3) * np.linspace(0, 1, 24000, dtype=np.float32)
    ben = clicks(1.5, [0.2, 0.5, 0.9], rate=16000)
    waves: dict[str, Any] = {"anna": anna, "ben": ben, "mix": (anna + ben) / 2}
    return {
        name: write_audio(tmp_path / f"{name}.wav", wave, rate=16000)
        for name, wave in waves.items()
    }


def request_for(audio: Path, image: Path, **changes: Any) -> Request:
    values: dict[str, Any] = {"audio": audio, "image": image, "engine": "wan", "seed": 7}
    values |= {"width": 64, "height": 64, "num_frames": 13, "options": dict(wan_tiny.OPTIONS)}
    return Request(**{**values, **changes})


def planned(request: Request, ready: Settings) -> Plan:
    return plan(request, ready.model_copy(update={"gpu": "24GB"}))[0]


def pictures(made: Plan, ready: Settings) -> np.ndarray:
    engine = WanEngine(ready)
    whole = made.for_engine
    with engine.find(whole.request).open(whole, RunControl()) as session:
        frames = [f.rgb for chunk in whole.chunks for f in session.render(chunk, RunControl())]
    return np.stack(frames).astype(int)


# --- masks on the tokens -------------------------------------------------------------------------


def box(*edges: float) -> Region:
    left, top, right, bottom = (Fraction(str(edge)) for edge in edges)
    return Region((left, top, right, bottom))


def masks(width: int, height: int, *regions: Region, picture: tuple[int, int] = (64, 64)) -> Any:
    faces = [Face(name=str(n), region=region) for n, region in enumerate(regions)]
    empty = np.zeros((picture[1], picture[0], 3), np.uint8)
    return face_masks(faces, empty, width, height)


def test_a_box_is_its_tokens_and_what_is_left_is_shared() -> None:
    made = masks(64, 64, box(0, 0, 0.5, 0.5), box(0.5, 0.5, 1, 1))[:, 0]
    first = torch.full((4, 4), 0.5)
    first[:2, :2], first[2:, 2:] = 1, 0
    assert torch.equal(made, torch.stack([first, 1 - first]))


@pytest.mark.parametrize("size", [(64, 96), (112, 80), (832, 480), (496, 1216)])
def test_masks_add_up_to_one_on_every_token(size: tuple[int, int], tmp_path: Path) -> None:
    """However the picture is scaled and cut; soft edges, overlaps and what nobody has included."""
    levels = np.zeros((70, 90), np.uint8)
    levels[10:60, 40:70] = np.random.default_rng(2).integers(0, 256, (50, 30))
    Image.fromarray(levels).save(tmp_path / "mask.png")
    regions = (
        box(0.05, 0.1, 0.5, 0.9),
        box(0.45, 0.2, 0.83, 0.7),
        Region(mask=tmp_path / "mask.png"),
    )
    made = masks(*size, *regions, picture=(90, 70))
    assert made.shape == (3, 1, size[1] // 16, size[0] // 16)
    torch.testing.assert_close(made.sum(0), torch.ones(made.shape[1:]), rtol=0, atol=1e-6)
    assert made.min() >= 0


def test_a_mask_is_cut_as_its_picture_is() -> None:
    """A picture of 3:1 in a square: the middle third is left, which is all of the second's."""
    made = masks(64, 64, box(0, 0, 0.4, 1), box(0.4, 0, 1, 1), picture=(192, 64))[:, 0]
    assert made[0, 0].tolist() == pytest.approx([0.8, 0, 0, 0], abs=0.02)
    with pytest.raises(InputError, match=r"0=@0,0,0\.3,1.*nothing of it is left"):
        masks(64, 64, box(0, 0, 0.3, 1), box(0.4, 0, 1, 1), picture=(192, 64))


def test_shares_are_equal_where_several_are_and_where_nobody_is() -> None:
    covered = torch.tensor([[[1.0, 1.0, 0.0, 0.2]], [[1.0, 0.0, 0.0, 0.3]]])
    wanted = torch.tensor([[[0.5, 1.0, 0.5, 0.45]], [[0.5, 0.0, 0.5, 0.55]]])
    torch.testing.assert_close(shares(covered), wanted)


# --- pictures ------------------------------------------------------------------------------------


def test_two_faces_with_one_sound_are_one_face(
    ready: Settings, image: Path, sounds: Mapping[str, Path]
) -> None:
    """Over two chunks, with reference and motion; with another sound for one they are not."""
    one = pictures(planned(request_for(sounds["mix"], image, drive=sounds["anna"]), ready), ready)

    def both(anna: Path, ben: Path, cast: Mapping[str, str] = HALVES) -> np.ndarray:
        tracks = {"anna": anna, "ben": ben}
        request = request_for(sounds["mix"], image, cast=cast, turns="tracks", drive=tracks)
        return pictures(planned(request, ready), ready)

    assert np.abs(both(sounds["anna"], sounds["anna"]) - one).max() <= 1
    boxes = {"anna": "@0.1,0.2,0.45,0.77", "ben": "@0.6,0.1,0.9,1"}
    slanted = both(sounds["anna"], sounds["anna"], boxes)
    assert np.abs(slanted - one).max() <= 1
    assert np.abs(both(sounds["anna"], sounds["ben"]) - one).max() > 8


def test_one_face_with_a_place_changes_nothing(
    ready: Settings, image: Path, sounds: Mapping[str, Path]
) -> None:
    track = {"anna": sounds["anna"]}
    request = request_for(sounds["mix"], image, cast={"anna": "@left"}, turns="tracks", drive=track)
    plain = request_for(sounds["mix"], image, drive=sounds["anna"])
    made = pictures(planned(request, ready), ready)
    assert np.array_equal(made, pictures(planned(plain, ready), ready))


def test_only_the_pass_with_the_sounds_hears_both(
    ready: Settings, image: Path, sounds: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[int, bool, bool]] = []
    prepare = WanS2VTransformer3DModel.prepare

    def watched(self: Any, text: Any, features: Any, *given: Any, **named: Any) -> Any:
        masked = named["audio_masks"] is not None
        heard.append((len(features), masked, any(bool(each.any()) for each in features)))
        return prepare(self, text, features, *given, **named)

    monkeypatch.setattr(WanS2VTransformer3DModel, "prepare", watched)
    options = {**wan_tiny.OPTIONS, "audio_guidance": 5.0}
    tracks = {"anna": sounds["anna"], "ben": sounds["ben"]}
    request = request_for(
        sounds["mix"],
        image,
        cast=HALVES,
        turns="tracks",
        drive=tracks,
        num_frames=5,
        options=options,
    )
    pictures(planned(request, ready), ready)
    assert heard == [(2, True, True), (1, False, False), (1, False, False)]


# --- who drives which ----------------------------------------------------------------------------

RTTM = """\
SPEAKER talk 1 0.2 0.4 <NA> <NA> anna <NA> <NA>
SPEAKER talk 1 0.5 0.3 <NA> <NA> ben <NA> <NA>
SPEAKER talk 1 1.0 0.2 <NA> <NA> anna <NA> <NA>
"""


def test_each_face_hears_its_own_turns_alone(
    ready: Settings, image: Path, sounds: Mapping[str, Path], tmp_path: Path
) -> None:
    """At once too: nobody has to wait for the other. It is one shot."""
    turns = tmp_path / "talk.rttm"
    turns.write_text(RTTM)
    request = request_for(sounds["mix"], image, cast=HALVES, turns=turns, num_frames=20)
    made = planned(request, ready)
    assert len(made.shots) == 1
    whole = read_clip(made.audio, rate=16000, mono=True)[0]
    spoken = {"anna": [(0.2, 0.6), (1.0, 1.2)], "ben": [(0.5, 0.8)]}
    times = (np.arange(len(whole)) + 0.5) / 16000
    for name, spans in spoken.items():
        heard = read_clip(made.voices[name], rate=16000, mono=True)[0]
        own = np.any([(times > begin) & (times < end) for begin, end in spans], axis=0)
        wide = [(times > begin - 0.02) & (times < end + 0.02) for begin, end in spans]
        assert np.array_equal(heard[own], whole[own])
        assert not heard[~np.any(wide, axis=0)].any()
        sound = clip_sound(made.voices[name], Fraction(0), made.audio.duration)
        assert sound.whole is not None
        assert statistics(sound.whole)[1] > statistics(replace(sound, whole=None))[1]


def test_a_track_of_each_drives_its_face_with_all_that_is_in_it(
    ready: Settings, image: Path, sounds: Mapping[str, Path]
) -> None:
    tracks = {"anna": sounds["anna"], "ben": sounds["ben"]}
    request = request_for(sounds["mix"], image, cast=HALVES, turns="tracks", drive=tracks)
    made = planned(request, ready)
    assert made.drive is None
    assert {name: clip.path for name, clip in made.voices.items()} == tracks
    assert not any(clip.silent for clip in made.voices.values())


def test_stopped_and_made_again_from_its_record_it_is_the_same(
    ready: Settings, image: Path, sounds: Mapping[str, Path], tmp_path: Path
) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[10:50, 36:60] = 255
    Image.fromarray(mask).save(tmp_path / "ben.png")
    turns = tmp_path / "talk.rttm"
    turns.write_text(RTTM)
    cast = {"anna": "@0.05,0,0.4,1", "ben": f"@{tmp_path / 'ben.png'}"}
    whole = request_for(sounds["mix"], image, cast=cast, turns=turns, output=tmp_path / "whole.mp4")
    generate(whole, ready)
    broken = replace(whole, output=tmp_path / "broken.mp4")
    with pytest.raises(Cancelled):
        generate(broken, ready, control=cancel_after(8))
    assert generate(broken, ready).resumed_chunks == 1
    turns.unlink()
    again = replace(
        replay_request(tmp_path / "whole.mp4", None, None), output=tmp_path / "again.mp4"
    )
    generate(again, ready)
    made = {(tmp_path / f"{name}.mp4").read_bytes() for name in ("whole", "broken", "again")}
    assert len(made) == 1
    Image.fromarray(255 - mask).save(tmp_path / "ben.png")
    with pytest.raises(InputError, match=r"ben\.png is not the file"):
        replay_request(tmp_path / "whole.mp4", None, None)


# --- what cannot be ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cast", "said"),
    [
        ({"anna": "@left", "ben": "ben.png"}, "takes one or the other"),
        ({"anna": "@left", "ben": "@left"}, "less than half of that place is not another's"),
        ({"anna": "@0.1,0,0.5,1", "ben": "@0,0,1,1"}, "anna=@0.1,0,0.5,1"),
        ({"anna": "@left", "ben": "@black.png"}, "it is empty"),
        ({"anna": "@left", "ben": "@small.png"}, "small.png has 32x64 pixels"),
        ({"anna": "@left", "ben": "@nowhere.png"}, "nowhere.png"),
        ({"anna": "@left", "eve": "@right"}, "no track of eve"),
        ({"anna": "@left"}, "a track of ben, and no face"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(
    ready: Settings,
    image: Path,
    sounds: Mapping[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cast: dict[str, str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (64, 64)).save("black.png")
    Image.new("L", (32, 64), 255).save("small.png")
    Image.new("L", (64, 64)).save("ben.png")
    tracks = {"anna": sounds["anna"], "ben": sounds["ben"]}
    request = request_for(sounds["mix"], image, cast=cast, turns="tracks", drive=tracks)
    with pytest.raises(InputError) as caught:
        planned(request, ready)
    assert said in caught.value.message
    assert "\n" not in caught.value.message


def test_faces_without_a_picture_are_refused(
    ready: Settings, image: Path, sounds: Mapping[str, Path]
) -> None:
    tracks = {"anna": sounds["anna"], "ben": sounds["ben"]}
    request = request_for(sounds["mix"], image, cast=HALVES, turns="tracks", drive=tracks)
    with pytest.raises(InputError, match="no picture that they are in"):
        planned(replace(request, image=None), ready)


def test_a_list_of_shots_says_the_faces_too(
    ready: Settings, image: Path, sounds: Mapping[str, Path], tmp_path: Path
) -> None:
    from soundreel.directing.written import shot_list_text

    turns, mask = tmp_path / "talk.rttm", tmp_path / "ben.png"
    turns.write_text(RTTM)
    Image.new("L", (64, 64), 255).save(mask)
    levels = np.zeros((64, 64), np.uint8)
    levels[:, 40:] = 255
    Image.fromarray(levels).save(mask)
    cast = {"anna": "@left", "ben": f"@{mask}"}
    request = request_for(sounds["mix"], image, cast=cast, turns=turns)
    made = planned(request, ready)
    text = shot_list_text(made, tmp_path / "shots.toml")
    assert '{ name = "anna", region = "left", speaks = [["0:00.2", "0:00.6"]' in text
    assert 'region = "ben.png"' in text
    (tmp_path / "shots.toml").write_text(text)
    listed = request_for(sounds["mix"], image, shots=tmp_path / "shots.toml")
    assert planned(listed, ready).voices == made.voices
    assert read_direction(listed, RunControl()).shot_list[0].faces == made.shots[0].faces
