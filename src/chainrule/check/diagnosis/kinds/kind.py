"""What a kind of layer is: how functions of that kind are called, the roles of their arguments, and layouts.

A layout is a list of cases (role -> shape, or a value), the first layout whose first case the function accepts is used.
Sizes differ from each other wherever they may, because equal sizes hide transposed and swapped axes; 1 and 2 are
avoided, because a batch of 2 makes "divided by N" and "halved" the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chainrule.check.diagnosis.kinds.cases import Case


@dataclass(frozen=True)
class Kind:
    """One kind of layer or loss.

    name: as reports use it. pattern: a regular expression for the function's name in lower case, less "forward".
    roles: of the positional arguments, in order. options: roles that are taken by name only. layouts: see above.
    equations: role -> the right gradient, for the roles that have one. loss: whether it returns (loss, gradient).
    elementwise: whether each output depends on its own input only.
    """

    name: str
    pattern: str
    roles: tuple[str, ...]
    layouts: tuple[tuple[Case, ...], ...]
    equations: Mapping[str, str]
    options: tuple[str, ...] = ()
    loss: bool = False
    elementwise: bool = False

    @property
    def gradients(self) -> tuple[str, ...]:
        """The roles that a backward pass returns gradients of."""
        return tuple(r for r in self.roles if r in self.equations)
