"""Weight files into modules: mapped, fp8, LoRA. Import `models`."""
