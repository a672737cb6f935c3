"""From a file of lyrics or captions to cues: timed ones as they are, plain text by the sound."""
