"""What a client asks for, read by the one table of options; what the server allows."""
