"""What the words say: vocabulary, palettes, composition. For `draw`, and for `scenes`."""
