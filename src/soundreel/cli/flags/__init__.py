"""What can be typed: the options of the commands, made from the tables."""
