"""Pictures between two pictures that lie far apart, by a network: FILM, RIFE. Needs torch."""
