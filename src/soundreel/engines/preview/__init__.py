"""Pictures drawn on the CPU from the sound. Only `engine` and `options` are for others."""
