"""Two videos side by side."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media_factory import sine, write_video
from oracle import decoded, pictures
from soundreel.cli.app import run
from soundreel.errors import InputError
from soundreel.proof.compare import CAPTION, CELL_TALL, GAP, sheet, side_by_side


def _flat(level: int, count: int, size: tuple[int, int]) -> list[np.ndarray]:
    """Pictures of one grey that grows by one a picture."""
    return [np.full((size[1], size[0], 3), level + k, np.uint8) for k in range(count)]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two seconds at 16 and three at 8 a second, of other sizes; the first one sounds."""
    one = write_video(tmp_path / "one.mp4", _flat(60, 32, (64, 96)), Fraction(16), samples=sine(2))
    other = write_video(tmp_path / "other.mp4", _flat(160, 24, (96, 64)), Fraction(8))
    return one, other


def test_the_video_shows_both_at_the_same_moments_with_the_first_ones_sound(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    made = side_by_side(*pair, tmp_path / "both.mp4")
    width, height = 42 + GAP + 96, 64 + CAPTION
    seen = pictures(made, width, height)
    assert len(seen) == 32
    left = seen[:, CAPTION + 20 : -10, 8:34].mean(axis=(1, 2, 3))
    right = seen[:, CAPTION + 20 : -10, 42 + GAP + 10 : -10].mean(axis=(1, 2, 3))
    assert np.abs(left - (60 + np.arange(32))).max() < 2
    assert np.abs(right - (160 + np.arange(32) // 2)).max() < 2
    heard = decoded(made, 1)
    assert abs(heard.shape[1] - 2 * 44100) <= 1024
    assert np.abs(heard[0, 4410:-4410]).max() == pytest.approx(0.5, abs=0.05)


def test_the_sheet_shows_both_rows(pair: tuple[Path, Path]) -> None:
    drawn = np.asarray(sheet(*pair)).astype(int)
    upper = drawn[CAPTION + CELL_TALL // 2, GAP + 40]
    lower = drawn[CELL_TALL + 2 * CAPTION + 60, GAP + 40]
    assert abs(upper.mean() - 62) < 4
    assert abs(lower.mean() - 161) < 4


def test_the_command_writes_by_the_names_ending_and_replaces_nothing(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = map(str, pair)
    for ending in ("png", "mp4"):
        target = tmp_path / f"both.{ending}"
        assert run(["compare", one, other, "-o", str(target), "--quiet"]) == 0
        before = target.read_bytes()
        assert run(["compare", one, other, "-o", str(target)]) == InputError.exit_code
        assert target.read_bytes() == before
    assert run(["compare", one, other, "-o", one, "--overwrite"]) == InputError.exit_code
    assert run(["compare", one, other, "-o", str(tmp_path / "both.avi")]) == InputError.exit_code
    assert "ends in .mp4, or in .png" in capsys.readouterr().err
    assert Image.open(tmp_path / "both.png").size[0] > 500
    assert {path.suffix for path in tmp_path.iterdir()} == {".mp4", ".png"}
