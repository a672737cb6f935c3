"""How loud a sound is (EBU R 128, ITU-R BS.1770-4), and the one gain for a loudness asked for.

FFmpeg's `ebur128` measures, block by block, so that an hour takes the memory of a minute.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph
from av.filter.context import FilterContext

from soundreel.audio.reading.frames import Samples
from soundreel.types import Loudness

PEAK_LIMIT = -1.0
"""dBTP, the most that R 128 permits (EBU R 128-2023, item i)."""

_GATE = -70.0
"""LUFS; what is quieter does not count, and so has no loudness (BS.1770-4, annex 1)."""

_UPSCALE = 1 << 10
"""The filter tells peaks with three digits after the point: too few for quiet sound."""

_I, _PEAK = "lavfi.r128.I", "lavfi.r128.true_peak"


def measure(blocks: Iterable[Samples], rate: int, layout: str, target: float) -> Loudness | None:
    """The sound's loudness, its true peak (four times oversampled), and the gain that brings it to
    `target` LUFS, or as near as the peak may go. None where there is nothing to measure: silence,
    or less than the 0.4 s of one block.

    blocks: (channels, n) each, -1..1; layout: FFmpeg's name.
    """
    meter = _Meter(rate, layout)
    for block in blocks:
        if block.shape[1]:
            meter.push(block)
    integrated, peak = meter.close()
    if integrated <= _GATE or peak <= 0:
        return None
    true_peak = 20 * math.log10(peak)
    gain = min(target - integrated, PEAK_LIMIT - true_peak)
    return Loudness(integrated, round(true_peak, 2), math.floor(gain * 100) / 100, target)


def amplify(block: Samples, loudness: Loudness | None) -> Samples:
    """The block with the gain, as it came without one."""
    return block if loudness is None else block * np.float32(10 ** (loudness.gain_db / 20))


def describe_loudness(loudness: Loudness | None) -> str:
    """What was measured and done, for the user."""
    if loudness is None:
        return (
            "loudness: nothing to measure (silence, or less than 0.4 s): the sound stays as it is"
        )
    gain, wanted = loudness.gain_db, f"{loudness.target:g} LUFS"
    way = f"{abs(gain):.1f} dB {'louder' if gain > 0 else 'quieter'}"
    measured = f"loudness: {loudness.integrated:.1f} LUFS"
    if loudness.reached < loudness.target - 0.05:
        return (
            f"{measured}; {way} it is {loudness.reached:.1f}, not {wanted}: more would take its "
            f"peaks beyond {PEAK_LIMIT:g} dBTP"
        )
    return f"{measured}, made {way} for {wanted}" if abs(gain) >= 0.05 else f"{measured}, as asked"


class _Meter:
    """Two of FFmpeg's meters beside each other: one for loudness, one for peaks."""

    def __init__(self, rate: int, layout: str) -> None:
        self._rate, self._layout, self._position = rate, layout, 0
        graph = self._graph = Graph()  # its filters do not hold it: freed, they crash
        self._source = graph.add_abuffer(
            sample_rate=rate, format="flt", layout=layout, time_base=Fraction(1, rate)
        )
        split = graph.add("asplit", "2")
        self._source.link_to(split)
        self._loudness = self._branch(graph, split, 0, "metadata=1")
        loud = graph.add("volume", f"volume={_UPSCALE}:precision=double")
        split.link_to(loud, 1)
        self._peak = self._branch(graph, loud, 0, "metadata=1:peak=true")
        graph.configure()
        self._told = {_I: str(_GATE), _PEAK: "0"}

    def push(self, block: Samples) -> None:
        packed = np.ascontiguousarray(block.T, dtype=np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, "flt", self._layout)
        frame.sample_rate, frame.time_base = self._rate, Fraction(1, self._rate)
        frame.pts = self._position
        self._position += block.shape[1]
        self._source.push(frame)
        self._drain()

    def close(self) -> tuple[float, float]:
        """Loudness in LUFS, and the peak, 1 being full scale."""
        self._source.push(None)
        self._drain()
        return float(self._told[_I]), float(self._told[_PEAK]) / _UPSCALE

    @staticmethod
    def _branch(graph: Graph, before: FilterContext, pad: int, options: str) -> FilterContext:
        meter, sink = graph.add("ebur128", options), graph.add("abuffersink")
        before.link_to(meter, pad)
        meter.link_to(sink)
        return sink

    def _drain(self) -> None:
        for sink, key in ((self._loudness, _I), (self._peak, _PEAK)):
            for frame in _pulled(sink):
                self._told[key] = frame.metadata.get(key, self._told[key])


def _pulled(sink: FilterContext) -> Iterator[AudioFrame]:
    with suppress(av.error.BlockingIOError, av.error.EOFError):
        while True:
            frame = sink.pull()
            assert isinstance(frame, AudioFrame)
            yield frame
