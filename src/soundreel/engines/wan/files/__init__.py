"""Weight files: found, recognised, chosen, fetched. No torch; of `model` only `names`."""
