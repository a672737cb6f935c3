"""Files that are there already: what they hold, and the request behind a video."""
