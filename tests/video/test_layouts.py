"""Every speaker stays where it is, or goes where the library's matrix puts it, and that is told."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import oracle
from media_factory import sine
from soundreel.audio.load import probe
from soundreel.events import Event, Notice, RunControl
from soundreel.video import mux
from video_factory import write_layout, write_pieces

LAYOUTS = (
    *("2.1", "3.0", "3.1", "4.0", "4.1", "quad", "quad(side)", "5.0", "5.0(side)", "5.1"),
    *("5.1(side)", "6.0", "hexagonal", "6.1", "7.0", "7.1", "7.1(wide)", "octagonal"),
)
KEPT = {"2.1", "3.0", "4.0", "quad", "5.0", "5.1", "7.1"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_heard_as_the_source_is(tmp_path: Path, layout: str) -> None:
    """Both mixed down to stereo by ffmpeg, channel for channel the same tones at the same level."""
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    tones = [sine(1.1, 60 if name == "LFE" else 300 + 100 * k, level=0.1)
             for k, name in enumerate(names)]  # fmt: skip
    source = write_layout(tmp_path / "s.mka", np.concatenate(tones), layout)
    said: list[Event] = []
    output = tmp_path / "o.mp4"
    pieces = write_pieces(tmp_path, [16], Fraction(16))
    mux.finish(pieces, probe(source).clip, output, Fraction(16), {}, RunControl(said.append))
    with av.open(str(output)) as container:
        stored = container.streams.audio[0].layout.name
    assert (stored == layout) == (layout in KEPT)
    assert any(isinstance(event, Notice) for event in said) == (layout not in KEPT)
    wanted, got = (oracle.decoded(path, 2, "-ac", "2")[:, :44100] for path in (source, output))
    for k, name in enumerate(names):
        hertz = 60 if name == "LFE" else 300 + 100 * k
        powers = [
            np.abs(np.fft.rfft(sound[:, :44100], axis=1))[:, hertz] for sound in (wanted, got)
        ]
        np.testing.assert_allclose(powers[1], powers[0], rtol=0.1, atol=0.05 * powers[0].max() + 30)
