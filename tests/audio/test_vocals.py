"""The voice that drives the picture: separated once, kept with the job, said in the record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fakes import cancel_after, sidecar_of
from media_factory import clicks, write_audio
from soundreel import inputs, installation
from soundreel.api import generate, plan
from soundreel.audio import vocals
from soundreel.audio.load import probe
from soundreel.audio.segment import read_clip
from soundreel.audio.vocals import begin_of, vocals_clip, write_vocals
from soundreel.config import Settings
from soundreel.errors import Cancelled, EngineUnavailable, InputError, mention
from soundreel.events import Event, Notice, RunControl
from soundreel.finished.replay import replay_request
from soundreel.types import Request

RATE = 44100


class LeftOnly:
    """Takes what is left of the middle for the voice."""

    rate = RATE
    heard: list[tuple[int, ...]]

    def __init__(self) -> None:
        self.heard = []

    def voice(self, mix: NDArray[np.float32], control: RunControl) -> NDArray[np.float32]:
        self.heard.append(mix.shape)
        return np.stack([mix[0], mix[0]])


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> LeftOnly:
    made = LeftOnly()
    monkeypatch.setattr(vocals, "open_separator", lambda weights: made)
    monkeypatch.setattr(installation, "find_spec", lambda name: object())
    return made


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A voice on the left, and a drum on the right."""
    times = np.arange(4 * RATE) / RATE
    voice = 0.4 * np.sin(2 * np.pi * 220 * times) * (times > 2)
    drum = clicks(4, [0.5, 1.0, 1.5, 2.5], rate=RATE).reshape(-1)
    return write_audio(tmp_path / "song.wav", np.stack([voice, drum]).astype(np.float32), rate=RATE)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / inputs.SEPARATOR
    path.write_bytes(b"weights")
    return path


def request_for(song: Path, **changes: Any) -> Request:
    values: dict[str, Any] = {"audio": song, "engine": "preview", "seed": 1, "drive": "vocals"}
    return Request(**{**values, "width": 64, "height": 64, "fps": 16, "duration": 3, **changes})


# --- the file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "duration"), [(0, 4), (Fraction(5, 2), Fraction(3, 4))])
def test_the_voice_lies_on_the_timeline_of_its_sound(
    stand_in: LeftOnly, song: Path, tmp_path: Path, start: Fraction, duration: Fraction
) -> None:
    whole = probe(song).clip
    heard = replace(
        whole, start=Fraction(start), duration=Fraction(duration), sound_duration=Fraction(duration)
    )
    write_vocals(heard, tmp_path / "weights", tmp_path / "voice.wav", RunControl())
    clip = vocals_clip(heard, tmp_path / "voice.wav")
    left = read_clip(heard)[:1]
    assert clip.duration == heard.duration
    np.testing.assert_allclose(read_clip(clip), left, atol=2e-4)
    assert begin_of(heard) == (0 if start == 0 else 1)


def test_pieces_join_without_a_seam(
    stand_in: LeftOnly, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = probe(song).clip
    write_vocals(heard, tmp_path / "weights", tmp_path / "whole.wav", RunControl())
    monkeypatch.setattr(vocals, "PIECE_S", 1)
    monkeypatch.setattr(vocals, "AROUND_S", 1)
    stand_in.heard.clear()
    write_vocals(heard, tmp_path / "weights", tmp_path / "pieces.wav", RunControl())
    assert (tmp_path / "pieces.wav").read_bytes() == (tmp_path / "whole.wav").read_bytes()
    assert stand_in.heard == [(2, n * RATE) for n in (2, 3, 3, 2)]


# --- the job -------------------------------------------------------------------------------------


def test_it_is_separated_once_and_a_resumed_job_keeps_it(
    stand_in: LeftOnly, song: Path, weights: Path, tmp_path: Path, settings: Settings
) -> None:
    shots = [{"start": 0, "seed": 1}, {"start": 1.5, "seed": 2}]
    request = request_for(song, separator=weights, shots=shots, output=tmp_path / "whole.mp4")
    whole = generate(request, settings).path
    once = len(stand_in.heard)
    broken = replace(request, output=tmp_path / "broken.mp4")
    with pytest.raises(Cancelled):
        generate(broken, settings, control=cancel_after(30))
    assert len(stand_in.heard) == 2 * once
    resumed = generate(broken, settings)
    assert resumed.resumed_chunks > 0
    assert len(stand_in.heard) == 2 * once
    assert resumed.path.read_bytes() == whole.read_bytes()
    assert not list(settings.work_dir.glob("*/vocals.wav"))


def test_it_drives_as_its_file_would_and_the_record_repeats_it(
    stand_in: LeftOnly, song: Path, weights: Path, tmp_path: Path, settings: Settings
) -> None:
    settings = settings.model_copy(update={"models_dir": (tmp_path,)})
    made = generate(request_for(song, output=tmp_path / "a.mp4"), settings)
    stem = write_audio(tmp_path / "stem.wav", read_clip(probe(song).clip)[:1], rate=RATE)
    other = generate(request_for(song, drive=stem, output=tmp_path / "b.mp4"), settings)
    plain = generate(request_for(song, drive=None, output=tmp_path / "c.mp4"), settings)
    assert packets(made.path) == packets(other.path) != packets(plain.path)
    said: Any = sidecar_of(made.path)
    assert said["request"]["drive"] == "vocals"
    assert said["inputs"]["separator"]["name"] == weights.name
    assert len(said["plan"]["vocals"]) == 64
    assert said["versions"]["separator"].startswith("demucs ")
    assert str(tmp_path) not in json.dumps({k: v for k, v in said.items() if k != "files"})
    again = replay_request(made.path, None, None)
    assert (again.drive, again.separator) == ("vocals", weights)
    second = generate(replace(again, output=tmp_path / "d.mp4"), settings)
    assert second.path.read_bytes() == made.path.read_bytes()


def packets(path: Path) -> list[bytes]:
    """Of the pictures: what else the files hold, their records, differs."""
    import av

    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0)]


