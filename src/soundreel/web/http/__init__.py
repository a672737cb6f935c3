"""The face of the studio: routes, what may come in, what goes out."""
