"""A finished video, ours or anybody's, at another rate of pictures. Import `run`."""