def test_a_plan_separates_nothing_and_says_so(
    stand_in: LeftOnly, song: Path, settings: Settings
) -> None:
    events: list[Event] = []
    plan(request_for(song), settings, RunControl(events.append))
    assert not stand_in.heard
    said = [event.message for event in events if isinstance(event, Notice)]
    assert "the voice is taken out of the sound when the video is made" in said


# --- where it cannot be --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("here", "changes", "words"),
    [
        (False, {}, "needs the package demucs"),
        (True, {}, "is in a models folder"),
        (True, {"separator": "none.safetensors"}, "none.safetensors is not there"),
    ],
)
def test_what_is_missing_is_one_sentence_that_names_the_way_out(
    song: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    here: bool,
    changes: Mapping[str, Any],
    words: str,
) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda name: object() if here else None)
    with pytest.raises(EngineUnavailable) as caught:
        generate(request_for(song, **changes), settings)
    assert words in caught.value.message
    assert mention(drive="vocals.wav") in caught.value.hint
    assert not list(settings.work_dir.glob("*/job.json"))


# --- Demucs itself -------------------------------------------------------------------------------


def tiny_model(path: Path, klass: str = "demucs.htdemucs.HTDemucs", **more: str) -> Path:
    """Demucs's own model with random weights, in the form of its published files."""
    pytest.importorskip("demucs")
    import torch
    from demucs.htdemucs import HTDemucs
    from safetensors.torch import save_file

    sizes = {"channels": 16, "t_layers": 1, "depth": 4, "segment": 1, "samplerate": RATE}
    sources = ["drums", "bass", "other", "vocals"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = {k: v.contiguous() for k, v in HTDemucs(sources, **sizes).state_dict().items()}
    facts = {"klass": klass, "args": json.dumps([sources]), "kwargs": json.dumps(sizes)}
    save_file(state, path, {**facts, **more})
    return path


def test_demucs_separates_the_same_way_on_every_run(song: Path, tmp_path: Path) -> None:
    weights = tiny_model(tmp_path / "tiny.safetensors")
    heard = replace(probe(song).clip, duration=Fraction(2), sound_duration=Fraction(2))
    made = []
    for name in ("a", "b"):
        write_vocals(heard, weights, tmp_path / f"{name}.wav", RunControl())
        made.append((tmp_path / f"{name}.wav").read_bytes())
    assert made[0] == made[1]
    voice = read_clip(vocals_clip(heard, tmp_path / "a.wav"))
    assert voice.shape == (1, 2 * RATE)
    assert voice.std() > 0


def test_a_file_that_names_another_class_is_refused_before_it_is_made(tmp_path: Path) -> None:
    """Its header could name any of Python's."""
    pytest.importorskip("demucs")
    from soundreel.audio.separator import Separator

    hostile = tiny_model(tmp_path / "hostile.safetensors", klass="os.system")
    packed = tiny_model(tmp_path / "packed.safetensors", structure="{}")
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"junk")
    for path, words in ((hostile, "no model of Demucs"), (packed, "no model"), (junk, "no safe")):
        with pytest.raises(InputError, match=words):
            Separator(path)
