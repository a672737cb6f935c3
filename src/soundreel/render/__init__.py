"""From chunks to sealed pieces of the final encoding: the part of the flow that can resume."""
