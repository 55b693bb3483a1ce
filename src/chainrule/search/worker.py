"""A process that takes trials from a study until there are none left: `python -m chainrule.search.worker`.

Its orders come as one line of JSON on standard input (a storage's URL may hold a password, which the list of processes
would show). When standard input ends, whoever started it has stopped or died: the trial at hand is handed back.
Exit status: 0 when the search is done or stopped, 2 after an error, which is a line of JSON on standard output.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import warnings
from typing import Any

from chainrule.errors import ChainruleError
from chainrule.search.ledger import Ledger, wait
from chainrule.search.trial import Sources, run_trial

POLL_SECONDS = 0.5


def work(ledger: Ledger, worker: str, stop: threading.Event, engine: str = "auto", poll: float = POLL_SECONDS) -> None:
    """Take and train trials until none is left or `stop` is set."""
    sources = Sources()
    while not stop.is_set():
        claim = ledger.claim(worker)
        if claim == "done":
            return
        if claim == "wait":
            wait(poll, stop)
            continue
        with ledger.alive(claim):
            run_trial(ledger, claim, sources, stop, engine)


def main() -> int:
    """Read the orders and work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the starter's business, who ends standard input
    orders: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    stop = threading.Event()
    threading.Thread(target=_watch_input, args=(stop,), daemon=True).start()
    warnings.simplefilter("ignore")  # a line a trial would bury everything else
    try:
        ledger = Ledger(orders["storage"], orders["study"], lease=orders["lease"])
        try:
            work(ledger, orders["worker"], stop, orders["engine"])
        finally:
            ledger.storage.close()
    except ChainruleError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 2
    return 0


def _watch_input(stop: threading.Event) -> None:
    # Read from the descriptor itself: a buffered reader's lock would be held while the interpreter shuts down.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
