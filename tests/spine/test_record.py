"""What a video says about itself, and back."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from soundreel.errors import InputError
from soundreel.record import digest_of, hash_inputs, make_record, record_text, request_from_record
from soundreel.timeline.plan import make_plan
from soundreel.types import AudioClip, ChunkGeometry, Encoding, Plan, Request


@pytest.fixture
def plan(tone: Path, tmp_path: Path) -> Plan:
    (tmp_path / "pose.mp4").write_bytes(b"pose")
    request = Request(
        audio=tone,
        start=Fraction(1, 3),
        fps=Fraction(30000, 1001),
        engine="fake",
        seed=9,
        encoding=Encoding(20, "fast"),
        options={
            "pose_video": tmp_path / "pose.mp4",
            "lora": ("/models/loras/quick.safetensors:0.8", "other.safetensors"),
            "model": str(tmp_path / "model.safetensors"),
            "steps": 4,
        },
        output=tmp_path / "a.mp4",
    )
    geometry = ChunkGeometry(Fraction(16), 20, grid=4, dropped_frames=3, lead_in_frames=3)
    clip = AudioClip(tone, request.start, Fraction(2), Fraction(2), 16000, 1)
    return make_plan(request, geometry, clip, 32)


def record_of(plan: Plan) -> dict[str, object]:
    return make_record(
        plan, hash_inputs(plan.request), {"model": "m"}, {"soundreel": "1"}, "algorithmicMedia"
    )


def test_record_names_files_without_their_places(plan: Plan, tmp_path: Path) -> None:
    text = record_text(record_of(plan))
    assert str(tmp_path) not in text
    assert "/models" not in text
    assert "quick.safetensors:0.8" in text
    assert '"name":"pose.mp4"' in text


def test_request_comes_back_from_its_record(plan: Plan, tone: Path, tmp_path: Path) -> None:
    files = {"audio": tone, "pose_video": tmp_path / "pose.mp4"}
    again = request_from_record(record_of(plan), files)
    assert again.start == Fraction(1, 3)
    assert again.fps == Fraction(30000, 1001)
    assert again.encoding == Encoding(20, "fast")
    assert again.options["pose_video"] == tmp_path / "pose.mp4"
    assert again.options["steps"] == 4
    assert replace(again, options={}, output=None) == replace(plan.request, options={}, output=None)


def test_damaged_record_is_an_input_error(plan: Plan, tone: Path) -> None:
    record = record_of(plan)
    record["request"] = {"prompt": "x"}
    with pytest.raises(InputError, match="cannot be used"):
        request_from_record(record, {"audio": tone})


def test_digest_changes_with_anything_that_matters(plan: Plan) -> None:
    base = digest_of(record_of(plan))
    assert digest_of(record_of(plan)) == base
    for change in ({"seed": 10}, {"prompt": "other"}, {"encoding": Encoding(21, "fast")}):
        other = replace(plan, request=replace(plan.request, **change))
        assert digest_of(record_of(other)) != base


def test_a_name_with_control_characters_stands_in_the_record_exact_and_harmless(
    plan: Plan,
) -> None:
    prompt, name = "a\x1b[31m\x9b2J\u202etxet — 東京", "\x1b[31m\x9b\u202e\udcff"
    asked = replace(plan.request, prompt=prompt, options={"model": name})
    record = record_of(replace(plan, request=asked))
    text = record_text(record)
    assert not {"\x1b", "\x9b", "\u202e", "\udcff"} & set(text)
    assert json.loads(text)["request"]["prompt"] == prompt
    assert json.loads(text)["request"]["options"]["model"] == name
