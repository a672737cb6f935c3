"""Shot lists for editing programs, read back by their own reader where there is one."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from soundreel.directing.export import edl, otio, table
from soundreel.errors import InputError
from soundreel.timeline.plan import make_plan
from soundreel.types import AudioClip, ChunkGeometry, Interpolation, Plan, Request, Shot

BEATS = [Fraction(1, 2), Fraction(2)]


def plan_at(fps: Fraction, factor: int = 1, seconds: int = 8) -> Plan:
    count = int(seconds * fps)
    clip = AudioClip(Path("song.wav"), Fraction(3), count / fps, count / fps, 48000, 2)
    first = int(2 * fps)
    shots = (
        Shot(0, 0, first, prompt="calm\nsea", seed=4, image=Path("/x/boat.png")),
        Shot(1, first, count - first, prompt='a "storm", waves', seed=9),
    )
    method = "flow" if factor > 1 else "none"
    request = Request(audio=Path("song.wav"))
    geometry = ChunkGeometry(fps, 80)
    return make_plan(request, geometry, clip, count, Interpolation(method, Fraction(factor)), shots)


def test_edl_counts_frames_of_the_video() -> None:
    lines = edl(plan_at(Fraction(16), 2), "song.mp4", BEATS).split("\r\n")
    assert lines[:2] == ["TITLE: song", "FCM: NON-DROP FRAME"]
    events = [line.split() for line in lines if line[:3].isdigit()]
    assert [event[:4] for event in events] == [["001", "AX", "B", "C"], ["002", "AX", "B", "C"]]
    assert events[0][4:] == ["00:00:00:00", "00:00:02:00", "01:00:00:00", "01:00:02:00"]
    assert events[1][4:] == ["00:00:02:00", "00:00:08:00", "01:00:02:00", "01:00:08:00"]
    assert "* COMMENT: calm sea" in lines
    assert [line for line in lines if "LOC" in line] == [
        "* LOC: 01:00:00:16 GREEN   BEAT",
        "* LOC: 01:00:02:00 GREEN   BEAT",
    ]


def test_an_edl_has_whole_frames_and_at_most_999_events() -> None:
    ntsc = edl(plan_at(Fraction(30000, 1001)), "song.mp4", [])
    assert "00:00:01:29" in ntsc  # 59 pictures of 2 s: one second and 29 frames
    with pytest.raises(InputError, match="whole frames"):
        edl(plan_at(Fraction(25, 2)), "song.mp4", [])


def test_csv_has_a_row_for_each_shot_and_beat() -> None:
    rows = list(csv.DictReader(io.StringIO(table(plan_at(Fraction(16)), "song.mp4", BEATS))))
    assert [row["kind"] for row in rows] == ["shot", "shot", "beat", "beat"]
    assert rows[1]["prompt"] == 'a "storm", waves'
    assert (rows[1]["start_s"], rows[1]["sound_s"], rows[1]["first_frame"]) == ("2", "5", "32")
    assert rows[0]["image"] == "boat.png"
    assert (rows[2]["start_s"], rows[2]["first_frame"]) == ("0.5", "8")


def test_otio_is_a_timeline_of_the_video_and_its_sound() -> None:
    made = json.loads(otio(plan_at(Fraction(16)), "song.mp4", BEATS))
    pictures, sound = made["tracks"]["children"]
    assert (pictures["kind"], sound["kind"]) == ("Video", "Audio")
    spans = [clip["source_range"] for clip in pictures["children"]]
    assert [span["start_time"]["value"] for span in spans] == [0, 32]
    assert [span["duration"]["value"] for span in spans] == [32, 96]
    assert all(span["duration"]["rate"] == 16 for span in spans)


def faded(plan: Plan) -> Plan:
    """With a crossfade of 8 pictures of the engine at the cut."""
    first, second = plan.shots
    first = replace(first, num_frames=first.num_frames + 4, fade_out=8)
    start, count = second.start_frame - 4, second.num_frames + 4
    second = replace(second, start_frame=start, num_frames=count, fade_in=8)
    clip, made = plan.audio, (first, second)
    return make_plan(plan.request, plan.geometry, clip, plan.num_frames, plan.interpolation, made)


def test_a_crossfade_is_a_dissolve_in_an_edl() -> None:
    lines = edl(faded(plan_at(Fraction(16), 2)), "song.mp4", BEATS).split("\r\n")
    events = [line.split() for line in lines if line[:3].isdigit()]
    assert [event[:5] for event in events] == [
        ["001", "AX", "B", "C", "00:00:00:00"],
        ["002", "AX", "B", "C", "00:00:01:24"],
        ["002", "AX", "B", "D", "016"],
    ]
    assert events[0][5:] == ["00:00:01:24", "01:00:00:00", "01:00:01:24"]
    assert events[1][5:] == ["00:00:01:24", "01:00:01:24", "01:00:01:24"], "no picture of its own"
    assert events[2][5:] == ["00:00:01:24", "00:00:08:00", "01:00:01:24", "01:00:08:00"]
    assert "* TO CLIP NAME: song.mp4" in lines


def test_csv_has_a_row_for_each_crossfade() -> None:
    made = table(faded(plan_at(Fraction(16))), "song.mp4", BEATS)
    rows = list(csv.DictReader(io.StringIO(made)))
    assert [row["kind"] for row in rows] == ["shot", "shot", "crossfade", "beat", "beat"]
    assert [row["first_frame"] for row in rows[:3]] == ["0", "32", "28"]
    assert (rows[2]["frames"], rows[2]["start_s"], rows[2]["end_s"]) == ("8", "1.75", "2.25")


def test_a_crossfade_is_a_transition_for_opentimelineio(tmp_path: Path) -> None:
    library = pytest.importorskip("opentimelineio")
    path = tmp_path / "cut.otio"
    path.write_text(otio(faded(plan_at(Fraction(16), 2)), "song.mp4", BEATS))
    [pictures] = library.adapters.read_from_file(str(path)).video_tracks()
    clip, fade, after = pictures
    assert isinstance(fade, library.schema.Transition)
    assert fade.transition_type == library.schema.TransitionTypes.SMPTE_Dissolve
    assert (fade.in_offset.to_frames(), fade.out_offset.to_frames()) == (8, 8)
    assert clip.source_range.end_time_exclusive() == after.source_range.start_time
    assert pictures.trimmed_range_of_child(after).start_time.to_frames() == 64
    longer, transition, _ = library.algorithms.track_with_expanded_transitions(pictures)
    assert longer.source_range.duration.to_frames() == 64 - 8
    assert len(transition) == 3


def test_otio_is_read_by_opentimelineio(tmp_path: Path) -> None:
    library = pytest.importorskip("opentimelineio")
    path = tmp_path / "cut.otio"
    path.write_text(otio(plan_at(Fraction(30000, 1001)), "song.mp4", BEATS))
    timeline = library.adapters.read_from_file(str(path))
    [pictures], [sound] = timeline.video_tracks(), timeline.audio_tracks()
    assert pictures.duration().to_frames() == sound.duration().to_frames() == 239
    assert [clip.media_reference.target_url for clip in pictures] == ["song.mp4"] * 2
    assert [int(mark.marked_range.start_time.value) for mark in pictures.markers] == [14, 59]
