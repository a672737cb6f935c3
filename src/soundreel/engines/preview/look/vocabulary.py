"""The words that the preview engine understands, and the style that a prompt asks for with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from soundreel.engines.preview.look.palettes import COLOURS, PALETTES
from soundreel.engines.preview.look.senses import means_the_picture
from soundreel.errors import mention
from soundreel.types import (
    DEFAULT_IMAGE_NEGATIVE_PROMPT,
    DEFAULT_IMAGE_PROMPT,
    DEFAULT_NEGATIVE_PROMPT,
    DEFAULT_PROMPT,
)

SHAPES = ("flow", "waves", "rings", "particles", "tunnel")


@dataclass(frozen=True, slots=True)
class Character:
    """Factors on the usual: reaction to the sound, speed, bloom, contrast, brightness."""

    reaction: float = 1.0
    pace: float = 1.0
    bloom: float = 1.0
    contrast: float = 1.0
    light: float = 1.0

    def times(self, other: Character, power: float = 1.0) -> Character:
        return Character(
            *(a * b**power for a, b in zip(_values(self), _values(other), strict=True))
        )


def _values(c: Character) -> tuple[float, ...]:
    return (c.reaction, c.pace, c.bloom, c.contrast, c.light)


CHARACTERS: Mapping[str, Character] = {
    "calm": Character(0.6, 0.5, 1.1, 0.9, 0.95),
    "subtle": Character(0.5, 0.7, 0.9, 0.9, 0.95),
    "minimal": Character(0.8, 0.7, 0.7, 1.1, 0.9),
    "dreamy": Character(0.75, 0.6, 1.9, 0.8, 1.05),
    "cinematic": Character(0.9, 0.8, 1.2, 1.2, 0.95),
    "energetic": Character(1.4, 1.5, 1.1, 1.1, 1.1),
    "dynamic": Character(1.25, 1.3, 1.0, 1.1, 1.05),
    "aggressive": Character(1.7, 1.8, 1.0, 1.4, 1.1),
    "bright": Character(1.0, 1.0, 1.2, 0.95, 1.3),
    "dark": Character(1.0, 1.0, 0.9, 1.15, 0.7),
}

_SYNONYMS: Mapping[str, str] = {
    # shapes
    "abstract": "flow",
    "flowing": "flow",
    "fluid": "flow",
    "liquid": "flow",
    "silk": "flow",
    "smoke": "flow",
    "wave": "waves",
    "ribbons": "waves",
    "strings": "waves",
    "ring": "rings",
    "circle": "rings",
    "circles": "rings",
    "radial": "rings",
    "particle": "particles",
    "stars": "particles",
    "sparks": "particles",
    "dust": "particles",
    "sparkles": "particles",
    "snow": "particles",
    "vortex": "tunnel",
    "wormhole": "tunnel",
    "corridor": "tunnel",
    # palettes
    "cold": "cool",
    "cyberpunk": "neon",
    "synthwave": "neon",
    "flames": "fire",
    "lava": "fire",
    "sea": "ocean",
    "water": "ocean",
    "underwater": "ocean",
    "woods": "forest",
    "nature": "forest",
    "midnight": "night",
    "monochrome": "mono",
    "greyscale": "mono",
    "grayscale": "mono",
    "golden": "gold",
    "dusk": "sunset",
    "dawn": "sunset",
    "frozen": "ice",
    "winter": "ice",
    "romantic": "rose",
    "desert": "earth",
    "autumn": "earth",
    # characters
    "peaceful": "calm",
    "gentle": "calm",
    "quiet": "calm",
    "slow": "calm",
    "relaxing": "calm",
    "restrained": "subtle",
    "simple": "minimal",
    "dream": "dreamy",
    "ethereal": "dreamy",
    "hazy": "dreamy",
    "soft": "dreamy",
    "dramatic": "cinematic",
    "lively": "energetic",
    "fast": "energetic",
    "vivid": "dynamic",
    "powerful": "dynamic",
    "intense": "aggressive",
    "wild": "aggressive",
    "hard": "aggressive",
    "luminous": "bright",
    "glowing": "bright",
    "moody": "dark",
    "gloomy": "dark",
    # colours
    "gray": "silver",
    "grey": "silver",
    "lilac": "violet",
    "fuchsia": "magenta",
    "aqua": "cyan",
}

_NEGATIONS = frozenset({"no", "not", "without", "non", "never"})
_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")


@dataclass(frozen=True, slots=True)
class Style:
    """What the words asked for. Empty tuples leave the choice to the sound and the seed.

    shapes, palettes, colours: names wanted, in order. no_...: names never to be used.
    """

    character: Character = field(default_factory=Character)
    shapes: tuple[str, ...] = ()
    palettes: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    no_shapes: frozenset[str] = frozenset()
    no_palettes: frozenset[str] = frozenset()
    no_colours: frozenset[str] = frozenset()
    took_effect: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


_NOT_ASKED = (
    *(DEFAULT_PROMPT, DEFAULT_NEGATIVE_PROMPT),
    *(DEFAULT_IMAGE_PROMPT, DEFAULT_IMAGE_NEGATIVE_PROMPT),
)
"""Prompts that nobody typed."""


def read_style(prompt: str, negative: str) -> Style:
    """The style of a prompt. The default prompts, written for other engines, ask for nothing; a
    word in both prompts is removed; "no rings" in the prompt counts as negative."""
    wanted, unwanted = _split(_words("" if prompt in _NOT_ASKED else prompt))
    refused, _ = _split(_words("" if negative in _NOT_ASKED else negative))
    banned = {canonical(word) for word in (*unwanted, *refused)}
    style = Style()
    for word in wanted:
        if canonical(word) not in banned:
            style = _add(style, word)
    for word in (*unwanted, *refused):
        style = _remove(style, word)
    return style


def describe(style: Style, prompt: str = "") -> str:
    """One sentence for the user: what took effect; or that nothing of a prompt did; or ""."""
    parts = []
    if style.took_effect:
        parts.append(f"words that took effect: {', '.join(style.took_effect)}")
    if style.removed:
        parts.append(f"removed: {', '.join(style.removed)}")
    if not parts and prompt.strip() and prompt not in _NOT_ASKED:
        return (
            "no word of the prompt changes the preview: it knows words such as neon, calm, waves, "
            f"blue (docs/preview.md); {mention(palette='neon')} is the sure way to colours"
        )
    return "; ".join(parts)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Known words, and those that follow a negation; each once, in order."""
    plain: dict[str, None] = {}
    negated: dict[str, None] = {}
    for index, (before, word) in enumerate(zip(["", *words], words, strict=False)):
        if _known(word) and means_the_picture(words, index, colour=canonical(word) in COLOURS):
            (negated if before in _NEGATIONS else plain)[word] = None
    return list(plain), list(negated)


