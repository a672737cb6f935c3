"""What is right and what is wrong: a file for each kind of fault, with thresholds and reasons."""
