"""From a plan to the scenes that draw it: sound, words, image, composition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from soundreel.audio.features import analyse
from soundreel.engines.base import shot_options
from soundreel.engines.preview.draw.abstract import AbstractScene
from soundreel.engines.preview.draw.imagescene import ImageScene
from soundreel.engines.preview.draw.pictures import make_source
from soundreel.engines.preview.drive.fades import END_S, faded
from soundreel.engines.preview.drive.signals import Drive, make_drive
from soundreel.engines.preview.look.composition import compose, nature_of
from soundreel.engines.preview.look.vocabulary import describe, read_style
from soundreel.engines.preview.options import PreviewOptions
from soundreel.engines.preview.portrait.face import search_faces
from soundreel.engines.preview.portrait.speaking import make_portrait
from soundreel.engines.preview.session import Scene
from soundreel.events import Notice, RunControl
from soundreel.media.cover import shot_picture
from soundreel.types import Chunk, Plan, Shot


class Scenes:
    """The scene of each chunk: one for each shot and prompt. The sound is heard once, over the
    whole clip, so that a shot is as loud beside the others as it sounds."""

    def __init__(self, plan: Plan, options: PreviewOptions, control: RunControl) -> None:
        self._plan, self._options = plan, options
        self._tell = _once(control)
        self._features = analyse(plan.audio, plan.fps, plan.num_frames, control)
        drive = make_drive(self._features, float(plan.fps))
        self._drive = faded(drive, _fade_seconds(drive, options))
        self._last: tuple[tuple[int, str], Scene] | None = None

    def of(self, chunk: Chunk) -> Scene:
        """The last one is kept: chunks come in order."""
        key = (chunk.shot, chunk.prompt)
        if self._last is None or self._last[0] != key:
            self._last = None  # its pictures make room first
            self._last = (key, self._make(self._plan.shot(chunk), chunk.prompt))
        return self._last[1]

    def _make(self, shot: Shot, prompt: str) -> Scene:
        request, drive = self._plan.request, _from(self._drive, shot.start_frame)
        options = shot_options(PreviewOptions, self._plan, shot, self._options)
        style = read_style(prompt, shot.negative_prompt)
        self._tell(describe(style))
        image = shot_picture(self._plan, shot)
        if image is None:
            look = compose(style, drive, shot.seed)
            return AbstractScene(request.width, request.height, drive, look)
        search = search_faces(image)
        boxes = [face.box for face in search.faces]
        source = make_source(image, request.width, request.height, options.fit, boxes)
        look = compose(style, drive, shot.seed, source.palette)
        portrait, said = make_portrait(
            self._plan, shot.seed, options.mouth, image, source, self._features.rms, search
        )
        self._tell(said)
        warps = [portrait] if portrait is not None else []
        return ImageScene(request.width, request.height, source, drive, look, warps)


def _from(drive: Drive, frame: int) -> Drive:
    """Without the rings of what struck before the shot."""
    first = int(np.searchsorted(drive.hits, frame))
    if first == 0:
        return drive
    return replace(drive, hits=drive.hits[first:], strengths=drive.strengths[first:])


def _once(control: RunControl) -> Callable[[str], None]:
    """Says each sentence once, however many shots it holds for; nothing for ""."""
    said = {""}

    def tell(message: str) -> None:
        if message not in said:
            said.add(message)
            control.emit(Notice(message))

    return tell


def _fade_seconds(drive: Drive, options: PreviewOptions) -> float:
    """Somebody who speaks begins and ends by himself: the light follows him."""
    if options.fade is not None:
        return options.fade
    return 0.0 if nature_of(drive) == "voice" else END_S
