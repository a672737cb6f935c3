"""Still images: read once, checked, upright, opaque."""
