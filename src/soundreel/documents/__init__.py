"""Plans and failures as JSON, for the command line and the server."""
