"""The vocabulary: what words of a prompt do, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from preview.features import features, steady
from soundreel.engines.preview.drive.signals import make_drive
from soundreel.engines.preview.look.composition import compose, read_palette
from soundreel.engines.preview.look.palettes import (
    COLOURS,
    PALETTES,
    colour_table,
    coloured,
    parse_colour,
)
from soundreel.engines.preview.look.vocabulary import describe, read_style, vocabulary
from soundreel.media.oklab import from_oklab, to_oklab
from soundreel.types import DEFAULT_NEGATIVE_PROMPT, DEFAULT_PROMPT

DOCS = Path(__file__).parents[2] / "docs" / "preview.md"


def test_words_of_every_kind_are_found_in_a_sentence() -> None:
    style = read_style("A dreamy OCEAN of turquoise waves, please", "")
    assert style.shapes == ("waves",)
    assert style.palettes == ("ocean",)
    assert style.colours == ("turquoise",)
    assert style.character.bloom > 1.5
    assert style.took_effect == ("dreamy", "ocean", "turquoise", "waves")


def test_the_default_prompts_ask_for_nothing() -> None:
    style = read_style(DEFAULT_PROMPT, DEFAULT_NEGATIVE_PROMPT)
    assert describe(style) == ""
    assert style == read_style("", "")


def test_negative_words_remove() -> None:
    style = read_style("neon rings particles", "rings, red")
    assert style.shapes == ("particles",)
    assert style.no_shapes == {"rings"}
    assert style.no_colours == {"red"}
    assert describe(style) == "words that took effect: neon, particles; removed: rings, red"


@pytest.mark.parametrize("prompt", ["waves without rings", "waves, no circles", "not radial waves"])
def test_a_negation_in_the_prompt_removes(prompt: str) -> None:
    style = read_style(prompt, "")
    assert style.shapes == ("waves",)
    assert style.no_shapes == {"rings"}


def test_a_negative_character_word_acts_the_other_way() -> None:
    assert read_style("", "aggressive").character.reaction < 1


def test_unknown_words_say_nothing() -> None:
    assert describe(read_style("a person talks to the camera", "blurry hands")) == ""


@pytest.mark.parametrize(
    "prompt",
    [
        "natural conversational flow",
        "a woman with brown curly hair and blue eyes in a red dress",
        "she waves at the camera, her ring finger raised",
        "a soft voice, fast speech, a warm smile",
        "the phone rings, a rock stars as himself",
        "he works hard, ice cream in hand",
    ],
)
def test_words_in_another_sense_are_not_taken(prompt: str) -> None:
    assert read_style(prompt, "").took_effect == ()


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a flow of brown and blue", ("flow", "brown", "blue")),
        ("waves at night", ("waves", "night")),
        ("rings of light, soft and slow", ("rings", "soft", "slow")),
        ("warm light, dark, red rings", ("warm", "dark", "red", "rings")),
        ("stars in the sky, abstract", ("stars", "abstract")),
    ],
)
def test_the_same_words_about_the_picture_are(prompt: str, words: tuple[str, ...]) -> None:
    assert read_style(prompt, "").took_effect == words


def test_a_prompt_that_changes_nothing_is_told_so_and_the_default_is_not() -> None:
    prompt = "a person talks to the camera"
    said = describe(read_style(prompt, ""), prompt)
    assert said.startswith("no word of the prompt changes the preview")
    assert "palette=" in said
    for quiet in ("", "  ", DEFAULT_PROMPT):
        assert describe(read_style(quiet, ""), quiet) == ""
    assert describe(read_style("neon talk", ""), "neon talk") == "words that took effect: neon"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("neon", PALETTES["neon"].keys),
        ("cyberpunk", PALETTES["neon"].keys),
        ("teal, #20C0FF", (COLOURS["teal"], "#20c0ff")),
        ("ocean,gold", PALETTES["ocean"].keys[:2] + PALETTES["gold"].keys[:2]),
    ],
)
def test_a_palette_is_named_by_words_or_codes(text: str, keys: tuple[str, ...]) -> None:
    palette = read_palette(text)
    assert palette is not None
    assert palette.keys == keys


def test_a_palette_that_is_none_is_refused_with_the_rule() -> None:
    assert read_palette("auto") is None
    for text in ("", "sparkling", "#12", "neon,", "12,13"):
        with pytest.raises(ValueError, match="neither a palette"):
            read_palette(text)


def test_the_palette_of_the_option_stands_above_words_and_image() -> None:
    drive, chosen = make_drive(steady(40), 16.0), PALETTES["ice"]
    style = read_style("fire, crimson", "blue")
    assert compose(style, drive, 1, PALETTES["forest"], chosen).palette == chosen


def test_strength_makes_all_that_answers_stronger_or_weaker_and_nothing_later() -> None:
    drive = make_drive(features(np.eye(1, 48, 20)[0]), 16.0)
    for strength in (0.0, 0.5, 2.0):
        other = drive.times(strength)
        for name in ("glow", "bass", "highs", "flash", "pulse", "bands"):
            curve, usual = getattr(other, name), getattr(drive, name)
            np.testing.assert_allclose(curve, np.minimum(usual * strength, 1.6), rtol=1e-5)
        assert (other.travel == drive.travel).all()
    assert drive.times(1.0) is drive


def test_named_colours_make_the_palette() -> None:
    look = compose(read_style("crimson and white", ""), make_drive(steady(40), 16.0), seed=1)
    assert look.palette.keys == (COLOURS["crimson"], COLOURS["white"])


def test_a_banned_colour_leaves_the_palette() -> None:
    look = compose(read_style("neon", "magenta pink"), make_drive(steady(40), 16.0), seed=1)
    assert PALETTES["neon"].keys[0] not in look.palette.keys
    assert len(look.palette.keys) == 2


def test_the_image_gives_the_palette_unless_words_do() -> None:
    own = PALETTES["forest"]
    drive = make_drive(steady(40), 16.0)
    assert compose(read_style("calm", ""), drive, 1, own).palette == own
    assert compose(read_style("fire", ""), drive, 1, own).palette.keys == PALETTES["fire"].keys


def test_seeds_compose_differently_and_one_seed_alike() -> None:
    drive, style = make_drive(steady(40), 16.0), read_style("", "")
    looks = [compose(style, drive, seed) for seed in (1, 1, 2)]
    assert looks[0] == looks[1]
    assert looks[0].centre != looks[2].centre


def test_oklab_of_white_and_red() -> None:
    """Reference values of the colour space's own page."""
    np.testing.assert_allclose(to_oklab(np.array([1.0, 1, 1])), [1, 0, 0], atol=1e-3)
    np.testing.assert_allclose(to_oklab(np.array([1.0, 0, 0])), [0.628, 0.225, 0.126], atol=1e-3)
    np.testing.assert_allclose(from_oklab(to_oklab(np.array([0.2, 0.5, 0.7]))), [0.2, 0.5, 0.7])


@pytest.mark.parametrize("name", sorted(PALETTES))
def test_palettes_rise_from_their_ground_without_bands(name: str) -> None:
    table = colour_table(PALETTES[name])
    luma = table @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luma, axis=1) > -0.5).all()
    assert np.abs(np.diff(table, axis=1)).max() < 8
    assert np.abs(np.diff(table, axis=0)).max() < 24
    dark = coloured(table, np.zeros((2, 2), np.float32), 0.3)[0, 0]
    np.testing.assert_allclose(dark / 255, parse_colour(PALETTES[name].deep), atol=0.02)


def test_every_word_is_in_the_documentation() -> None:
    text = " ".join(DOCS.read_text(encoding="utf-8").split())
    missing = [entry for _, entries in vocabulary() for entry in entries if entry not in text]
    assert not missing
