"""From a shot and the options to a look before its ground."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from soundreel.engines.preview.draw.pictures import image_palette
from soundreel.engines.preview.drive.signals import Drive
from soundreel.engines.preview.drive.sound import Sound
from soundreel.engines.preview.look.composition import Composition
from soundreel.engines.preview.look.palettes import COLOURS, Palette
from soundreel.engines.preview.looks.table import LOOKS
from soundreel.engines.preview.staging.ground import UNSEEN, Ground, lit, pictured, plain
from soundreel.engines.preview.staging.inks import make_inks
from soundreel.engines.preview.staging.layout import Layout
from soundreel.engines.preview.staging.scene import LookScene, OverlayScene
from soundreel.engines.preview.staging.stage import Stage
from soundreel.media.cover import shot_picture
from soundreel.media.image import load_image
from soundreel.types import Plan, Rgb, Shot


def make_look_scene(
    name: str,
    background: str | Path | None,
    plan: Plan,
    shot: Shot,
    drive: Drive,
    sound: Sound,
    strength: float,
    compose: Callable[[Palette | None], Composition],
) -> LookScene:
    """background: a picture's file, a colour by name or as "#rrggbb", or None for the look's own
    ground. compose: what the words say, of a palette that is used where they name none."""
    layout = Layout(plan.request.width, plan.request.height)
    picture = shot_picture(plan, coloured_by(name, plan, shot))
    look_type = LOOKS[name]
    behind = _behind(background, None if look_type.shows_picture else picture)
    seen = picture if picture is not None else behind
    words = compose(None if seen is None else image_palette(seen))
    clear = plan.channels == 4
    ground = UNSEEN if clear else _ground(layout, background, behind, words, look_type.light)
    busy = behind is not None and not clear
    inks = make_inks(words.palette, ground.lightness, busy=busy)
    stage = Stage(layout, drive, sound, strength, inks, words, picture, plan, shot)
    return (OverlayScene if clear else LookScene)(look_type(stage), ground, drive)


def coloured_by(name: str, plan: Plan, shot: Shot) -> Shot:
    """The shot whose picture and seed say the colours: a card of those who speak stays as it is
    while they take turns."""
    shots = plan.request.shot_list
    return plan.shots[0] if name == "card" and any(each.speaker for each in shots) else shot


def _behind(background: str | Path | None, picture: Rgb | None) -> Rgb | None:
    if isinstance(background, Path):
        return load_image(background)
    return picture if background is None else None


def _ground(
    layout: Layout,
    background: str | Path | None,
    behind: Rgb | None,
    words: Composition,
    light: tuple[float, float] | None,
) -> Ground:
    if behind is not None:
        return pictured(layout, behind)
    if isinstance(background, str):
        return plain(layout, COLOURS.get(background, background))
    return lit(layout, words.palette, light, words.hue)
