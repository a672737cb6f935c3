"""What strangers give, made fit to show: text, names, secrets. Imports no other package."""