def canonical(word: str) -> str:
    """The word of the vocabulary that means the same; the word itself where there is none."""
    return _SYNONYMS.get(word, word)


def _known(word: str) -> bool:
    name = canonical(word)
    return name in SHAPES or name in PALETTES or name in COLOURS or name in CHARACTERS


def _add(style: Style, word: str) -> Style:
    name = canonical(word)
    style = replace(style, took_effect=(*style.took_effect, word))
    if name in SHAPES:
        return replace(style, shapes=_with(style.shapes, name))
    if name in PALETTES:
        return replace(style, palettes=_with(style.palettes, name))
    if name in COLOURS:
        return replace(style, colours=_with(style.colours, name))
    return replace(style, character=style.character.times(CHARACTERS[name]))


def _remove(style: Style, word: str) -> Style:
    name = canonical(word)
    style = replace(style, removed=(*style.removed, word))
    if name in SHAPES:
        return replace(style, no_shapes=style.no_shapes | {name})
    if name in PALETTES:
        return replace(style, no_palettes=style.no_palettes | {name})
    if name in COLOURS:
        return replace(style, no_colours=style.no_colours | {name})
    return replace(style, character=style.character.times(CHARACTERS[name], power=-0.7))


def _with(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return names if name in names else (*names, name)


def vocabulary() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every word by kind, for the documentation: synonyms follow their word in brackets."""
    kinds = (("palette", PALETTES), ("character", CHARACTERS), ("shape", SHAPES))
    for kind, names in (*kinds, ("colour", COLOURS)):
        yield kind, tuple(_with_synonyms(name) for name in names)


def _with_synonyms(name: str) -> str:
    same = [word for word, meaning in _SYNONYMS.items() if meaning == name]
    return f"{name} ({', '.join(same)})" if same else name
