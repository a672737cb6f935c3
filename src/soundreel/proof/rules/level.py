"""Loudness and clipped peaks of the sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from soundreel.proof.rules.verdict import Line, places_text
from soundreel.proof.senses.heard import Heard

CLIPPED, A_FEW = 2.0, 5
"""Cut-off peaks a second from which they are heard as distortion, and how many at least."""

SQUASHED = 0.05
"""Of the samples within 1 dB of full scale: 12 dB too much gives 7 % and more after AAC, 6 dB up to
4 %, a clean mix at full scale 0.1 %."""

HOT = 0.0
"""dBTP above which players' converters overshoot (EBU R 128 asks for -1)."""

APART = 1.0
"""LU between what the record says and what is measured: AAC moves the loudness by 0.1."""


def lines(heard: Heard, record: Mapping[str, Any] | None) -> Iterator[Line]:
    yield clipping(heard)
    yield loudness(heard, record)


def clipping(heard: Heard) -> Line:
    places, length = np.unique(heard.clipped), max(float(heard.clip.duration), 1e-9)
    figures = {
        "peaks": float(len(places)),
        "per_second": len(places) / length,
        "ceiling": heard.ceiling,
    }
    if heard.true_peak is not None:
        figures["true_peak_dbtp"] = heard.true_peak
    if len(places) >= A_FEW and len(places) / length >= CLIPPED:
        return Line("clipping", "fail", f"{len(places)} peaks are cut off, "
                    f"{places_text(tuple(places.tolist()), 1)}", tuple(places[:100].tolist()),
                    figures)  # fmt: skip
    if heard.ceiling >= SQUASHED:
        return Line("clipping", "fail", f"{heard.ceiling * 100:.0f} % of the sound lies at full "
                    "scale: it was made louder than it can be", (), figures)  # fmt: skip
    if len(places):
        return Line("clipping", "note", f"{len(places)} peak(s) at full scale "
                    f"{places_text(tuple(places.tolist()), 1)}", (), figures)  # fmt: skip
    peak = heard.true_peak
    if peak is not None and peak > HOT:
        return Line("clipping", "note", f"the true peak is {peak:+.1f} dBTP: players may clip it",
                    (), figures)  # fmt: skip
    return Line("clipping", "ok", "no peak is cut off", (), figures)


def loudness(heard: Heard, record: Mapping[str, Any] | None) -> Line:
    measured = heard.integrated
    if measured is None:
        return Line("loudness", "note", "silent, or too short to measure")
    figures = {"lufs": measured}
    said = f"{measured:.1f} LUFS"
    if heard.true_peak is not None:
        said += f", true peak {heard.true_peak:+.1f} dBTP"
    noted = (record or {}).get("plan", {}).get("loudness")
    if noted:
        meant = noted["integrated"] + noted["gain_db"]
        if abs(measured - meant) > APART:
            return Line("loudness", "fail", f"{said}; the file says {meant:.1f} LUFS",
                        (), figures)  # fmt: skip
    return Line("loudness", "ok", said, (), figures)
