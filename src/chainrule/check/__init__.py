"""Gradient and layer checks: every backward pass is held against numbers it did not compute."""
