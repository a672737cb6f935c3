"""A job on disk: what was sealed is what is joined, and what is not ours is not believed."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
from pathlib import Path

import pytest

from soundreel.errors import WorkError
from soundreel.events import Event, Notice, RunControl
from soundreel.work.job import Job
from soundreel.work.seal import NO_STATE, piece_facts

KEY = "ab" * 10
DIGEST = hashlib.sha256(b"a plan").hexdigest()


def make_job(work_dir: Path, chunks: int = 3) -> Path:
    """An unfinished job of `chunks` sealed chunks."""
    with Job(work_dir, KEY) as job:
        job.bind(DIGEST)
        for index in range(chunks):
            job.piece(index).write_bytes(f"pictures of {index}".encode())
            job.seal(index, b"session", b"post", after=index - 1 if index else None)
    return job.folder


def told(events: list[Event]) -> str:
    return " ".join(event.message for event in events if isinstance(event, Notice))


def test_states_come_back(tmp_path: Path) -> None:
    make_job(tmp_path)
    with Job(tmp_path, KEY) as job:
        assert job.sealed == 3
        assert job.state(2) == (b"session", b"post")
        job.piece(3).write_bytes(b"more")
        job.seal(3, b"s4", b"")
    with Job(tmp_path, KEY) as job:
        assert job.state(3) == (b"s4", b"")


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("change", ["bit", "longer", "gone", "link"])
def test_a_piece_that_is_not_what_was_sealed_is_refused(
    tmp_path: Path, index: int, change: str
) -> None:
    piece = make_job(tmp_path) / f"chunk-{index:05}.mp4"
    data = piece.read_bytes()
    if change == "bit":
        piece.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    elif change == "longer":
        piece.write_bytes(data + b"\0")
    else:
        piece.unlink()
    if change == "link":
        (tmp_path / "copy").write_bytes(data)
        piece.symlink_to(tmp_path / "copy")
    with Job(tmp_path, KEY) as job, pytest.raises(WorkError, match=piece.name):
        job.check_pieces()


def test_seals_of_the_first_form_are_used_with_a_word(tmp_path: Path) -> None:
    folder = make_job(tmp_path)
    body = struct.pack(">QQ", 4, 2) + b"fourtw"
    size = (folder / "chunk-00002.mp4").stat().st_size
    header = struct.pack(">8sQ32s", b"SRSTATE1", size, hashlib.sha256(body).digest())
    (folder / "chunk-00002.state").write_bytes(header + body)
    events: list[Event] = []
    with Job(tmp_path, KEY, RunControl(events.append)) as job:
        assert job.state(2) == (b"four", b"tw")
        job.piece(3).write_bytes(b"more")
        job.seal(3, b"", b"", after=2)
    assert "without a digest" in told(events)
    (folder / "chunk-00000.mp4").write_bytes(b"other")
    with Job(tmp_path, KEY) as job, pytest.raises(WorkError, match="chunk-00000"):
        job.check_pieces()


def test_seals_without_their_facts_are_not_used(tmp_path: Path) -> None:
    folder = make_job(tmp_path)
    (folder / "job.json").unlink()
    events: list[Event] = []
    with Job(tmp_path, KEY, RunControl(events.append)) as job:
        assert job.sealed == 0
        assert not list(folder.glob("chunk-*"))
        job.bind(DIGEST)
        job.piece(0).write_bytes(b"x")
        job.seal(0, b"", b"")
    assert "are not used" in told(events)


def test_seals_of_another_plan_than_the_facts_say_are_refused(tmp_path: Path) -> None:
    folder = make_job(tmp_path)
    facts = json.loads((folder / "job.json").read_text())
    (folder / "job.json").write_text(json.dumps({**facts, "digest": "0f" * 32}))
    with Job(tmp_path, KEY) as job, pytest.raises(WorkError, match="another plan"):
        job.state(2)


@pytest.mark.parametrize(
    "content",
    [
        "[]", "null", "3", '"text"', "{", "", "\xff", "[" * 100_000,
        '{"seed": "7"}', '{"seed": -1}', '{"seed": true}', '{"seed": 1e3}', '{"seed": null}',
        '{"digest": 5}', '{"digest": "short"}', '{"engine": []}', '{"output": 3}',
        '{"output": "relative.mp4"}', '{"output": "/a\\u0000b.mp4"}',
    ],
)  # fmt: skip
def test_facts_of_a_wrong_shape_are_a_work_error(tmp_path: Path, content: str) -> None:
    folder = make_job(tmp_path)
    (folder / "job.json").write_text(content, encoding="latin-1")
    with Job(tmp_path, KEY) as job, pytest.raises(WorkError) as caught:
        job.fixed("seed", lambda: 1)
    assert "delete" in caught.value.hint


def test_facts_that_are_no_file_are_a_work_error(tmp_path: Path) -> None:
    folder = make_job(tmp_path)
    (folder / "job.json").unlink()
    os.mkfifo(folder / "job.json")
    with Job(tmp_path, KEY) as job, pytest.raises(WorkError, match="cannot be read"):
        job.fixed("seed", lambda: 1)


@pytest.mark.parametrize("cut", [0, 3, 40, 90, -1])
def test_a_damaged_seal_is_a_work_error(tmp_path: Path, cut: int) -> None:
    seal = make_job(tmp_path) / "chunk-00002.state"
    seal.write_bytes(seal.read_bytes()[:cut])
    with Job(tmp_path, KEY) as job, pytest.raises(WorkError, match="damaged"):
        job.state(2)


def test_what_only_looks_like_a_seal_is_passed_over(tmp_path: Path) -> None:
    folder = make_job(tmp_path)
    for name in ("chunk-foo.state", "chunk-.state", "chunk-7.state", "chunk-00009.state.part"):
        (folder / name).write_text("?")
    (folder / "chunk-00008.state").mkdir()
    (folder / "chunk-00007.state").symlink_to(folder / "chunk-00002.state")
    with Job(tmp_path, KEY) as job:
        assert job.sealed == 3
        assert job.state(2) == (b"session", b"post")


def test_the_folder_is_ours_alone(tmp_path: Path) -> None:
    folder = make_job(tmp_path / "deep" / "work")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    folder.chmod(0o777)
    with Job(folder.parent, KEY):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_planted_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / KEY).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WorkError, match="not a folder of ours"), Job(tmp_path, KEY):
        pass
    assert not list((tmp_path / "elsewhere").iterdir())
    assert not (tmp_path / f"{KEY}.lock").exists()


def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_job(tmp_path)
    real = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        status = real(path)
        if path != folder:
            return status
        values = list(status)
        values[stat.ST_UID] = status.st_uid + 1
        return os.stat_result(values)

    monkeypatch.setattr(Path, "lstat", lstat)
    with pytest.raises(WorkError, match="another user"), Job(tmp_path, KEY):
        pass


def test_a_job_may_keep_every_state(tmp_path: Path) -> None:
    """Of a chunk whose piece was copied there is none."""
    for keep in (True, False):
        with Job(tmp_path, "a" * 20, keep_states=keep) as job:
            for index, state in enumerate((b"first", NO_STATE, b"third")):
                job.piece(index).write_bytes(b"piece")
                job.seal(index, state, b"post", after=index - 1 if index else None)
            there = [job.saved_state(index) for index in range(4)]
            assert there == [(b"first", b"post") if keep else None, None, (b"third", b"post"), None]
            assert job.sealed == 3
            job.remove()
        assert not (tmp_path / ("a" * 20)).exists()


def test_pieces_are_sealed_in_any_order(tmp_path: Path) -> None:
    with Job(tmp_path, KEY) as job:
        job.bind(DIGEST)
        for index in (4, 0, 2):
            job.piece(index).write_bytes(f"pictures of {index}".encode())
            job.seal(index, b"", b"", by=f"hand {index}")
    with Job(tmp_path, KEY) as job:
        assert set(job.sealed_pieces) == {0, 2, 4}
        job.check_pieces()
        assert job.made_by == {0: "hand 0", 2: "hand 2", 4: "hand 4"}
        job.piece(2).write_bytes(b"other")
        with pytest.raises(WorkError, match="chunk-00002"):
            job.check_pieces()


def test_a_chunks_seal_takes_the_place_of_the_one_it_went_on_from(tmp_path: Path) -> None:
    """So that of each shot one state lies on the disk."""
    with Job(tmp_path, KEY) as job:
        job.bind(DIGEST)
        for index, after in ((0, None), (5, None), (6, 5), (1, 0), (8, 6)):
            job.piece(index).write_bytes(b"piece")
            job.seal(index, b"state", b"", after=after)
        assert sorted(path.name for path in job.folder.glob("*.state")) == [
            "chunk-00001.state",
            "chunk-00008.state",
        ]
    with Job(tmp_path, KEY) as job:
        assert set(job.sealed_pieces) == {0, 1, 5, 6, 8}
        job.check_pieces()


def test_a_job_of_the_second_form_goes_on(tmp_path: Path) -> None:
    """Its seal lists all pieces up to it; those that come are sealed beside it."""
    folder = make_job(tmp_path)
    facts = [piece_facts(folder / f"chunk-{index:05}.mp4") for index in range(3)]
    table = b"".join(struct.pack(">Q32s", one.size, one.sha256) for one in facts)
    body = bytes.fromhex(DIGEST) + struct.pack(">Q", 3) + table + struct.pack(">QQ", 4, 2)
    body += b"fourtw"
    seal = b"SRSTATE2" + hashlib.sha256(body).digest() + body
    (folder / "chunk-00002.state").write_bytes(seal)
    with Job(tmp_path, KEY) as job:
        assert job.sealed == 3
        assert job.state(2) == (b"four", b"tw")
        job.piece(4).write_bytes(b"more")
        job.seal(4, b"", b"")
    with Job(tmp_path, KEY) as job:
        assert set(job.sealed_pieces) == {0, 1, 2, 4}
        job.check_pieces()
        (folder / "chunk-00000.mp4").write_bytes(b"other")
        with pytest.raises(WorkError, match="chunk-00000"):
            job.check_pieces()


def test_what_a_killed_hand_began_is_removed(tmp_path: Path) -> None:
    folder = make_job(tmp_path)
    left = folder / "chunk-00003.mp4.3f2a.part"
    left.write_bytes(b"half")
    with Job(tmp_path, KEY):
        assert not left.exists()
