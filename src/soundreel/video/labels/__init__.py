"""What a file says of itself to players and file managers: title, artist, date, a picture."""
