"""From noise to latents: solvers, guidance, how many passes, what is told on the way."""
