"""What a video with crossfades must show, by the definition."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import numpy as np
import pytest

import soundreel.render.piece
from soundreel.engines.base import Session
from soundreel.events import RunControl
from soundreel.types import Plan, Rgb
from soundreel.video.writer import SegmentWriter


def spy_on_encoder(monkeypatch: pytest.MonkeyPatch) -> list[Rgb]:
    """Every picture as it will go to the encoder, in the order of the file's pieces."""
    seen: list[Rgb] = []
    pieces: list[str] = []

    class Spy(SegmentWriter):
        def write(self, rgb: Rgb) -> None:
            del pieces[len(seen) :]  # whoever asked may have forgotten all
            place = bisect_right(pieces, self.path.name)
            pieces.insert(place, self.path.name)
            seen.insert(place, rgb.copy())
            super().write(rgb)

    monkeypatch.setattr(soundreel.render.piece, "SegmentWriter", Spy)
    return seen


def pictures_by_shot(plan: Plan, session: Session) -> list[dict[int, Rgb]]:
    """What an engine draws of each shot, by the picture's number in the clip."""
    found: list[dict[int, Rgb]] = [{} for _ in plan.shots]
    for chunk in plan.chunks:
        for frame in session.render(chunk, RunControl()):
            found[chunk.shot][frame.index] = frame.rgb
    return found


def mixed(plan: Plan, drawn: list[dict[int, Rgb]]) -> Iterator[Rgb]:
    """The file's pictures, in floats; two of the same moment by how far the crossfade is."""
    for number in range(plan.num_frames):
        shown = [index for index, shot in enumerate(drawn) if number in shot]
        picture = drawn[shown[0]][number].astype(float)
        if len(shown) == 2:
            shot = plan.shots[shown[1]]
            share = (number - shot.start_frame) / shot.fade_in
            picture = picture * (1 - share) + drawn[shown[1]][number] * share
        yield np.floor(picture + 0.5).astype(np.uint8)
