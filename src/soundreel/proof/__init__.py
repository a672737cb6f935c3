"""What a finished video is worth, from the file alone: a verdict on time, sound and picture."""
