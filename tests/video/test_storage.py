"""A disk that fills up: one clear error, no half file, whatever moment it happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from media_factory import sine
from soundreel.errors import WorkError
from soundreel.events import RunControl
from soundreel.types import Rgb
from soundreel.video import mux
from soundreel.video.writer import SegmentWriter
from video_factory import B_FRAMES, sound_clip, write_pieces

resource = pytest.importorskip("resource")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: the kernel refuses the write as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("count", [1, 60])
def test_a_piece_that_finds_no_room_is_a_clear_error(tmp_path: Path, count: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (304, 208, 3), dtype=np.uint8)
    with pytest.raises(WorkError, match="no room") as caught, largest_file(20_000):
        _write_piece(tmp_path / "p.mp4", [picture] * count)
    assert "free some space" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def _write_piece(path: Path, pictures: list[Rgb]) -> None:
    with SegmentWriter(path, 208, 304, Fraction(16), B_FRAMES) as writer:
        for picture in pictures:
            writer.write(picture)


def test_joining_without_room_fails_at_any_byte_and_keeps_the_pieces(tmp_path: Path) -> None:
    fps, output = Fraction(16), tmp_path / "out.mp4"
    pieces = write_pieces(tmp_path, [8, 8], fps)
    clip = sound_clip(tmp_path, sine(1.1, channels=2), 44100, 16, fps)
    mux.finish(pieces, clip, output, fps, {}, RunControl())
    size, before = output.stat().st_size, [piece.read_bytes() for piece in pieces]
    output.unlink()
    for room in (0, 40, size // 2, size - 2000, size - 1):
        with pytest.raises(WorkError, match="no room"), largest_file(room):
            mux.finish(pieces, clip, output, fps, {}, RunControl())
        assert not output.exists()
    assert [piece.read_bytes() for piece in pieces] == before
    with largest_file(size):
        mux.finish(pieces, clip, output, fps, {}, RunControl())
    mux.verify(output, 16, fps, 96, 64, Fraction(1))


def test_an_output_that_is_a_folder_is_a_clear_error(tmp_path: Path) -> None:
    pieces = write_pieces(tmp_path, [4], Fraction(16))
    clip = sound_clip(tmp_path, sine(0.5), 44100, 4, Fraction(16))
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(WorkError, match="cannot write"):
        mux.finish(pieces, clip, tmp_path / "folder.mp4", Fraction(16), {}, RunControl())
    assert (tmp_path / "folder.mp4").is_dir()
