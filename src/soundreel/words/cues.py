"""What reading a file of lyrics and drawing one have in common."""

from __future__ import annotations

from soundreel.types.words import Cue, Cues, Word

__all__ = ["Cue", "Cues", "Word"]
