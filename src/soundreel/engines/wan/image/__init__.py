"""Image to video: Wan 2.2 I2V, one transformer for the noisy steps and one for the fine ones."""
