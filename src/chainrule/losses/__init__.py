"""The explicit list of losses: a loss exists when its file is imported here, and nowhere else."""

from __future__ import annotations

from chainrule.losses.binary_hinge import BinaryHinge as BinaryHinge
from chainrule.losses.logistic import Logistic as Logistic
from chainrule.losses.loss import Loss as Loss
from chainrule.losses.multi_class_hinge import MultiClassHinge as MultiClassHinge
from chainrule.losses.softmax_cross_entropy import SoftmaxCrossEntropy as SoftmaxCrossEntropy
from chainrule.losses.squared_error import SquaredError as SquaredError

#: Every loss class, in the order of the list above.
LOSSES: tuple[type[Loss], ...] = tuple(
    v for v in list(globals().values()) if isinstance(v, type) and issubclass(v, Loss) and v is not Loss
)
