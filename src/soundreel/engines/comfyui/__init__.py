"""The user's own ComfyUI servers. Only `engine` and `options` are for others."""
