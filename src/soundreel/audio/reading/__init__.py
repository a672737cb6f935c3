"""One sound file, from its packets to exact samples. Outside, import `decode`, `damage`, `tracks`
and the type of `frames`."""
