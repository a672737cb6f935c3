"""Any sound as exact samples, and what they say. Import `load`, `segment`, `features`."""
