"""From speech to mouth shapes: timed phonemes, their lips and jaw, and the loudness of each frame.

The phonemes come from `hama` (Apache-2.0, offline): a recogniser trained with CTC, which answers
every 20 ms with a phoneme where one is, and with a blank in silence, noise and instruments. So
what is not speech has no phonemes, and without phonemes the mouth stays shut.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.drive.curves import relative, smoothstep
from soundreel.types import AudioClip

if TYPE_CHECKING:
    from hama.asr import ASRModel

RATE = 16_000
STEP_S = 0.02
"""The recogniser's grid: one answer for every 320 samples."""

ANSWER_LAG_S = 0.04
"""The answer comes in the middle of a phoneme: the mouth would follow the energy of speech by 40 to
60 ms if this were not taken off (measured on examples/speech.wav)."""

WINDOW_S, MARGIN_S = 8, Fraction(1, 2)
"""Sound is listened to in windows, each with a margin of the sound around it."""

SOUNDING_RMS = 0.016
"""About -36 dB of full scale: speech no louder than this moves the mouth less."""

GATE = (0.04, 0.12)
"""Below the first share of the clip's loud level the mouth is shut, from the second on free."""

GRID_S = 0.01
HOLD_S, FADE_S = 0.5, 0.25
"""A phoneme lasts until the next; at most HOLD_S, then the mouth closes within FADE_S."""

ANTICIPATION_S = 0.14
"""The mouth takes this long from one phoneme to the next."""

COMPANY, COMPANY_S = 3, 0.7
"""Speech comes in rows: fewer phonemes than this within this time on both sides are taken for an
instrument that sounded like one."""

CLOSURE_S = 0.045
"""Lips meet at least this long around p, b and m."""


@dataclass(frozen=True, slots=True)
class MouthShape:
    """opening: drop of the jaw, 0..1. spread: corners apart, 0..1. rounding: corners drawn in and
    lips forward, 0..1. press: lips pressed together, 0..1 (p, b, m). composed: a smile put away to
    speak, 0..1."""

    opening: float = 0.0
    spread: float = 0.0
    rounding: float = 0.0
    press: float = 0.0
    composed: float = 0.0


SHUT = MouthShape()

COMPOSED_S, COMPOSING_S = 0.12, 0.35
"""A smile is put away this long before the first sound, within that time."""

SMILE_AFTER_S, SMILING_S = 1.0, 0.7
"""It comes back when nothing was said for so long, within that time."""

Key = tuple[float, str]
"""Second in the clip, IPA symbol."""

_GROUPS: tuple[tuple[str, MouthShape], ...] = (
    ("aɑäàåãɐɶ", MouthShape(1.00, 0.25)),
    ("æ", MouthShape(0.90, 0.55)),
    ("ʌɒ", MouthShape(0.80, 0.10)),
    ("ɛœ", MouthShape(0.68, 0.45)),
    ("eẽø", MouthShape(0.52, 0.60)),
    ("əɜɝɚɘɵɤᵊ", MouthShape(0.45, 0.15, 0.15)),
    ("ɔ", MouthShape(0.80, 0.0, 0.65)),
    ("oõ", MouthShape(0.62, 0.0, 0.85)),
    ("ɪɨ", MouthShape(0.36, 0.55)),
    ("iìĩǐ", MouthShape(0.28, 1.00)),
    ("uũʊʉyʏ", MouthShape(0.30, 0.0, 1.00)),
    ("ɯ", MouthShape(0.30, 0.35)),
    ("wʷɥɰ", MouthShape(0.16, 0.0, 1.00)),
    ("ɹɻrɾɽʀʁ", MouthShape(0.26, 0.0, 0.45)),
    ("ʃʒɕʑʂʐ", MouthShape(0.20, 0.0, 0.55)),
    ("szç", MouthShape(0.12, 0.55)),
    ("tdnɖʈɗɳ", MouthShape(0.20, 0.30)),
    ("θð", MouthShape(0.22, 0.20)),
    ("lɫʎɮ", MouthShape(0.32, 0.25)),
    ("jɲʝɟc", MouthShape(0.24, 0.65)),
    ("kgɡŋɣxχɴħ", MouthShape(0.28, 0.20)),
    ("hɦʔ", MouthShape(0.34, 0.15)),
    ("fvɱʋ", MouthShape(0.06, 0.20, 0.0, 0.55)),
    ("pbmɓβɸʙ", MouthShape(0.0, 0.0, 0.0, 1.00)),
)
SHAPES = {symbol: shape for symbols, shape in _GROUPS for symbol in symbols}
"""Symbols of the IPA; marks of length, tone and articulation move nothing."""


