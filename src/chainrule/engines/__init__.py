"""Engines: what turns (network, update rule) into a program with `step`, `loss_and_gradients` and `predict`."""
