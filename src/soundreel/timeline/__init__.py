"""Seconds, frames, latents; from a request to shots and chunks. Import `grid`, `plan`."""
