"""What a clip will look like: palette, shapes, layout. Words choose first, then the sound, then
the seed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from soundreel.engines.preview.drive.signals import Drive
from soundreel.engines.preview.look.palettes import (
    COLOURS,
    PALETTES,
    Palette,
    from_keys,
    parse_colour,
)
from soundreel.engines.preview.look.vocabulary import SHAPES, Character, Style, canonical
from soundreel.media.oklab import to_oklab as _lab

Nature = Literal["still", "sparse", "beat", "voice", "tone"]
"""Silence · a few sounds · music with a beat · speech or song · held sounds."""

_PALETTES_OF: Mapping[Nature, tuple[str, ...]] = {
    "still": ("night", "ocean", "cool"),
    "sparse": ("ice", "cool", "aurora"),
    "beat": ("neon", "sunset", "aurora", "fire", "ocean"),
    "voice": ("gold", "rose", "sunset", "warm"),
    "tone": ("aurora", "ocean", "forest"),
}


@dataclass(frozen=True, slots=True)
class Composition:
    """shapes: weight 0..1 of each shape. centre: focus, as shares of width and height.
    angle: direction of the light and of the flow, radians. zoom: size of forms. hue: start in the
    palette's cycle, 0..1."""

    palette: Palette
    shapes: Mapping[str, float]
    character: Character
    centre: tuple[float, float]
    angle: float
    zoom: float
    hue: float
    seed: int


def compose(
    style: Style,
    drive: Drive,
    seed: int,
    own_palette: Palette | None = None,
    chosen: Palette | None = None,
) -> Composition:
    """own_palette: that of the reference image, used unless words name another. chosen: the user's
    option, above all else."""
    rng = np.random.default_rng([seed, 1])
    name = str(rng.choice(_palette_names(style, drive)))
    usual = PALETTES[name] if own_palette is None or style.palettes else own_palette
    return Composition(
        palette=chosen or _palette(style, usual),
        shapes=_shapes(style, drive, rng),
        character=style.character,
        centre=(0.5 + float(rng.uniform(-0.06, 0.06)), 0.46 + float(rng.uniform(-0.06, 0.06))),
        angle=float(rng.uniform(0, 2 * np.pi)),
        zoom=float(rng.uniform(0.85, 1.2)),
        hue=float(rng.uniform(0, 1)),
        seed=seed,
    )


def read_palette(text: str) -> Palette | None:
    """Palettes, colours and codes, parted by commas, as one palette; None for "auto". Raises
    ValueError with the rule."""
    if text == "auto":
        return None
    names = [canonical(part.strip().lower()) for part in text.split(",")]
    if len(names) == 1 and names[0] in PALETTES:
        return PALETTES[names[0]]
    return from_keys([key for name in names for key in _keys_of(name)])


def _keys_of(name: str) -> tuple[str, ...]:
    if name in PALETTES:
        return PALETTES[name].keys[:2]
    if name in COLOURS:
        return (COLOURS[name],)
    if re.fullmatch("#[0-9a-f]{6}", name):
        return (name,)
    raise ValueError(
        f"{name!r} is neither a palette ({', '.join(PALETTES)}), nor a colour by name (teal), nor "
        "its code (#20c0ff)"
    )


def nature_of(drive: Drive) -> Nature:
    if float(drive.energy.max(initial=0.0)) < 0.05:
        return "still"
    if drive.pauses > 0.6:
        return "sparse"
    if drive.rhythm > 0.35:
        return "beat"
    return "voice" if drive.movement > 0.15 else "tone"


def _palette_names(style: Style, drive: Drive) -> list[str]:
    if style.palettes:
        return list(style.palettes)
    usual = _PALETTES_OF[nature_of(drive)]
    return [n for n in usual if n not in style.no_palettes] or [
        n for n in PALETTES if n not in style.no_palettes
    ]


def _palette(style: Style, chosen: Palette) -> Palette:
    """Colours by name replace the keys; more than one palette word mixes their keys."""
    if len(style.palettes) > 1 and not style.colours:
        keys = tuple(key for n in style.palettes for key in PALETTES[n].keys[:2])
        chosen = Palette(PALETTES[style.palettes[0]].deep, keys, PALETTES[style.palettes[-1]].light)
    if style.colours:
        chosen = from_keys([COLOURS[name] for name in style.colours])
    kept = tuple(key for key in chosen.keys if not _banned(key, style.no_colours))
    return Palette(chosen.deep, kept, chosen.light) if kept else PALETTES["mono"]


def _banned(key: str, names: frozenset[str]) -> bool:
    """Whether a key colour is close to one that must not appear (0.13 in Oklab's a and b)."""
    lab = _lab(parse_colour(key))
    distances = [np.linalg.norm((_lab(parse_colour(COLOURS[n])) - lab)[1:]) for n in names]
    return bool(distances) and float(min(distances)) < 0.13


def _shapes(style: Style, drive: Drive, rng: np.random.Generator) -> dict[str, float]:
    if style.shapes:
        weights = {name: 1.0 if name in style.shapes else 0.0 for name in SHAPES}
        if "tunnel" in style.shapes:  # rings give it depth
            weights["rings"] = max(weights["rings"], 0.5)
    else:
        weights = _shapes_of_sound(drive, rng)
    for name in style.no_shapes:
        weights[name] = 0.0
    return weights


def _shapes_of_sound(drive: Drive, rng: np.random.Generator) -> dict[str, float]:
    """A voice is drawn as waves, a beat as rings and sparks; the seed picks the rest."""
    accent = float(rng.uniform(0.6, 1.0))
    ground = "tunnel" if rng.uniform() < 0.25 else "flow"
    shapes: Mapping[Nature, dict[str, float]] = {
        "still": {"flow": 0.9, "particles": 0.6},
        "sparse": {"flow": 0.45, "rings": 0.8, "particles": 0.4 * accent},
        "beat": {ground: 1.0, "rings": 1.0, "particles": accent},
        "voice": {"flow": 0.85, "waves": 1.0, "rings": 0.12, "particles": 0.5 * accent},
        "tone": {"flow": 1.0, "rings": 0.8, "particles": 0.5 * accent},
    }
    return {**dict.fromkeys(SHAPES, 0.0), **shapes[nature_of(drive)]}
