"""The picture, with an image and without. For `portrait`, and for `scenes`."""
