"""What a person can ask for: one table of options, and how their values are read."""
