"""Recipes, networks, data and solvers without a fault, and parts of recipes in TOML: what faults are planted in."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.recipes import Experiment, apply_overrides, build, load_recipe
from chainrule.solver import Solver

LAYERS = "model.layers="
FLAT, RELU = '{ layer = "Flatten" }', '{ layer = "ReLU" }'


def affine(units: int, **options: Any) -> str:
    """An affine layer in TOML."""
    fields = "".join(f", {name} = {value}" for name, value in options.items())
    return f'{{ layer = "Affine", units = {units}{fields} }}'


def layers(*texts: str) -> str:
    """The override that replaces all layers."""
    return f"{LAYERS}[{', '.join(texts)}]"


def normal(scale: float) -> str:
    """An initialiser in TOML."""
    return f'{{ init = "Normal", scale = {scale} }}'


def sgd(rate: float) -> list[str]:
    """Plain SGD at a constant rate."""
    return ["train.update_rule=sgd", f"train.optim_config={{ learning_rate = {rate} }}", "train.weight_decay=0"]


def experiment(*overrides: str, base: str = "digits-mlp") -> Experiment:
    """A recipe built, without the warning that the linter repeats."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return build(apply_overrides(load_recipe(base), list(overrides)))


def arrays(*overrides: str) -> dict[str, Any]:
    """The digits as arrays, split and scaled."""
    return {name: np.array(value) for name, value in experiment(*overrides).data.items()}


def network(classes: int = 10, shape: Any = (1, 8, 8), **options: Any) -> cr.Network:
    """A sound network for digits."""
    return cr.Network([cr.Flatten(), cr.Affine(64), cr.ReLU(), cr.Affine(classes)], input_shape=shape, **options)


def solver_for(data: dict[str, Any], net: Any = None, **options: Any) -> Solver:
    """A solver with usual settings."""
    settings: dict[str, Any] = {"optim_config": {"learning_rate": 0.1}, "num_epochs": 20, "batch_size": 32}
    return Solver(network() if net is None else net, data, verbose=False, **settings | options)
