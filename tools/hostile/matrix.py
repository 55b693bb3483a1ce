"""Every entry point's valid call, with each argument in turn replaced by each kind of bad value."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import inspect
import io
import os
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.typed import _resolved
from hostile import verdict
from hostile.calls import Call, call_of
from hostile.entries import EXCLUDED, Entry, all_entries, reason_to_leave_out
from hostile.things import NEEDS_DATA
from hostile.values import kinds_for
from hostile.verdict import Expectation, Verdict, judge, judge_arguments, run


@dataclasses.dataclass(frozen=True)
class Case:
    """One bad value in one place, and what came of it."""

    entry: str
    argument: str
    kind: str
    verdict: Verdict


def covered() -> list[Entry]:
    """The entry points of the matrix: all that take arguments, but for those left out."""
    return [e for e in all_entries() if reason_to_leave_out(e, EXCLUDED) is None and e.signature.parameters]


#: Entry points whose calls start processes or train: of their cases one in so many is run.
SLOW = ("search.search", "ensembles.train_*", "grade.grade*", "check.gradcheck_file", "search.lr_range")
SLOW_SHARE = 8


def is_slow(entry: Entry) -> bool:
    """Whether a call takes about a second."""
    return any(fnmatch.fnmatchcase(entry.name, pattern) for pattern in SLOW)


def cases(entry: Entry, *, share: int = 1, turn: int = 0) -> Iterator[Case]:
    """The cases of one entry point; with `share` n, about one in n, which ones depending on `turn`.

    Raises what the valid call raises, if it does.
    """
    share = share * SLOW_SHARE if is_slow(entry) else share
    call = call_of(entry)
    baseline = _valid_result(call)
    hints = _hints(entry)
    for parameter in entry.signature.parameters.values():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        valid = call.make()[1].get(parameter.name)
        for kind, value in kinds_for(valid):
            number = zlib.crc32(f"{entry.name} {parameter.name} {kind.name}".encode())
            if number % share != turn % share:
                continue
            np.random.seed(0)
            function, arguments = call.make()
            changed = {**arguments, parameter.name: value}
            expected = Expectation(
                parameter.name,
                ("",) if _needs_data(entry) else _names(parameter.name, valid, arguments),
                hints.get(parameter.name, Any),
                valid,
                baseline,
                "same" if _is_form(entry, parameter.name, kind.name) else kind.relation,
                value,
                _takes_shape(entry, parameter.name, kind.name),
                parameter.default,
                _takes_value(entry, parameter.name, kind.name),
            )
            yield Case(entry.name, parameter.name, kind.name, judge(call.bound(changed, function), expected))
    yield from _wrong_arguments(entry, call, baseline)


def _valid_result(call: Call) -> Any:
    np.random.seed(0)
    function, arguments = call.make()
    try:
        return run(call.bound(arguments, function))
    except ChainruleError:
        if _needs_data(call.entry):
            return None
        raise


def _needs_data(entry: Entry) -> bool:
    """Whether even the valid call can only say what is missing, so that a message may speak of that first."""
    return any(fnmatch.fnmatchcase(entry.name, pattern) for pattern in NEEDS_DATA)


def _hints(entry: Entry) -> dict[str, Any]:
    function = entry.target
    if entry.member:
        function = inspect.unwrap(getattr(entry.owner, entry.member))
    elif entry.owner is not None:
        function = entry.owner if dataclasses.is_dataclass(entry.owner) else _constructor(entry.owner)
    found = {}
    names = getattr(inspect.unwrap(function), "__globals__", vars(sys.modules[function.__module__]))
    for base in reversed(getattr(function, "__mro__", (function,))):
        for name, hint in getattr(inspect.unwrap(base), "__annotations__", {}).items():
            found[name] = _resolved(hint, names)
    return found


def _names(argument: str, valid: Any, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """What a message may call an argument: its name, without _ and in the singular; the keys of a dictionary."""
    names = [argument, argument.replace("_", " "), *ALIASES.get(argument, ())]
    if argument == "cache":  # it and the cotangent may belong to different passes
        names += ["dout", "dscores"]
    if isinstance(valid, (np.ndarray, Mapping)):  # two arrays that do not fit: either may be named
        names += [other for other, value in arguments.items() if isinstance(value, (np.ndarray, Mapping))]
    if argument.endswith("s") and len(argument) > 3:
        names.append(argument[:-1])
    if isinstance(valid, Mapping):
        names += [str(key).rstrip("0123456789.") for key in valid]
    return tuple(names)


#: What else a message may call an argument: the axes it gives, the memory it asks for.
ALIASES: dict[str, tuple[str, ...]] = {
    "x": ("does not fit", "scores"),
    "scores_shape": ("scores",),
    "keys": ("got no",),
    "cache": ("dropout_param",),
    "x_shape": ("x has axes", "got shape", "x of shape", "of x", "does not fit"),
    "weights": ("parameter",),
    "backward": ("forward must be",),
    "targets": (" y must",),
    "runs": ("members",),
    "delimiter": ("columns",),
    "header": ("columns",),
    "text": ("unknown name", "equation", "not toml"),
    "y": ("labels",),
    "train": ("indices",),
    "val": ("indices",),
    "test": ("indices",),
    "subject": ("data goes with",),
    "classes": ("units", "must fit in memory"),  # what the layer that is given it calls it
    "hidden_dim": ("units", "layer sizes", "must fit in memory"),
    "hidden_dims": ("units", "layer sizes", "must fit in memory"),
    "input_dim": ("layer sizes", "must fit in memory"),
    "num_classes": ("layer sizes",),
    "filter_size": ("kernel", "does not fit", "must fit in memory"),
    "num_filters": ("filters", "must fit in memory"),
    "filters": ("must fit in memory",),
    "padding": ("must fit in memory", "does not fit"),
    "weight_scale": ("scale",),
    "pool": ("size", "does not fit"),
    "pool_stride": ("stride",),
    "theta": ("w ", "of w"),
    "theta0": ("b ",),
    "class_names": ("labels", "class name"),
    "cols": ("x_shape",),
    "X": ("does not fit", "x has axes"),
    "dtheta": ("dw",),
    "rows": ("must fit in memory",),
    "batches": ("one number a batch",),
    "input_shape": ("x has axes", "got shape", "must fit in memory"),
}

_ROWS = ("first row only", "one row less", "one row more")
_INPUTS = ("with an axis more at the end", "one column less", "one column more", "last axis of one")
_COLUMNS = ("one column less", "one column more", "transposed")
#: Where an array of another shape is as good: entry point, argument, the kinds meant (none: all), and why.
OTHER_SHAPES: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("layers.*", "x", (), "a layer matches the declared axes in front of its passes, and its tensors pin them"),
    ("losses.*", "scores", (*_ROWS, *_COLUMNS, "array of NaN"), "any (N, C), and y must have N rows of that C"),
    ("losses.SquaredError.predict", "scores", (), "scores of any shape are their own prediction"),
    ("courses.*", "x", (), "a face of a layer, which matches shapes, or works element by element"),
    ("courses.*", "w", (), "weights of a layer, which matches shapes"),
    ("courses.*", "theta", (), "weights of a layer, which matches shapes"),
    ("courses.*", "b", (), "biases of a layer, which matches shapes"),
    ("courses.*", "Xs", (), "any images"),
    ("courses.*", "gamma", (), "as many numbers as channels, in one axis or four"),
    ("courses.*", "beta", (), "as many numbers as channels, in one axis or four"),
    ("data.Dataset", "X", _INPUTS, "inputs (N, ...) of any shape: nothing else tells what it has to be"),
    ("data.Loader", "X", (), "images of any size"),
    ("data.Dataset.take", "indices", _ROWS, "as many rows as are asked for"),
    ("data.split_by_indices", "train", _ROWS, "as many rows as are asked for"),
    ("data.Normalizer.fit", "X_train", (), "what it is fitted on"),
    ("data.to_float", "X", (), "an array of any shape"),
    ("data.flatten", "X", (), "rows of any shape become vectors"),
    ("data.augment.*", "x", (), "images of any size"),
    ("data.augment.*.mix", "t", (*_COLUMNS, *_INPUTS, "without its last axis", "array of NaN"), "targets (N, ...)"),
    ("data.NormalizedRows.__getitem__", "rows", (), "as many rows as are asked for"),
    ("ensembles.bagging_table", "errors", (), "any number of members and rows"),
    ("optim.*.init", "w", (), "slots are made in the shape of w"),
    ("*", "X", _ROWS, "any number of rows, and y must have as many"),
    ("network.Network.forward", "x", _ROWS, "any number of rows"),
    ("engines.*", "x", _ROWS, "any number of rows, and y must have as many"),
)


#: Where a value that the signature does not show is meant to be taken: entry point, argument, kinds, and why.
OTHER_VALUES: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("layers.*.forward", "params", ("None",), "no parameters, as in the examples of layers that have none"),
    ("losses.SoftmaxCrossEntropy", "class_weights", ("array of integers",), "an array of numbers is read as a list"),
    ("data.Loader", "X", ("labels as floats",), "pixels as numbers are another data set"),
    ("data.NormalizedRows.__getitem__", "rows", ("slice", "ellipsis"), "rows are taken as those of an array"),
    ("check.check_gradient", "gradient", (), "a gradient of another form is what the check reports"),
    ("check.check_gradient", "x", ("as single precision",), "the gradient is given at the unrounded point"),
    ("check.diagnose", "forward", ("function that raises",), "a pass that fails is what the diagnosis reports"),
    ("courses.*.eval_numerical_gradient", "f", ("function that returns NaN",), "its NaN shows in the differences"),
    ("courses.*.eval_numerical_gradient*", "x", ("as single precision",), "differences of h = 1e-5 are rough in it"),
    ("check.diagnose", "forward", ("the class instead of an object",), "a layer's class stands for its first example"),
    ("check.relative_error", "*", ("as single precision",), "an error is relative to the accuracy of the dtype"),
    ("ensembles.write_submission", "ids", ("range", "with a negative entry"), "any distinct names or numbers"),
    ("engines.*.steps", "losses", (), "whatever list it is, losses are appended"),
    ("initializers.*.__call__", "rng", (), "not looked at by what draws nothing; those that draw refuse it"),
)

#: Where an array of another shape says the same, so that it has to give the same result: entry point, argument, kinds.
_FLATTENED = "X (N, d1, ..., dk) is read as (N, d1 ... dk), as the courses document"
OTHER_FORMS: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("courses.*.fc_net.*.loss", "X", ("with an axis more at the end",), _FLATTENED),
    ("courses.*.logistic.*.loss", "X", ("with an axis more at the end",), _FLATTENED),
    ("courses.*.svm.*.loss", "X", ("with an axis more at the end",), _FLATTENED),
    ("courses.*.softmax.*.loss", "X", ("with an axis more at the end",), _FLATTENED),
    ("courses.*.solver.Solver.check_accuracy", "X", ("with an axis more at the end",), f"its model: {_FLATTENED}"),
)


def _is_form(entry: Entry, argument: str, kind: str) -> bool:
    return any(fnmatch.fnmatchcase(entry.name, e) and argument == a and kind in kinds for e, a, kinds, _ in OTHER_FORMS)


def _takes_value(entry: Entry, argument: str, kind: str) -> bool:
    return any(
        fnmatch.fnmatchcase(entry.name, e) and a in (argument, "*") and (not kinds or kind in kinds)
        for e, a, kinds, _ in OTHER_VALUES
    )


def _takes_shape(entry: Entry, argument: str, kind: str) -> bool:
    return any(
        fnmatch.fnmatchcase(entry.name, e) and argument == a and (not kinds or kind in kinds)
        for e, a, kinds, _ in OTHER_SHAPES
    )


def _wrong_arguments(entry: Entry, call: Call, valid_result: Any) -> Iterator[Case]:
    """An unknown keyword, too many positional arguments, one missing."""
    parameters = entry.signature.parameters.values()
    function, arguments = call.make()
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        bound = call.bound(arguments, function)
        yield Case(entry.name, "", "unknown keyword", judge_arguments(lambda: bound(no_such_name=1)))
    if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        many = [0] * (len(entry.signature.parameters) + 1)
        yield Case(entry.name, "", "too many arguments", judge_arguments(lambda: function(*many)))
    for parameter in parameters:
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            function, arguments = call.make()
            arguments.pop(parameter.name)
            yield Case(
                entry.name, parameter.name, "missing", judge_arguments(call.bound(arguments, function), valid_result)
            )


def _constructor(cls: type) -> Any:
    """The `__init__` that `cls` has or inherits; the class itself where nobody wrote one."""
    return next(filter(inspect.isfunction, (vars(base).get("__init__") for base in cls.__mro__)), cls)


@contextlib.contextmanager
def quiet_in(folder: Path) -> Iterator[None]:
    """Run in `folder`, with what is printed kept away, NumPy's warnings as they are, and 4 GB of memory at most."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            np.errstate(divide="warn", over="warn", invalid="warn", under="ignore"),
        ):
            yield
    finally:
        os.chdir(before)


__all__ = ["Case", "cases", "covered", "quiet_in", "verdict"]