class Speech:
    """The mouth of every frame: a pure function of the clip and the frame, thread-safe.

    Sound is listened to window by window, when the first frame in it is asked for.
    """

    def __init__(
        self, num_frames: int, fps: Fraction, rms: NDArray[np.float32], listen: Listener
    ) -> None:
        """rms: (N,) of the frames' own samples. listen: keys from one second of the clip on to
        another."""
        self._fps, self._count, self._listen = fps, num_frames, listen
        self._loudness = frame_loudness(rms, float(fps))
        self._windows: dict[int, NDArray[np.float32]] = {}
        self._lock = threading.Lock()

    def shape(self, i: int) -> MouthShape:
        composed = self._composed(i)
        if self._loudness[i] == 0.0:
            return MouthShape(composed=composed) if composed > 0 else SHUT
        window = self._window_of(i)
        row = self._window(window)[i - self._first(window)]
        opening, spread, rounding, press = (float(value) for value in row)
        loud = float(self._loudness[i])
        ease = min(1.0, 2.5 * loud)
        opening *= loud * (1 - press)
        return MouthShape(
            opening, spread * ease, rounding * ease, press, composed
        )  # p closes before it bursts

    def heard(self, windows: int) -> bool:
        """Whether there is speech in one of so many windows, spread over the clip."""
        count = self._window_of(self._count - 1) + 1
        probes = sorted({k * count // windows for k in range(windows)})
        return any(bool(self._window(k).any()) for k in probes)

    def _composed(self, i: int) -> float:
        """How far a smile is put away, for what is said soon or was just said."""
        rate = float(self._fps)
        last = min(self._count - 1, i + int((COMPOSED_S + COMPOSING_S) * rate))
        first = max(0, i - int((SMILE_AFTER_S + SMILING_S) * rate))
        level = 0.0
        for window in range(self._window_of(first), self._window_of(last) + 1):
            away = (
                np.flatnonzero(self._window(window).any(axis=1)) + self._first(window) - i
            ) / rate
            soon = np.where(
                away >= 0, (away - COMPOSED_S) / COMPOSING_S, (-away - SMILE_AFTER_S) / SMILING_S
            )
            level = max(level, float(1 - smoothstep(soon.min(initial=1.0))))
        return level

    def _window_of(self, i: int) -> int:
        return int(i / self._fps) // WINDOW_S

    def _window(self, index: int) -> NDArray[np.float32]:
        """(frames, 4) of the window's frames."""
        with self._lock:
            if index not in self._windows:
                first, end = self._first(index), min(self._first(index + 1), self._count)
                start = index * WINDOW_S
                keys = self._listen(start - MARGIN_S, start + WINDOW_S + MARGIN_S)
                self._windows[index] = frame_shapes(keys, first, end, self._fps)
            return self._windows[index]

    def _first(self, window: int) -> int:
        return -int(-window * WINDOW_S * self._fps // 1)


Listener = Callable[[Fraction, Fraction], list[Key]]


@lru_cache(maxsize=1)
def _model() -> ASRModel:
    """Loaded once for all shots."""
    from hama.asr import ASRModel

    return ASRModel()


class Recogniser:
    """Listens to a clip's sound."""

    def __init__(self, clip: AudioClip) -> None:
        """Raises RuntimeError or OSError where the recogniser has no library for this system."""
        self._clip, self._model = clip, _model()

    def listen(self, begin: Fraction, end: Fraction) -> list[Key]:
        """The phonemes between two seconds of the clip; what comes before the clip in the file is
        heard too, as it is the beginning of a word."""
        from soundreel.audio.segment import read_clip

        begin = max(begin, -self._clip.start)  # nothing is before the file
        last = min(end, self._clip.duration)
        sound = read_clip(self._clip, self._clip.start + begin, last - begin, rate=RATE, mono=True)[
            0
        ]
        answer = self._model.transcribe_waveform(sound, RATE)
        tokens = [self._model.decoder_tokens[token] for token in answer.frame_token_ids]
        return in_company(keys_of(tokens, float(begin)))


def keys_of(tokens: Iterable[str], begin: float) -> list[Key]:
    """Symbols that move the mouth, from the answers on the recogniser's grid. A diphthong or an
    affricate gives one key after the other."""
    starts: list[tuple[float, str]] = []
    before = ""
    for step, token in enumerate(tokens):
        if token != before and _symbols(token):
            starts.append((begin + (step + 0.5) * STEP_S - ANSWER_LAG_S, token))
        before = token
    keys: list[Key] = []
    for k, (time, token) in enumerate(starts):
        after = starts[k + 1][0] if k + 1 < len(starts) else time + 0.2
        symbols = _symbols(token)
        gap = min(0.1, (after - time) / len(symbols))
        keys += [(time + gap * n, symbol) for n, symbol in enumerate(symbols)]
    return keys


def _symbols(token: str) -> list[str]:
    """Those that move the mouth; <blank>, <wb> and their like have none."""
    return [] if token.startswith("<") else [symbol for symbol in token if symbol in SHAPES]


def in_company(keys: list[Key]) -> list[Key]:
    """Without those that stand alone."""
    times = np.array([time for time, _ in keys])
    near = [int((np.abs(times - time) < COMPANY_S).sum()) for time in times]
    return [key for key, count in zip(keys, near, strict=True) if count >= COMPANY]


def frame_shapes(keys: list[Key], first: int, end: int, fps: Fraction) -> NDArray[np.float32]:
    """(end - first, 4) opening, spread, rounding and press of the frames: means over each frame's
    own time, but the strongest press, so that a closure is never averaged away."""
    begin = float(first / fps)
    grid = np.arange(begin, float(end / fps) + GRID_S, GRID_S) + GRID_S / 2
    track = _track(keys, grid)
    edges = [round((float(i / fps) - begin) / GRID_S) for i in range(first, end + 1)]
    rows = np.zeros((end - first, 4), dtype=np.float32)
    for k, (left, right) in enumerate(pairwise(edges)):
        part = track[left : max(right, left + 1)]
        rows[k, :3] = part[:, :3].mean(axis=0)
        rows[k, 3] = part[:, 3].max()
    return rows


def frame_loudness(rms: NDArray[np.float32], fps: float) -> NDArray[np.float32]:
    """0..1 against the clip's loud level; exactly 0 in silence. At high rates a frame is shorter
    than a period of the voice: neighbours within 50 ms even it out, without lag."""
    width = max(1, round(0.05 * fps)) | 1 if fps > 30 else 1
    even = np.convolve(rms, np.full(width, 1 / width), mode="same")
    own = rms / max(float(np.percentile(rms, 95)), SOUNDING_RMS)
    gate = smoothstep((own - GATE[0]) / (GATE[1] - GATE[0]))
    level = np.minimum(1.0, relative(even, SOUNDING_RMS, 0.6))
    return np.asarray(level * gate, dtype=np.float32)


def _track(keys: list[Key], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """(len(grid), 4): from key to key in smooth steps; shut where no key is near."""
    track = np.zeros((len(grid), 4))
    previous: Key | None = None
    for key in keys:
        _glide(track, grid, previous, key)
        _press(track, grid, key)
        previous = key
    if previous is not None:
        held = _kept(grid - previous[0]) * (grid >= previous[0])
        track[:, :3] = np.maximum(track[:, :3], held[:, None] * _values(previous)[:3])
    return track


def _glide(
    track: NDArray[np.float64], grid: NDArray[np.float64], previous: Key | None, key: Key
) -> None:
    """Fill the time from the key before (or from rest) to `key`."""
    origin = key[0] - ANTICIPATION_S if previous is None else previous[0]
    rise = min(ANTICIPATION_S, key[0] - origin)
    here = (grid >= origin) & (grid < key[0])
    move = smoothstep((grid[here] - (key[0] - rise)) / max(rise, 1e-6))[:, None]
    stay = np.zeros((int(here.sum()), 3))
    if previous is not None:
        stay = _kept(grid[here] - previous[0])[:, None] * _values(previous)[:3]
    track[here, :3] = stay + (_values(key)[:3] - stay) * move


def _press(track: NDArray[np.float64], grid: NDArray[np.float64], key: Key) -> None:
    press = SHAPES[key[1]].press
    if press > 0:
        near = 1 - smoothstep((np.abs(grid - key[0]) - CLOSURE_S / 2) / 0.03)
        track[:, 3] = np.maximum(track[:, 3], press * near)


def _values(key: Key) -> NDArray[np.float64]:
    shape = SHAPES[key[1]]
    return np.array([shape.opening, shape.spread, shape.rounding, shape.press])


def _kept(age: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is left of a phoneme `age` seconds after it."""
    return 1 - np.asarray(smoothstep((age - HOLD_S) / FADE_S), dtype=np.float64)
