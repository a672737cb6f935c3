"""Text, sound and pictures for the transformer; the VAE. Imports no other room."""
