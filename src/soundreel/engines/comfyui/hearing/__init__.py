"""What a chunk of a sound hears on the server: its window, at the level of the whole clip."""
