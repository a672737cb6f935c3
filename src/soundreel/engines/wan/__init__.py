"""Wan 2.2 S2V in this process. Only `engine` and `options` are for others."""
