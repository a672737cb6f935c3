"""Looks that show a thing: a ball of points, a record, a card."""
