"""The training loop, its callbacks, history and checkpoints."""
