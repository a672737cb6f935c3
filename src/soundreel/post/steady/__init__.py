"""Keeps the colour and sharpness of a take where its first part had them.

Models that go on from their own last pictures drift: brighter, warmer, harder, part by part.
"""

from soundreel.post.steady.correction import Correction
from soundreel.post.steady.take import Steady, make_steady

__all__ = ["Correction", "Steady", "make_steady"]
