"""From sound features to what moves the picture: one curve a frame for each visible quality.

Curves rise on the very frame that holds the sound and fall afterwards, so no motion is late.
`travel` is a path length whose step on frame i grows with the sound of frame i: between two
pictures everything moves as far as the newer one is loud, which keeps the lag at zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.features import FLOOR_DB, Features
from soundreel.engines.preview.drive.curves import Curve, hold_and_fall, relative, smooth
from soundreel.engines.preview.drive.sections import Section, find_sections, openness_curve

SILENCE_RMS = 0.004
"""About -48 dB of full scale: a clip no louder than this stays calm."""

RANGE_DB = 26.0
BAND_GAP_DB = 26.0

MOST = 1.6
"""No curve is made stronger than this: light would only be white."""

STRONG_ONSET = 0.3
"""Onsets from here on send out a ring."""


@dataclass(frozen=True, slots=True)
class Drive:
    """All (N,) float32, 0..1 if nothing else is said.

    energy: loudness of the frame itself. glow: its light, up at once, down softly. swell: loudness
    over seconds.
    bass, mids, highs: parts of the spectrum. bands: (N, 8), low to high.
    flash: onsets. pulse: beats, weighted by loudness.
    openness: calm (0) or full (1) section. tone: spectral balance, low 0 to high 1.
    travel: (N,) float64, distance covered, about one unit in a loud second.
    light: how far the picture is lit, 1 but for the fades of `fades`. progress: place in the clip.
    hits, strengths: frames and strengths of the strong onsets.
    """

    fps: float
    energy: Curve
    glow: Curve
    swell: Curve
    bass: Curve
    mids: Curve
    highs: Curve
    bands: NDArray[np.float32]
    flash: Curve
    pulse: Curve
    openness: Curve
    tone: Curve
    travel: NDArray[np.float64]
    light: Curve
    progress: Curve
    hits: NDArray[np.int64]
    strengths: Curve
    sections: tuple[Section, ...]
    rhythm: float
    """How much of a beat the clip has, 0..1."""
    pauses: float
    """Share of the clip that is silent, 0..1."""
    movement: float
    """Deviation of the energy: speech moves (0.25), a held tone does not (0)."""

    @property
    def num_frames(self) -> int:
        return len(self.energy)

    def times(self, strength: float) -> Drive:
        """All that answers the sound, more or less strongly; where and when things are stays."""
        if strength == 1:
            return self

        def scaled(curve: Curve) -> Curve:
            return np.asarray(np.minimum(curve * np.float32(strength), MOST), np.float32)

        return replace(
            self,
            glow=scaled(self.glow),
            bass=scaled(self.bass),
            mids=scaled(self.mids),
            highs=scaled(self.highs),
            bands=scaled(self.bands),
            flash=scaled(self.flash),
            pulse=scaled(self.pulse),
            strengths=scaled(self.strengths),
        )


def make_drive(features: Features, fps: float) -> Drive:
    """Pure: the same features give the same curves."""
    energy = relative(features.rms, SILENCE_RMS * 4, 0.7)
    energy[features.rms < SILENCE_RMS / 4] = 0.0
    bands = _levels(features.bands, energy)
    click_frames = _clicks(features.onset, energy)
    energy, bands = _claimed(energy, click_frames), _claimed(bands, click_frames)
    onset = _accents(features.onset, bands, energy)
    sections = find_sections(energy, bands, onset, fps)
    openness = openness_curve(sections, len(energy), fps)
    glow = hold_and_fall(energy**2.2, fps, 0.07)
    swell = smooth(energy, fps, 2.5)
    hits, strengths = _hits(onset, fps)
    step = (0.05 + 1.3 * energy**2 + 0.3 * onset) / fps
    num_frames = len(energy)
    return Drive(
        fps=fps,
        energy=energy,
        glow=glow,
        swell=swell,
        bass=hold_and_fall(bands[:, :2].max(axis=1), fps, 0.16),
        mids=hold_and_fall(bands[:, 2:5].mean(axis=1), fps, 0.12),
        highs=hold_and_fall(bands[:, 5:].max(axis=1), fps, 0.07),
        bands=np.stack([hold_and_fall(b, fps, 0.1) for b in bands.T], axis=1),
        flash=hold_and_fall(onset, fps, 0.11),
        pulse=_pulse(features.beat_frames, energy, fps),
        openness=openness,
        tone=_tone(bands),
        travel=np.cumsum(step.astype(np.float64)),
        light=np.ones(num_frames, dtype=np.float32),
        progress=np.linspace(0, 1, num_frames, dtype=np.float32),
        hits=hits,
        strengths=strengths,
        sections=sections,
        rhythm=_rhythm(features, onset, energy),
        pauses=float((energy < 0.12).mean()) if num_frames else 1.0,
        movement=float(energy.std()) if num_frames else 0.0,
    )


def _levels(bands: NDArray[np.float32], energy: Curve) -> NDArray[np.float32]:
    """0..1 over the RANGE_DB below each band's own loud level; a band far below the others (by
    BAND_GAP_DB) stays small."""
    if len(bands) == 0:
        return bands
    decibels = (bands - 1) * FLOOR_DB
    loud = np.percentile(decibels, 97, axis=0)
    reference = np.maximum(loud, loud.max() - BAND_GAP_DB)
    levels = np.clip(1 + (decibels - reference) / RANGE_DB, 0, 1) ** 2.2
    return np.asarray(levels * np.minimum(1.0, energy[:, None] * 4), dtype=np.float32)


def _clicks(onset: Curve, energy: Curve) -> NDArray[np.int64]:
    """Frames in which a click begins: out of near silence, and over in the next frame."""
    padded = np.pad(energy, (1, 2))
    before, after, later = padded[:-3], padded[2:-1], padded[3:]
    quiet = 0.2 * np.maximum(energy, after)
    return np.flatnonzero((onset > 0.5) & (before < quiet) & (later < quiet))


def _claimed(curve: NDArray[np.float32], frames: NDArray[np.int64]) -> NDArray[np.float32]:
    """A click that begins late in its frame is loud in the next one too: the frame in which it
    begins takes that level, so that the picture strikes with it and not after it."""
    out = curve.copy()
    inner = frames[frames + 1 < len(curve)]
    out[inner] = np.maximum(curve[inner], curve[inner + 1])
    return out


def _accents(onset: Curve, bands: NDArray[np.float32], energy: Curve) -> Curve:
    """Onsets as they strike: those that lift many bands at once count, a gliding tone does not."""
    before = np.vstack([np.zeros((1, bands.shape[1]), np.float32), bands[:-1]])
    lift = np.maximum(bands - before, 0).mean(axis=1)
    return np.asarray(onset * np.clip(lift / 0.25, 0, 1) * np.sqrt(energy), dtype=np.float32)


def _tone(bands: NDArray[np.float32]) -> Curve:
    weights = np.linspace(0, 1, bands.shape[1])
    total = bands.sum(axis=1)
    centre = (bands * weights).sum(axis=1) / np.maximum(total, 1e-6)
    return np.where(total > 1e-3, centre, 0.4).astype(np.float32)


def _hits(onset: NDArray[np.floating], fps: float) -> tuple[NDArray[np.int64], Curve]:
    """Local peaks of the onset curve, at least 0.12 s apart."""
    before = np.concatenate([[0.0], onset[:-1]])
    after = np.concatenate([onset[1:], [0.0]])
    peaks = np.flatnonzero((onset >= STRONG_ONSET) & (onset > before) & (onset >= after))
    gap = max(1, round(0.12 * fps))
    kept: list[int] = []
    for frame in peaks.tolist():
        if not kept or frame - kept[-1] >= gap:
            kept.append(frame)
    hits = np.array(kept, dtype=np.int64)
    return hits, onset[hits].astype(np.float32)


def _pulse(beats: NDArray[np.int64], energy: Curve, fps: float) -> Curve:
    hits = np.zeros(len(energy), dtype=np.float32)
    inside = beats[(beats >= 0) & (beats < len(energy))]
    hits[inside] = np.clip(smooth(energy, fps, 1.0)[inside] * 1.4, 0, 1)
    return hold_and_fall(hits, fps, 0.1)


def _rhythm(features: Features, onset: Curve, energy: Curve) -> float:
    """1 where most beats carry an accent well above the clip's usual one."""
    beats = features.beat_frames[features.beat_frames < len(energy)]
    if features.tempo is None or len(beats) < 4:
        return 0.0
    lift = float(onset[beats].mean()) / (float(onset.mean()) + 1e-6)
    loud = float((energy[beats] > 0.2).mean())
    return float(np.clip((lift - 1.2) / 1.2, 0, 1) * loud)
