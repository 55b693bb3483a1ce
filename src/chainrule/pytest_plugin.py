"""A pytest plugin with one fixture, `gradcheck`; pytest finds it wherever chainrule is installed.

    def test_my_affine(gradcheck):
        gradcheck(affine_forward, affine_backward)

Nothing of chainrule but this file is imported before a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from chainrule.check import Diagnosis


@pytest.fixture
def gradcheck() -> Callable[..., Diagnosis]:
    """`gradcheck(forward, backward, ...)`: fail with the whole diagnosis unless the backward pass is right.

    It takes what `chainrule.check.diagnose` takes: a pair of functions, a loss, a layer, an object or a model, with
    `values`, `shapes`, `kind`, `seed`, `corners` and `name`; and returns the `Diagnosis`.
    """

    def check(forward: Any, backward: Any = None, **options: Any) -> Diagnosis:
        __tracebackhide__ = True
        from chainrule.check import diagnose

        found = diagnose(forward, backward, **options)
        if not found.ok:
            pytest.fail(found.report(), pytrace=False)
        return found

    return check
