"""One server, whatever happens to it. Import `server`, and `results` for what it gives."""
