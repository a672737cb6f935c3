"""Encode pieces, join them with the sound, read back. Import `writer`, `mux`, `reader`."""
