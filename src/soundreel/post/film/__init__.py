"""FILM: pictures between two pictures that lie far apart, by a network. Needs torch."""
