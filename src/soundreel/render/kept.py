"""An earlier video whose pieces are used as they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from soundreel.timeline.pieces import Piece
from soundreel.types import Plan
from soundreel.work.job import Fixed


class Pieces(Protocol):
    """Pieces of a plan that are there already."""

    @property
    def made(self) -> Collection[int]:
        """The chunks to render, by their index."""
        ...

    @property
    def told(self) -> str:
        """What is made again, in a sentence."""
        ...

    def holds(self, piece: Piece) -> bool:
        """Whether the piece is there."""
        ...

    def copy(self, piece: Piece, path: Path) -> None:
        """Write a piece that is there."""
        ...

    def state_after(self, index: int) -> tuple[bytes, bytes] | None:
        """Session and post state after a chunk that is not rendered, where they are at hand; they
        are where a chunk that is rendered goes on from it."""
        ...


class Kept(Protocol):
    """An earlier video, of which pieces are used as they are."""

    @property
    def facts(self) -> Mapping[str, object]:
        """What the record says of it; it tells one job from another, too."""
        ...

    def fit(self, plan: Plan, fixed: Fixed) -> Pieces:
        """What it has of a plan. What is decided by what lies about is fixed for the job's life,
        so that no chunk of a later run goes on from one that was not made. Raises WorkError."""
        ...
