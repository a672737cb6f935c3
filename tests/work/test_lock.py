"""A lock is held by one process at a time, ends with it, and leaves no file."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from soundreel.work import lock
from soundreel.work.lock import Lock

COUNT = """
import sys
import time
from pathlib import Path
from soundreel.work.lock import Lock

total = Path(sys.argv[1])
done = 0
while done < 150:
    lock = Lock(total.with_suffix(".lock"))
    if not lock.acquire():
        time.sleep(0.001)  # whoever holds it gets to run
        continue
    number = int(total.read_text())
    total.write_text(str(number + 1))
    lock.release()
    done += 1
"""


def test_held_by_one_and_gone_after(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    first, second = Lock(path), Lock(path)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert not path.exists()
    assert second.acquire()
    second.release()


def test_no_two_hold_it_while_its_file_comes_and_goes(tmp_path: Path) -> None:
    """Four processes add to one number; with two inside at once, some would be lost."""
    total = tmp_path / "total"
    total.write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", COUNT, str(total)]) for _ in range(4)]
    assert [process.wait(120) for process in processes] == [0] * 4
    assert total.read_text() == "600"
    assert not total.with_suffix(".lock").exists()


def test_an_opener_who_comes_late_does_not_hold_a_removed_file(tmp_path: Path) -> None:
    """It has opened the file, then the holder goes, a third comes: it must see the third's lock."""
    path = tmp_path / "a.lock"
    holder, late, third = Lock(path), Lock(path), Lock(path)
    assert holder.acquire()
    opened, real = threading.Event(), lock._try_lock

    def slowly(handle: int) -> bool | None:
        opened.set()
        assert gone.wait(10)
        return real(handle)

    gone = threading.Event()
    result: list[bool] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock, "_try_lock", slowly)
        thread = threading.Thread(target=lambda: result.append(late.acquire()))
        thread.start()
        assert opened.wait(10)
    holder.release()
    assert third.acquire()
    gone.set()
    thread.join(10)
    assert result == [False]
    third.release()


def test_a_killed_holder_s_file_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    code = (
        "import os, sys; from pathlib import Path; from soundreel.work.lock import Lock\n"
        "assert Lock(Path(sys.argv[1])).acquire(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert path.exists()
    again = Lock(path)
    assert again.acquire()
    again.release()
    assert not path.exists()


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError):
        Lock(tmp_path / "a.lock").acquire()
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_the_disk_has_no_locks_the_file_is_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(handle: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    path = tmp_path / "a.lock"
    first, second = Lock(path), Lock(path)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    path.write_text(f"{ended.pid} {socket.gethostname()}")
    assert first.acquire()
    first.release()
    path.write_text(f"{ended.pid} another-machine")
    assert not first.acquire()
