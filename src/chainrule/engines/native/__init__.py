"""The native engine: layers lowered to a plan of kernel calls, run by a compiled module."""

from __future__ import annotations

from chainrule.engines.native.engine import NativeEngine as NativeEngine
from chainrule.engines.native.engine import default_threads as default_threads
from chainrule.engines.native.plan import Plan as Plan


def is_available() -> bool:
    """Whether the compiled module is installed."""
    try:
        from chainrule.engines import _native  # noqa: F401
    except ImportError:
        return False
    return True
