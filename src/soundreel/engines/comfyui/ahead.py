"""What chunks send to their server, made ahead: while a server works is time for it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from soundreel.engines.comfyui.hearing.window import SoundWindows
from soundreel.engines.comfyui.pictures import reference_png
from soundreel.errors import SoundreelError
from soundreel.events import RunControl
from soundreel.media.cover import shot_picture
from soundreel.types import Chunk, Plan, Shot

MOST_WAITING = 64 << 20
"""Bytes that wait for their chunks: a window of sound has 2 MB or a little more, a picture 2."""


@dataclass(frozen=True, slots=True)
class Sent:
    """wav: the window of sound. before: latent frames of it in front of the chunk. image: the
    shot's, as PNG."""

    wav: bytes
    before: int
    image: bytes | None

    @property
    def size(self) -> int:
        return len(self.wav) + len(self.image or b"")


class Sending:
    """Makes what the chunks of one plan send, for all servers that make it."""

    def __init__(self, plan: Plan, control: RunControl | None = None) -> None:
        self._plan = plan
        self._windows = SoundWindows(plan, control)
        self._lock, self._reading = Lock(), Lock()
        self._waiting: dict[int, Sent] = {}
        self._seen: set[int] = set()
        self._image: tuple[Path | None, bytes | None] | None = None

    def take(self, chunk: Chunk) -> Sent:
        """What this chunk sends. Raises InputError."""
        with self._lock:
            self._seen.add(chunk.index)
            sent = self._waiting.pop(chunk.index, None)
        return sent or self._make(chunk)

    def look_ahead(self, chunk: Chunk) -> None:
        """Make what is most likely to be taken after this chunk. What goes wrong is said when it is
        taken."""
        with self._lock:
            coming = self._coming(chunk)
            if coming is None:
                return
            self._seen.add(coming.index)
        with suppress(SoundreelError):
            sent = self._make(coming)
            with self._lock:
                self._waiting[coming.index] = sent
                while sum(each.size for each in self._waiting.values()) > MOST_WAITING:
                    del self._waiting[next(iter(self._waiting))]

    def _coming(self, chunk: Chunk) -> Chunk | None:
        """The next one of its shot; after the last, the first of a shot that nobody has begun."""
        if following := self._plan.following(chunk):
            return None if following.index in self._waiting else following
        later = self._plan.chunks[chunk.index + 1 :]
        return next((c for c in later if not (c.first_slot or c.index in self._seen)), None)

    def _make(self, chunk: Chunk) -> Sent:
        """One after the other: threads that read at once hinder each other."""
        with self._reading:
            return Sent(*self._windows.wav(chunk), self._picture(self._plan.shot(chunk)))

    def _picture(self, shot: Shot) -> bytes | None:
        """The last one is kept: most shots have the same."""
        kept = self._image
        if kept is None or kept[0] != shot.image:
            image = shot_picture(self._plan, shot)
            kept = self._image = (shot.image, None if image is None else reference_png(image))
        return kept[1]


class SharedSending:
    """That of a plan for all servers: the sound is read by whoever comes first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._plan: Plan | None = None
        self._made: Sending | None = None

    def of(self, plan: Plan, control: RunControl) -> Sending:
        with self._lock:
            if self._made is None or self._plan != plan:
                self._plan, self._made = plan, Sending(plan, control)
            return self._made
