"""A test that takes `instruction_set` runs once for each that this machine has."""

from __future__ import annotations

import pytest

from chainrule.engines.native import is_available


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "instruction_set" in metafunc.fixturenames:
        known: list[str] = []
        if is_available():
            from chainrule.engines import _native

            known = _native.instruction_sets()
        metafunc.parametrize("instruction_set", known)
