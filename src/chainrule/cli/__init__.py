"""The command line: one file per command, loaded when the command is used, so that `--help` answers at once."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.errors import ChainruleError, reason

if TYPE_CHECKING:
    from cyclopts import App

#: Every command with the line that describes it; its file is of the same name, with _ for -.
COMMANDS = {
    "train": "Train a recipe and write a run folder.",
    "search": "Search the values of a recipe's entries for the best ones.",
    "lint": "Find silent faults of a recipe, its data or a run, and how to mend them.",
    "lr-range": "Find a learning rate: train while it grows.",
    "evaluate": "Evaluate a run on the test set of its recipe.",
    "ensemble": "Evaluate several runs as one, beside its members.",
    "bagging": "Study bagging: errors of members and of their average.",
    "verify": "Check that a run is whole, and say the SHA-256 of its weights.",
    "predict": "Say what a run sees in image files, or write a CSV of its predictions.",
    "pictures": "Draw a run's first filters or weights, and its feature maps.",
    "summary": "Show the layers of a recipe: shapes, parameters, arithmetic, memory.",
    "trace": "Follow numbers and gradients through equations by hand.",
    "theory": "Run statements of theory: collapse, vanishing gradients, split criteria, ...",
    "cost": "Count what layers given in words cost.",
    "data": "List, download, check and draw data sets.",
    "recipes": "List the recipes that come with the package.",
    "reproduce": "Train what is reported, and put ours beside it in one table.",
    "gradcheck": "Check backward passes of a Python file, and say what is probably wrong.",
    "bench": "Time training steps side by side with other frameworks.",
    "courses": "Write the code base of a course, for its unmodified notebooks.",
    "grade": "Grade course work: run it in a limited process, and report points and faults.",
}

OK, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

EXAMPLES = """Examples:
  chainrule train
  chainrule train mnist-mlp-600 --epochs 5
  chainrule evaluate runs/digits-mlp-1
  chainrule predict runs/digits-mlp-1 photo.png"""


class StoppedAtOnce(KeyboardInterrupt):
    """A signal that ended training, or the writing of its results, at once: what to say, and the exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 1 (part of the work failed), 2 (an error), 130 (Ctrl-C),
    129 and 143 (a closed terminal and SIGTERM while training).

    Errors are one line on standard error. `argv` are the words after the program's name, those of the process if None.
    """
    try:
        return _run(argv)
    except KeyboardInterrupt:  # once more, while the first was told
        return INTERRUPTED


def _run(argv: Sequence[str] | None) -> int:
    from cyclopts import CycloptsError

    with contextlib.suppress(AttributeError, ValueError):  # replaced by a caller
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # what a terminal cannot show
    try:
        result = _app()(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
    except (ChainruleError, CycloptsError) as error:
        return _report(str(error), WRONG_INPUT)
    except BrokenPipeError:
        _abandon_stdout()
        return FAILED
    except OSError as error:
        return _report(_told(error), WRONG_INPUT)
    except StoppedAtOnce as stop:
        return _report(str(stop), stop.status)
    except KeyboardInterrupt:
        return _report("interrupted", INTERRUPTED)
    return result if isinstance(result, int) else OK


def _app() -> App:
    from cyclopts import App

    from chainrule import __version__

    app = App(
        name="chainrule",
        help="Train, evaluate and look into neural networks.",
        help_epilogue=EXAMPLES,
        help_format="plaintext",
        version=f"chainrule {__version__}",
        print_error=False,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    for name, line in COMMANDS.items():
        app.command(f"chainrule.cli.{name.replace('-', '_')}:app", name=name, help=line)
    return app


def _told(error: OSError) -> str:
    """An error of the system in plain words, the path first where it is known."""
    where = error.filename if error.filename is not None else error.filename2
    return reason(error) if where is None else f"{where}: {reason(error)}"


def _report(message: str, status: int) -> int:
    sys.stdout.flush()
    print("error:", " ".join(message.split()), file=sys.stderr)
    return status


def _abandon_stdout() -> None:
    """The reader of our output is gone: what is still buffered must not raise again when Python exits."""
    import os

    sink: Any = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())
