"""Many jobs by one command."""
