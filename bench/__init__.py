"""Measurements, printed as figures and ratios taken side by side in one run."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
if str(TESTS) not in sys.path:  # recorded cases are read by the tests' own reader
    sys.path.append(str(TESTS))
