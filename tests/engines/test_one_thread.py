"""NumPy's products on one thread while the reference engine runs, and as many as before afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import chainrule as cr
from chainrule.engines.one_thread import VARIABLE, one_thread

LIBRARIES = [library for library in threadpool_info() if library["user_api"] == "blas"]


def threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.mark.skipif(not LIBRARIES, reason="no BLAS whose threads can be set")
def test_one_thread_within_and_as_many_as_before_after(monkeypatch: pytest.MonkeyPatch) -> None:
    with threadpool_limits(2, user_api="blas"):
        if threads() != {2}:
            pytest.skip("BLAS has no threads here")
        with one_thread(), one_thread():
            assert threads() == {1}
        assert threads() == {2}
        with pytest.raises(ZeroDivisionError), one_thread():
            _ = 1 / 0
        assert threads() == {2}
        monkeypatch.setenv(VARIABLE, "0")
        with one_thread():
            assert threads() == {2}


@pytest.mark.skipif(not LIBRARIES, reason="no BLAS whose threads can be set")
def test_steps_and_scores_run_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []

    class Looking(cr.Affine):
        def forward(self, *arguments: Any, **named: Any) -> Any:
            seen.append(threads())
            return super().forward(*arguments, **named)

    network = cr.Network([Looking(3)], input_shape=4)
    engine = cr.ReferenceEngine(network, cr.SGD(0.1))
    x, y = np.ones((2, 4), np.float32), np.array([0, 2])
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        for run in (engine.step, engine.loss_and_gradients, engine.evaluate):
            run(x, y)
        engine.predict(x)
        assert threads() == before
    assert len(seen) == 4
    assert seen == [{1}] * 4
