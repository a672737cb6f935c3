"""The terminal: what is said there, how options are spelled, progress, stopping."""
