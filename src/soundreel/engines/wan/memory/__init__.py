"""The device, and what fits on it: cards, counts, prediction, offload."""
