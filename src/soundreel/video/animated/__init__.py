"""Moving pictures without sound: GIF and WebP, drawn from the pieces of a video."""
