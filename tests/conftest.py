"""What every test shares: the folder of real data sets, and what Hypothesis draws."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test depends on the speed of the machine: neither on that of its examples nor on that of drawing them.
settings.register_profile("explore", deadline=None, derandomize=False, suppress_health_check=[HealthCheck.too_slow])
# What passed once passes again: the same examples every time. `make explore` draws new ones.
settings.register_profile("gate", settings.get_profile("explore"), derandomize=True, database=None)
settings.load_profile("gate")

# A job in the background of a script ignores Ctrl-C, and so would the programs that tests start and send one to.
for _number in (signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder that CHAINRULE_DATA names, with one folder a data set; the test is skipped without it."""
    given = os.environ.get("CHAINRULE_DATA")
    if not given:
        pytest.skip("needs real data sets: set CHAINRULE_DATA to the folder that holds mnist/ and binary20d/")
    return Path(given)
