"""What is measured of a file: pictures, sound, a mouth, and the lag of one behind the other."""
