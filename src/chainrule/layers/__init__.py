"""The explicit list of layers: a layer exists when its file is imported here, and nowhere else.

Every generated test, documentation row, benchmark case and recipe name follows from this list.
"""

from __future__ import annotations

from chainrule.layers.affine import Affine as Affine
from chainrule.layers.branches import Branches as Branches
from chainrule.layers.layer import Cost as Cost
from chainrule.layers.layer import Layer as Layer
from chainrule.layers.layer import Param as Param
from chainrule.layers.relu import ReLU as ReLU
from chainrule.layers.residual import Residual as Residual
from chainrule.layers.sequential import Sequential as Sequential

#: Every layer class, in the order of the list above.
LAYERS: tuple[type[Layer], ...] = tuple(
    v for v in list(globals().values()) if isinstance(v, type) and issubclass(v, Layer) and v is not Layer
)
