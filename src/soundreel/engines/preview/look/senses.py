"""Words of the vocabulary that mean something else where they stand: "conversational flow" is no
shape, "brown hair" no palette, and whoever "waves" draws no waves.

Prompts are written for models too, and describe persons, clothes and voices; only what may describe
the picture as a whole is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PERSON = _words(
    "hair haired beard moustache mustache eye eyes eyed eyebrows eyelashes skin skinned "
    "lips lip lipstick cheeks face faced teeth nails freckles complexion gaze stare "
    "smile"
)
_CLOTHES = _words(
    "dress shirt t-shirt blouse suit jacket coat hat cap scarf tie sweater jumper hoodie "
    "jeans trousers pants skirt shoes boots gloves glasses sunglasses uniform robe top "
    "vest necklace earrings earring bracelet watch headphones helmet spacesuit"
)
_THINGS = _words(
    "car bike motorcycle house door chair table couch sofa guitar piano microphone mic "
    "dog cat horse bird apple book phone"
)
_SPEECH = _words(
    "voice voiced voices speech speaking talking talk singing conversation conversations "
    "spoken words speaker accent whisper breathing delivery"
)
_OWNED = _PERSON | _CLOTHES | _THINGS

_AFTER: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        _words("soft hard quiet slow fast calm gentle lively intense warm powerful energetic"),
        _SPEECH | _PERSON,
    ),
    **dict.fromkeys(_words("bright dark golden gold silk simple rose cool wild"), _OWNED),
    "hard": _SPEECH | _words("worker hat drive rock work"),
    "cold": _words("drink beer coffee"),
    "fire": _words("fighter fighters truck engine alarm extinguisher"),
    "ice": _words("cream hockey"),
    "ring": _words("finger tone"),
    "wave": _words("hand hands goodbye hello"),
    "waves": _words("hand hands goodbye hello her his their"),
    "rings": _words("bell the a"),
    "stars": _words("as alongside"),
    "strings": _words("section quartet"),
    "sparks": _words("a an interest joy debate"),
}
"""What may follow a word that then says nothing of the picture."""

_BEFORE: Mapping[str, frozenset[str]] = {
    "flow": _words(
        "conversational conversation natural work cash data speech verbal story narrative"
    ),
    "flowing": _words("conversation speech words freely"),
    "wave": _words("to they i you hand"),
    "waves": _words("he she who man woman person and hand sound"),
    "ring": _words("wedding engagement nose ear key boxing diamond finger her his"),
    "rings": _words("phone telephone bell wedding ear key her his"),
    "strings": _words("guitar violin piano shoe"),
    "stars": _words("pop rock movie film guest"),
    "circles": _words("eye dark social"),
    "circle": _words("inner social"),
    "smoke": _words("to they i you who"),
    "rose": _words("he she it they"),
    "fast": _words("speaks talks speaking talking sings runs"),
    "slow": _words("speaks talks"),
    "hard": _words("works working work thinks thinking tries laughs"),
    "dream": _words("i you they to we"),
    "water": _words("drinks drinking"),
    "fire": _words("on open under camp"),
}
"""What may stand before such a word."""


def means_the_picture(words: Sequence[str], index: int, *, colour: bool) -> bool:
    """Whether the word at `index` may describe the picture. colour: it names one, and whoever owns
    it may stand one word further on ("brown curly hair")."""
    word, before = words[index], words[index - 1] if index else ""
    after = words[index + 1 : index + 3]
    if colour and not _OWNED.isdisjoint(after):
        return False
    if before in _BEFORE.get(word, frozenset()):
        return False
    return not after or after[0] not in _AFTER.get(word, frozenset())
