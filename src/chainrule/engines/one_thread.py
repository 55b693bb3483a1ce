"""NumPy's products on one thread, so that their last bits do not depend on how many threads a machine has.

A threaded BLAS cuts a sum by the number of its threads, and another cut is another rounding. The native engine cuts by
the size of the problem alone; what runs in NumPy (the reference engine, layers without a kernel, models of your own)
has one thread while it trains. CHAINRULE_DETERMINISTIC=0 gives it all of them, and the last bits up.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from typing import Any

#: The environment variable that, set to 0, leaves NumPy its threads.
VARIABLE = "CHAINRULE_DETERMINISTIC"

_lock = threading.Lock()
_inside = 0  # how many blocks are open, in all threads
_limits: Any = None


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep NumPy's products on one thread within the block, in the whole process; blocks may lie in one another."""
    global _inside, _limits
    if os.environ.get(VARIABLE) == "0":
        yield
        return
    with _lock:
        if _inside == 0:
            _limits = _libraries().limit(limits=1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limits.restore_original_limits()


@functools.cache
def _libraries() -> Any:
    import numpy as np  # noqa: F401  its library must be there to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
