"""All looks by name, but for `flow`, which is the picture of `draw`."""

from __future__ import annotations

from collections.abc import Mapping

from soundreel.engines.preview.looks.bars import Bars
from soundreel.engines.preview.looks.minimal import Minimal
from soundreel.engines.preview.looks.ring_bars import RingBars
from soundreel.engines.preview.looks.rings import Rings
from soundreel.engines.preview.looks.things.card import Card
from soundreel.engines.preview.looks.things.particles import Particles
from soundreel.engines.preview.looks.things.vinyl import Vinyl
from soundreel.engines.preview.looks.tunnel import Tunnel
from soundreel.engines.preview.looks.waveform import Waveform
from soundreel.engines.preview.staging.stage import Look

LOOKS: Mapping[str, type[Look]] = {
    "rings": Rings,
    "bars": Bars,
    "ring-bars": RingBars,
    "waveform": Waveform,
    "tunnel": Tunnel,
    "minimal": Minimal,
    "particles": Particles,
    "vinyl": Vinyl,
    "card": Card,
}
