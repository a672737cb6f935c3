"""Measurements, printed as figures and ratios taken side by side in one run."""
