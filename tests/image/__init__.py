"""Videos of images."""
