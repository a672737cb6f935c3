"""All looks by name, but for `flow`, which is the picture of `draw`."""

from __future__ import annotations

from collections.abc import Mapping

from soundreel.engines.preview.looks.bars import Bars
from soundreel.engines.preview.looks.stage import Look
from soundreel.engines.preview.looks.waveform import Waveform

LOOKS: Mapping[str, type[Look]] = {
    "bars": Bars,
    "waveform": Waveform,
}
