"""One shot again, and not a byte of the others."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import fakes
from fakes import frames_of, sidecar_of
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.errors import Cancelled, InputError, WorkError
from soundreel.events import ChunkSealed, ChunkStarted, Event, FrameDone, Notice, RunControl
from soundreel.finished.replay import replay_request
from soundreel.remake import remake
from soundreel.types import Chunk, Encoding, Frame, Request, Result, ShotRequest

STARTS = (0, 24, 48)
"""Pictures; the last one ends with 80."""


@pytest.fixture(params=["none", "flow"])
def video(request: pytest.FixtureRequest, tone: Path, tmp_path: Path, settings: Settings) -> Result:
    shots = tuple(ShotRequest(start=Fraction(start, 16)) for start in STARTS)
    asked = Request(
        audio=tone, engine="fake", width=64, height=48, seed=3, shots=shots,
        interpolate=request.param, output=tmp_path / "a.mp4",
    )  # fmt: skip
    return generate(asked, settings)


def packets(path: Path, shots: tuple[int, ...], rate: int) -> list[bytes]:
    """The stored pictures of some shots, as they are."""
    borders = (*STARTS, 80)
    return packets_of(path, [range(borders[n], borders[n + 1]) for n in shots], rate)


def packets_of(path: Path, spans: list[range], rate: int) -> list[bytes]:
    """The stored pictures of some spans, counted in the engine's 16 a second."""
    shown = [range(span.start * rate // 16, span.stop * rate // 16) for span in spans]
    with av.open(str(path)) as container:
        return [
            bytes(packet)
            for packet in container.demux(container.streams.video[0])
            if packet.pts is not None
            and packet.time_base is not None
            and any(packet.pts * packet.time_base * rate in span for span in shown)
        ]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_untouched_shots_keep_their_bytes_and_the_new_one_is_as_in_a_whole_new_video(
    video: Result, settings: Settings, tmp_path: Path
) -> None:
    rate, said = int(video.plan.output_fps), list[Event]()
    made = remake(video.path, 2, {"prompt": "other"}, settings, control=RunControl(said.append))
    assert made.path == tmp_path / "a_shot2.mp4"
    assert packets(made.path, (0, 2), rate) == packets(video.path, (0, 2), rate)
    assert packets(made.path, (1,), rate) != packets(video.path, (1,), rate)
    assert any("from its start" in event.message for event in said if isinstance(event, Notice))
    again = replay_request(made.path, None, None)
    whole = generate(replace(again, output=tmp_path / "whole.mp4"), settings)
    assert packets(whole.path, (0, 1, 2), rate) == packets(made.path, (0, 1, 2), rate)


@pytest.mark.parametrize(("codec", "suffix"), [("h265", "mp4"), ("av1", "mp4"), ("h264", "mov")])
def test_other_codecs_are_stitched_too(
    tone: Path, tmp_path: Path, settings: Settings, codec: str, suffix: str
) -> None:
    shots = (ShotRequest(start=Fraction(0)), ShotRequest(start=Fraction(3, 2)))
    asked = Request(
        audio=tone, engine="fake", width=64, height=64, seed=3, shots=shots, num_frames=48,
        encoding=Encoding(codec=codec), output=tmp_path / f"a.{suffix}",
    )  # fmt: skip
    video = generate(asked, settings)
    made = remake(video.path, 2, {"prompt": "other"}, settings)
    before, after = frames_of(video.path), frames_of(made.path)
    assert np.array_equal(before[:24], after[:24])
    assert not np.array_equal(before[24:], after[24:])


def test_untouched_shots_are_copied_not_made(
    video: Result, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the engine would give other pictures today."""
    rate = int(video.plan.output_fps)
    monkeypatch.setattr(fakes, "START", b"other\0")
    made = remake(video.path, 2, {"seed": video.plan.shots[1].seed}, settings)
    assert packets(made.path, (0, 2), rate) == packets(video.path, (0, 2), rate)
    assert packets(made.path, (1,), rate) != packets(video.path, (1,), rate)


def test_the_record_shows_what_was_made_again_each_time(
    video: Result, settings: Settings, tmp_path: Path
) -> None:
    once = remake(video.path, 2, {"prompt": "other"}, settings)
    twice = remake(once.path, 3, {"seed": 9}, settings, output=tmp_path / "b.mp4")
    remade = sidecar_of(twice.path)["remade"]
    assert isinstance(remade, list)
    first, second = remade
    assert (first["shot"], first["prompt"], first["of"]) == (2, "other", digest(video.path))
    assert (second["shot"], second["seed"], second["of"]) == (3, 9, digest(once.path))
    shots = twice.plan.request.shot_list
    assert (shots[1].prompt, shots[2].seed) == ("other", 9)


def test_without_any_change_another_seed_is_drawn(video: Result, settings: Settings) -> None:
    made = remake(video.path, 1, {}, settings)
    before, after = video.plan.shots[0].seed, made.plan.shots[0].seed
    assert before != after
    assert made.plan.shots[1].seed == video.plan.shots[1].seed


def test_a_stopped_remake_goes_on_to_the_same_bytes(
    video: Result, settings: Settings, tmp_path: Path
) -> None:
    whole = remake(video.path, 2, {"seed": 5}, settings)
    control, sealed = RunControl(), list[Event]()
    last = video.plan.output_frames // 2

    def stop(event: Event) -> None:
        if isinstance(event, FrameDone) and event.done >= last:
            control.cancel()

    control.on_event = stop
    broken = tmp_path / "broken.mp4"
    with pytest.raises(Cancelled):
        remake(video.path, 2, {"seed": 5}, settings, output=broken, control=control)
    remake(video.path, 2, {"seed": 5}, settings, output=broken, control=RunControl(sealed.append))
    assert any(event.resumed for event in sealed if isinstance(event, ChunkSealed))
    assert digest(broken) == digest(whole.path)


@pytest.mark.parametrize("shot", [1, 2, 3])
def test_the_crossfades_beside_it_are_made_again_and_the_rest_is_copied(
    tone: Path,
    tmp_path: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    shot: int,
) -> None:
    """Crossfades of 8 pictures lie around 24 and 48. What a neighbour shows in them is made from
    its start, as it was then."""
    shots = tuple(ShotRequest(start=Fraction(start, 16)) for start in STARTS)
    asked = Request(
        audio=tone, engine="fake", width=64, height=48, seed=3, shots=shots, interpolate="flow",
        transition="crossfade:0.5", output=tmp_path / "a.mp4",
    )  # fmt: skip
    video, said = generate(asked, settings), list[Event]()
    control = RunControl(said.append)
    made = remake(video.path, shot, {"prompt": "other"}, settings, control=control)
    new = [range(28), range(20, 52), range(44, 80)][shot - 1]
    others = [range(new.start), range(new.stop, 80)]
    assert packets_of(made.path, others, 32) == packets_of(video.path, others, 32)
    assert packets_of(made.path, [new], 32) != packets_of(video.path, [new], 32)
    again = replay_request(made.path, None, None)
    whole = generate(replace(again, output=tmp_path / "whole.mp4"), settings)
    everything = [range(80)]
    assert packets_of(whole.path, everything, 32) == packets_of(made.path, everything, 32)
    monkeypatch.setattr(fakes, "START", b"changed\0")
    later = remake(video.path, shot, {"seed": 5}, settings, output=tmp_path / "later.mp4")
    assert packets_of(later.path, others, 32) == packets_of(video.path, others, 32)


@pytest.fixture(params=[("none", "cut"), ("flow", "cut"), ("flow", "crossfade:0.5")])
def chunked(
    request: pytest.FixtureRequest, tone: Path, tmp_path: Path, settings: Settings
) -> Result:
    """Its job is kept. Chunks of at most 20 pictures: 2 and 2 for the first two shots, then 2."""
    interpolate, transition = request.param
    shots = tuple(ShotRequest(start=Fraction(start, 16)) for start in STARTS)
    asked = Request(
        audio=tone, engine="fake", width=64, height=48, seed=3, shots=shots, transition=transition,
        interpolate=interpolate, output=tmp_path / "a.mp4",
    )  # fmt: skip
    return generate(asked, settings, keep_job=True)


def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The chunks that the engine is asked for."""
    asked: list[int] = []
    render = fakes.FakeSession.render

    def spy(self: fakes.FakeSession, chunk: Chunk, control: RunControl) -> Iterator[Frame]:
        asked.append(chunk.index)
        return render(self, chunk, control)

    monkeypatch.setattr(fakes.FakeSession, "render", spy)
    return asked


def test_a_chunk_is_made_again_from_the_kept_state_and_those_after_it_in_its_shot(
    chunked: Result, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, rate = chunked.plan, int(chunked.plan.output_fps)
    first = next(chunk for chunk in plan.chunks if chunk.shot == 1 and chunk.first_slot)
    asked, said = drawn(monkeypatch), list[Event]()
    control = RunControl(said.append)
    number = first.index + 1
    made = remake(chunked.path, None, {"seed": 77}, settings, chunk=number, control=control)
    assert made.path == tmp_path / f"a_chunk{number}.mp4"
    new = [chunk.index for chunk in plan.chunks if chunk.shot == 1 and chunk.index >= first.index]
    fades = plan.shots[2].fade_in > 0
    beside = [chunk.index for chunk in plan.chunks if chunk.shot == 2][:1] if fades else []
    assert asked == new + beside, "nothing before it is drawn"
    text = next(e.message for e in said if isinstance(e, Notice) and "again" in e.message)
    assert text.startswith(f"part {number} is made again")
    assert ("goes on" in text or "go on" in text) == (len(new) > 1)
    begin, end = first.start_frame, plan.shots[1].end_frame
    begin -= rate > 16  # the picture on the way to a chunk's first one lies in its piece
    kept = [range(begin), range(end, 80)]
    assert packets_of(made.path, kept, rate) == packets_of(chunked.path, kept, rate)
    changed = [range(first.start_frame, end)]
    assert packets_of(made.path, changed, rate) != packets_of(chunked.path, changed, rate)
    again = replay_request(made.path, None, None)
    whole = generate(replace(again, output=tmp_path / "whole.mp4"), settings)
    everything = [range(80)]
    assert packets_of(whole.path, everything, rate) == packets_of(made.path, everything, rate)


def test_without_its_state_the_shot_is_made_from_its_start_to_the_same_pictures(
    chunked: Result, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate, [shot] = int(chunked.plan.output_fps), chunked.plan.shots[1:2]
    chunks = [chunk.index for chunk in chunked.plan.chunks if chunk.shot == shot.index]
    changes = {"seed": 77, "prompt": "other"}
    kept = remake(chunked.path, None, changes, settings, chunk=chunks[1] + 1)
    shutil.rmtree(settings.work_dir)
    asked, said = drawn(monkeypatch), list[Event]()
    made = remake(
        chunked.path, None, changes, settings, chunk=chunks[1] + 1,
        output=tmp_path / "b.mp4", control=RunControl(said.append),
    )  # fmt: skip
    assert set(chunks) <= set(asked)
    text = next(e.message for e in said if isinstance(e, Notice) and "again" in e.message)
    assert f"the state after part {chunks[1]} is not at hand: shot 2 of 3 is made again" in text
    everything = [range(80)]
    assert packets_of(made.path, everything, rate) == packets_of(kept.path, everything, rate)
    take = sidecar_of(made.path)["request"]["shots"][1]["takes"]  # type: ignore[index]
    assert take == {"2": changes}


def test_a_long_take_without_cuts_is_made_again_from_a_chunk_on(
    tone: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Request(
        audio=tone, engine="fake", width=64, height=48, seed=3, output=tmp_path / "a.mp4"
    )
    video = generate(plain, settings, keep_job=True)
    asked, begin = drawn(monkeypatch), video.plan.chunks[2].start_frame
    made = remake(video.path, None, {}, settings, chunk=3)
    assert asked == [chunk.index for chunk in video.plan.chunks[2:]]
    old, new = [range(begin)], [range(begin, 80)]
    assert packets_of(made.path, old, 16) == packets_of(video.path, old, 16)
    assert packets_of(made.path, new, 16) != packets_of(video.path, new, 16)
    again = remake(made.path, None, {}, settings, chunk=2, output=tmp_path / "b.mp4")
    takes = again.plan.request.shot_list[0].takes
    assert sorted(takes) == [2, 3], "what was made again stays as it is"


def test_what_a_kept_remake_knows_lets_the_next_one_go_on(
    chunked: Result, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the states of what it made, and those of what it copied."""
    chunks = [chunk for chunk in chunked.plan.chunks if chunk.shot == 2]
    fades, last = chunked.plan.shots[2].fade_in > 0, chunks[-1].index
    once = remake(
        chunked.path, None, {"seed": 5}, settings, chunk=last + 1, keep_job=True,
        output=tmp_path / "once.mp4",
    )  # fmt: skip
    asked = drawn(monkeypatch)
    twice = remake(once.path, None, {"seed": 6}, settings, chunk=last, keep_job=True)
    assert asked == ([last - 2] if fades else []) + [last - 1, last]
    asked.clear()
    second = [chunk.index for chunk in chunked.plan.chunks if chunk.shot == 1]
    made = remake(twice.path, 2, {"seed": 7}, settings, output=tmp_path / "made.mp4")
    beside = [second[0] - 1] if fades else []
    after = [second[-1] + 1] if fades else []
    assert asked == beside + second + after, "of the shots beside it what is mixed with it"
    again = replay_request(made.path, None, None)
    whole = generate(replace(again, output=tmp_path / "whole.mp4"), settings)
    rate, everything = int(made.plan.output_fps), [range(80)]
    assert packets_of(whole.path, everything, rate) == packets_of(made.path, everything, rate)


def test_a_stopped_remake_of_a_chunk_keeps_to_what_it_began_with(
    chunked: Result, settings: Settings, tmp_path: Path
) -> None:
    """Also where the kept state is gone meanwhile."""
    chunks = [chunk.index for chunk in chunked.plan.chunks if chunk.shot == 2]
    whole = remake(chunked.path, None, {"seed": 5}, settings, chunk=chunks[1] + 1)
    broken, control = tmp_path / "broken.mp4", RunControl()

    def stop(event: Event) -> None:
        if isinstance(event, ChunkStarted) and event.index == chunks[1]:
            control.cancel()

    control.on_event = stop

    def again(control: RunControl) -> Result:
        return remake(
            chunked.path, None, {"seed": 5}, settings, chunk=chunks[1] + 1, output=broken,
            control=control,
        )  # fmt: skip

    with pytest.raises(Cancelled):
        again(control)
    kept = min(settings.work_dir.glob("*/"), key=lambda folder: folder.stat().st_ctime)
    hidden = kept.rename(tmp_path / "hidden")
    with pytest.raises(WorkError, match="is gone"):
        again(RunControl())
    hidden.rename(kept)
    again(RunControl())
    assert digest(broken) == digest(whole.path)


@pytest.mark.parametrize(
    ("chunk", "changes", "words"),
    [
        (0, {}, "has [0-9]+ parts"),
        (99, {}, "has [0-9]+ parts"),
        (2, {"image": "a.png"}, "a part shows what its shot shows"),
        (2, {"prompt": "[0-3] calm"}, "prompts in time"),
        (None, {}, "either a shot or a part"),
    ],
)
def test_a_chunk_that_cannot_be_is_refused(
    video: Result, settings: Settings, chunk: int | None, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        remake(video.path, None, changes, settings, chunk=chunk)


@pytest.mark.parametrize("shot", [0, 4, -1])
def test_a_shot_that_is_not_there_is_refused(video: Result, settings: Settings, shot: int) -> None:
    with pytest.raises(InputError, match="has 3 shots"):
        remake(video.path, shot, {}, settings)


def test_one_shot_and_a_picture_that_is_drawn_anew_cannot_be_stitched(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    plain = Request(
        audio=tone, engine="fake", width=64, height=48, seed=3, output=tmp_path / "a.mp4"
    )
    with pytest.raises(InputError, match="is one shot"):
        remake(generate(plain, settings).path, 1, {}, settings)
    shots = (ShotRequest(start=Fraction(0)), ShotRequest(start=Fraction(2)))
    small = Encoding(container="gif")
    drawn = replace(plain, shots=shots, encoding=small, output=tmp_path / "a.gif")
    with pytest.raises(InputError, match="cannot be stitched"):
        remake(generate(drawn, settings).path, 1, {}, settings)


def test_a_video_cut_by_another_program_is_noticed(
    video: Result, settings: Settings, tmp_path: Path
) -> None:
    """Its pictures do not begin where the record says."""
    from soundreel.finished.stitch import copy_pictures
    from soundreel.video.encoders import encoder_for

    piece, encoder = tmp_path / "piece.mp4", encoder_for(video.plan.request.encoding)
    with pytest.raises(WorkError, match="do not stand alone"):
        copy_pictures(video.path, range(7, 12), video.plan.output_fps, piece, encoder)
