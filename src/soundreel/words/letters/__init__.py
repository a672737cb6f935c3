"""Letters: which fonts have them, how they join, which way they run."""
