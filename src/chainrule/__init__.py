"""chainrule: a neural-network toolkit whose every layer is written out, machine-checked and fast.

>>> import chainrule as cr
>>> network = cr.Network([cr.Affine(100), cr.ReLU(), cr.Affine(10)], input_shape=784)

The public names are those of the modules listed in `PUBLIC`. They are loaded at first use, so that importing the
package costs little more than importing NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

#: Where public names are looked up, in this order.
PUBLIC = (
    "layers",
    "losses",
    "initializers",
    "optim",
    "network",
    "engines",
    "solver",
    "check",
    "analysis",
    "errors",
)

if TYPE_CHECKING:
    from chainrule.check import *
    from chainrule.engines import *
    from chainrule.errors import *
    from chainrule.initializers import *
    from chainrule.layers import *
    from chainrule.losses import *
    from chainrule.network import *
    from chainrule.optim import *
    from chainrule.solver import *


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    try:
        return importlib.import_module(f"chainrule.{name}")  # before the lists, so that no import can go in a circle
    except ModuleNotFoundError as error:
        if error.name != f"chainrule.{name}":
            raise
    for module_name in PUBLIC:
        module = importlib.import_module(f"chainrule.{module_name}")
        if name in _names(module):
            return getattr(module, name)
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")


def __dir__() -> list[str]:
    names = {n for m in PUBLIC for n in _names(importlib.import_module(f"chainrule.{m}"))}
    return sorted(names | set(PUBLIC) | set(globals()))


def _names(module: Any) -> set[str]:
    """What a module offers: its `__all__`, or the classes and functions that a package defines."""
    if hasattr(module, "__all__"):
        return set(module.__all__)
    own = module.__name__
    return {
        n for n, v in vars(module).items() if not n.startswith("_") and getattr(v, "__module__", "").startswith(own)
    }
