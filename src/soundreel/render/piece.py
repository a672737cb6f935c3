"""One piece: pictures through the end of the post chain into a file of the final encoding."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from soundreel.events import FrameDone, RunControl
from soundreel.post.picture import make_finish
from soundreel.types import Plan, Rgb
from soundreel.video.writer import SegmentWriter


class PieceWriter:
    """Writes pieces of a plan. Every picture is told by a FrameDone; whoever knows how many there
    were before counts on from them."""

    def __init__(self, plan: Plan, control: RunControl) -> None:
        self._plan, self._control = plan, control
        self._finish: Callable[[Rgb, int], Rgb] = make_finish(plan)

    def write(self, path: Path, pictures: Iterable[tuple[int, Rgb]]) -> None:
        """pictures: with their numbers in the file, as they leave interpolation."""
        plan = self._plan
        size, encoding = plan.request.output_size, plan.request.encoding
        with SegmentWriter(path, *size, plan.output_fps, encoding) as writer:
            for number, picture in pictures:
                self._control.raise_if_cancelled()
                writer.write(self._finish(picture, number))
                self._control.emit(FrameDone(number + 1, plan.output_frames))
