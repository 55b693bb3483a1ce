"""Bad input for every public entry point: which there are, a valid call of each, kinds of bad value, and verdicts."""
