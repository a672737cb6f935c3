"""What this machine has to have before a model is opened: packages, kernels, its allocator."""
