"""Mutated media files: they are read, or refused with an error of ours; nothing hangs or crashes.

The mutants are read in another process, so that a crash inside FFmpeg fails this test alone and
names its mutant.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from media_factory import noise, speech_like, write_audio, write_video

NAMES = (
    "a.wav",
    "a.mp3",
    "a.m4a",
    "a.flac",
    "a.ogg",
    "a.opus",
    "a.wma",
    "a.aiff",
    "a.mkv",
    "a.aac",
    "v.mp4",
)
MUTANTS_EACH = 24
LIMIT_S = 100

READ_ALL = """
import json, sys, time
from fractions import Fraction
from pathlib import Path
from soundreel.audio.features import analyse
from soundreel.audio.load import probe
from soundreel.audio.segment import stream
from soundreel.errors import SoundreelError

def attempt(use):
    try:
        use()
        return "read"
    except SoundreelError as error:
        assert error.message and error.hint, error
        return "refused"

for line in sys.stdin:
    path = Path(line.rstrip("\\n"))
    print("begin", path.name, flush=True)
    begun = time.process_time()
    said = [
        attempt(lambda: probe(path)),
        attempt(lambda: probe(path, allow_truncated=True)),
        attempt(lambda: sum(b.shape[1] for b in stream(
            path, Fraction(11), Fraction(2), rate=16000, mono=True, allow_truncated=True))),
        attempt(lambda: analyse(probe(path).clip, Fraction(16), 40)),
    ]
    print("end", json.dumps([path.name, said, time.process_time() - begun]), flush=True)
"""


def flip_bytes(body: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice([1, 4, 20])):
        body[dice.randrange(len(body))] = dice.randrange(256)


def flip_header(body: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice([1, 2, 8])):
        body[dice.randrange(min(300, len(body)))] = dice.choice([0, 1, 0x7F, 0x80, 0xFF])


def cut_short(body: bytearray, dice: random.Random) -> None:
    del body[dice.randrange(1, len(body)) :]


def cut_out(body: bytearray, dice: random.Random) -> None:
    begin = dice.randrange(len(body))
    del body[begin : begin + dice.choice([1, 7, 500, 5000])]


def repeat(body: bytearray, dice: random.Random) -> None:
    begin = dice.randrange(len(body))
    body[begin:begin] = body[begin : begin + dice.choice([3, 100, 4000])]


def blank(body: bytearray, dice: random.Random) -> None:
    begin, count = dice.randrange(len(body)), dice.choice([8, 200, 6000])
    count = min(count, len(body) - begin)
    body[begin : begin + count] = bytes(count)


def huge_number(body: bytearray, dice: random.Random) -> None:
    begin = 4 * dice.randrange(min(400, len(body) // 4))
    body[begin : begin + 4] = dice.choice([b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\xff" * 4])


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip_bytes,
    flip_header,
    cut_short,
    cut_out,
    repeat,
    blank,
    huge_number,
)


def original(folder: Path, name: str) -> Path:
    sound = 0.5 * speech_like(14, rate=16000, channels=2) + noise(14, rate=16000, channels=2)
    if name == "v.mp4":
        return write_video(folder / name, 20, samples=sound, rate=16000)
    return write_audio(folder / name, sound, 16000)


def make_mutants(folder: Path, name: str, dice: random.Random) -> list[Path]:
    body = original(folder, name).read_bytes()
    paths = []
    for index in range(MUTANTS_EACH):
        mutant = bytearray(body)
        for _ in range(dice.choice([1, 1, 2])):
            dice.choice(MUTATIONS)(mutant, dice)
            mutant = mutant or bytearray(b"\0")
        path = folder / f"{index:03}-{name}"
        path.write_bytes(mutant)
        paths.append(path)
    return paths


@pytest.mark.parametrize("name", NAMES)
def test_mutants_are_read_or_refused(tmp_path: Path, name: str) -> None:
    mutants = make_mutants(tmp_path, name, random.Random(f"soundreel {name}"))
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL],
        input="".join(f"{path}\n" for path in mutants),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"after {lines[-1:]}: {done.stderr[-2000:]}"
    assert done.stderr == ""
    results = [json.loads(line[4:]) for line in lines if line.startswith("end ")]
    assert len(results) == len(mutants)
    assert max(seconds for _, _, seconds in results) < 5
    assert any("read" in said for _, said, _ in results)
