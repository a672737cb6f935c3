"""Many hands for one plan. The bytes do not depend on them."""
