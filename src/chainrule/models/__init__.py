"""Functions that return networks."""
