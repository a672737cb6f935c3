"""From a plan to the scenes that draw it: sound, words, image, composition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np

from soundreel.audio.features import analyse
from soundreel.engines.base import shot_options
from soundreel.engines.preview.draw.abstract import AbstractScene
from soundreel.engines.preview.draw.art import Opacity, place_artwork, why_artwork
from soundreel.engines.preview.draw.artscene import ArtScene
from soundreel.engines.preview.draw.imagescene import ImageScene, StillScene
from soundreel.engines.preview.draw.pictures import image_palette, is_grey, make_source
from soundreel.engines.preview.drive.fades import END_S, faded
from soundreel.engines.preview.drive.signals import Drive, make_drive
from soundreel.engines.preview.drive.sound import Sound
from soundreel.engines.preview.look.composition import (
    Composition,
    compose,
    nature_of,
    read_palette,
)
from soundreel.engines.preview.look.palettes import Palette
from soundreel.engines.preview.look.vocabulary import describe, read_style
from soundreel.engines.preview.looks.make import coloured_by, make_look_scene
from soundreel.engines.preview.options import PreviewOptions
from soundreel.engines.preview.portrait.face import Search, search_faces
from soundreel.engines.preview.portrait.phonemes import Recogniser, Speech
from soundreel.engines.preview.portrait.speaking import make_portrait
from soundreel.engines.preview.session import Scene
from soundreel.errors import mention
from soundreel.events import Notice, RunControl
from soundreel.media.cover import shot_picture
from soundreel.media.image import load_opacity
from soundreel.types import Chunk, Plan, Rgb, Shot


class Scenes:
    """The scene of each chunk: one for each shot, prompt and seed. The sound is heard once, over
    the whole clip, so that a shot is as loud beside the others as it sounds."""

    photograph: type[ImageScene] = ImageScene
    """How an image is shown that is no artwork."""

    def __init__(self, plan: Plan, options: PreviewOptions, control: RunControl) -> None:
        self._plan, self._options = plan, options
        self._tell = _once(control)
        self._features = analyse(plan.audio, plan.fps, plan.num_frames, control)
        drive = make_drive(self._features, float(plan.fps))
        self._drive = faded(drive, _fade_seconds(drive, options))
        self._last: tuple[tuple[int, str, int], Scene] | None = None

    def of(self, chunk: Chunk) -> Scene:
        """The last one is kept: chunks come in order."""
        shot = self._plan.shot(chunk)
        if chunk.own_seed is not None:
            shot = replace(shot, seed=chunk.own_seed)
        key = (chunk.shot, chunk.prompt, shot.seed)
        if self._last is None or self._last[0] != key:
            self._last = None  # its pictures make room first
            self._last = (key, self._make(shot, chunk.prompt))
        return self._last[1]

    def _make(self, shot: Shot, prompt: str) -> Scene:
        request = self._plan.request
        options = shot_options(PreviewOptions, self._plan, shot, self._options)
        drive = _from(self._drive, shot.start_frame).times(options.strength)
        style, chosen = read_style(prompt, shot.negative_prompt), read_palette(options.palette)
        self._tell(describe(style, prompt))

        def look(own: Palette | None) -> Composition:
            seed = coloured_by(options.look, self._plan, shot).seed
            return compose(style, drive, seed, own, chosen)

        if options.look != "flow":
            return make_look_scene(
                options.look, options.background, self._plan, shot, drive, self._sound,
                options.strength, look,
            )  # fmt: skip
        image = shot_picture(self._plan, shot)
        if image is None:
            return AbstractScene(request.width, request.height, drive, look(None))
        opacity = None if shot.image is None else load_opacity(shot.image)
        search = search_faces(image)
        reason = _why_artwork(shot, image, opacity, options, search)
        if options.fit == "whole" or reason:
            self._tell(_taken_for_artwork(reason))
            self._tell(_no_mouth_on_artwork(options))
            return self._art(image, opacity, drive, look, options)
        return self._photograph(shot, image, search, drive, look, options)

    def _photograph(
        self,
        shot: Shot,
        image: Rgb,
        search: Search,
        drive: Drive,
        look: Callable[[Palette | None], Composition],
        options: PreviewOptions,
    ) -> Scene:
        size = (self._plan.request.width, self._plan.request.height)
        fit = "fill" if options.fit in ("fill", "crop") else "blur"
        source = make_source(image, *size, fit, [face.box for face in search.faces])
        portrait, said = make_portrait(
            self._plan,
            shot.seed,
            options.mouth,
            image,
            source,
            self._features.rms,
            search,
            lambda: self._speech,
            music=nature_of(drive) == "beat",
        )
        self._tell(said)
        warps = [portrait] if portrait is not None else []
        own, start = look(source.palette), shot.start_frame
        return self.photograph(*size, source, drive, own, warps, options.motion, start)

    def _art(
        self,
        image: Rgb,
        opacity: Opacity | None,
        drive: Drive,
        look: Callable[[Palette | None], Composition],
        options: PreviewOptions,
    ) -> Scene:
        """A cut-out without colours of its own gets those that the sound would have."""
        size = (self._plan.request.width, self._plan.request.height)
        art = place_artwork(image, opacity, *size, framed=options.motion != "off")
        own = None if opacity is not None and is_grey(image) else image_palette(image)
        return ArtScene(art, image, drive, look(own), options.motion)

    @cached_property
    def _sound(self) -> Sound:
        return Sound(self._plan.audio, self._plan.fps, self._features)

    @cached_property
    def _speech(self) -> Speech:
        """What is said in the clip; heard as far as it is asked for."""
        plan = self._plan
        listen = Recogniser(plan.audio).listen
        return Speech(plan.num_frames, plan.fps, self._features.rms, listen)


class StillScenes(Scenes):
    """Of a video of an image, which is shown as it is."""

    photograph = StillScene


def _why_artwork(
    shot: Shot, image: Rgb, opacity: Opacity | None, options: PreviewOptions, search: Search
) -> str:
    """Why the image is shown whole without being told to; "" if it is not."""
    if options.fit != "auto" or options.speaks_by_box:
        return ""
    if shot.image is None:
        return "it is the sound's own cover"
    return "" if search.faces else why_artwork(image, opacity)


def _taken_for_artwork(reason: str) -> str:
    if not reason:
        return ""
    return (
        f"the image is taken for artwork ({reason}): it is shown whole and its surround moves; "
        f"{mention(fit='blur')} moves the image itself"
    )


def _no_mouth_on_artwork(options: PreviewOptions) -> str:
    if not options.speaks_by_box:
        return ""
    return f"no mouth: artwork shown whole is not bent ({mention(fit='blur')} lets it speak)"


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
