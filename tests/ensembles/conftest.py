"""Members are trained without the pictures of their runs, which take longer than their training; others test those."""

import functools

import pytest

import chainrule.ensembles.runs as runs


@pytest.fixture(autouse=True, scope="package")
def _no_pictures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "finish", functools.partial(runs.finish, figures=False))
        yield
