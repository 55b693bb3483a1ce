"""`diagnose`: run the cases, test every hypothesis on each, and keep those that explain all that is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.check.diagnosis.arguments import Prepared, prepare_functions, squared
from chainrule.check.diagnosis.construct import prepare_layer, prepare_model, prepare_object
from chainrule.check.diagnosis.findings import Cause, Diagnosis, Row
from chainrule.check.diagnosis.hypotheses import HYPOTHESES, Hypothesis
from chainrule.check.diagnosis.hypotheses.corners import Corner
from chainrule.check.diagnosis.hypotheses.hypothesis import Match
from chainrule.check.diagnosis.hypotheses.one_change import OneChange
from chainrule.check.diagnosis.repair import find_repair
from chainrule.check.diagnosis.sample import Sample
from chainrule.check.diagnosis.user_code import UserCodeError, is_callable_pair, preserved_randomness
from chainrule.errors import ChainruleError, DTypeError, describe, require_number
from chainrule.layers import Layer
from chainrule.typed import typed

#: Further explanations of one argument that a report lists after the first.
MOST_ALTERNATIVES = 1
#: After these nothing is known of the cause, and the code itself is tried with changes.
UNNAMED = ("unexplained", "partly-wrong")

Found = dict[tuple[str, str, str], tuple[Hypothesis, Match, set[int]]]  # (argument, hypothesis, label) -> ... cases


@typed
def diagnose(
    forward: Any,
    backward: Any = None,
    *,
    values: Mapping[str, Any] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    kind: str | None = None,
    seed: int = 0,
    corners: bool = True,
    repair: bool = True,
    name: str | None = None,
) -> Diagnosis:
    """Check a backward pass against numerical differentiation, and say what is probably wrong with it.

    forward: a function (x, w, ...) -> (out, cache) with `backward`; or alone: a loss (x, y) -> (loss, gradients), a
    `Layer`, an object or a class with methods forward and backward, a model with `params` and `loss(X, y)`.
    backward: (dout, cache) -> the gradients, in the order of forward's arguments, or a dictionary by name.
    values: argument -> value; floating-point arrays are differentiated, all else is passed on. shapes: argument -> the
    shape of an array to draw. What neither has is drawn as the kind needs it, or found by trying.
    kind: one of `KINDS` in place of the one that the name suggests. corners: look at kinks, ties, large inputs and
    float32 too. repair: where no known fault explains the numbers, look for one change of a line that mends the code.
    name: for the report.

    Raises `ConfigError` where no arguments are found. What goes wrong in the checked code is a finding.

    >>> def square_forward(x):
    ...     return x**2, x
    >>> def square_backward(dout, x):
    ...     return x * dout
    >>> found = diagnose(square_forward, square_backward)
    >>> found.verdict, found.causes[0].name, found.causes[0].equation
    ('wrong', 'factor-two', 'dx = 2 * (yours)')
    """
    require_number("diagnose", "seed", seed, integer=True, low=0)
    values = {} if values is None else dict(values)
    shapes = {} if shapes is None else {n: _shape(n, s) for n, s in shapes.items()}
    label = _label(forward) if name is None else name
    try:
        with preserved_randomness():
            prepared = _prepare(forward, backward, label, values, shapes, kind, seed)
            return _diagnose(prepared, label, seed, corners, repair)
    except UserCodeError as error:
        where = "forward" if error.stage == "forward" else "backward"
        cause = Cause("raises", f"{where} raises an exception", (), str(error))
        return Diagnosis(label, kind, "wrong", (cause,), (), "none", (), str(error))


def _prepare(
    forward: Any,
    backward: Any,
    name: str,
    values: Mapping[str, Any],
    shapes: Mapping[str, Sequence[int]],
    kind: str | None,
    seed: int,
) -> Prepared:
    if backward is not None:
        for word, function in (("forward", forward), ("backward", backward)):
            if not callable(function):
                raise DTypeError(f"diagnose: {word} must be a function, got {describe(function)}")
        return prepare_functions(forward, backward, name, values, shapes, kind, seed)
    if isinstance(forward, Layer):
        return prepare_layer(forward, values, shapes, seed)
    if isinstance(forward, type) and issubclass(forward, Layer):
        return prepare_layer(forward.examples()[0][0], values, shapes, seed)
    if is_callable_pair(forward):
        return prepare_object(forward, name, values, shapes, seed)
    if callable(getattr(forward, "loss", None)):
        return prepare_model(forward, name, values, shapes, seed)
    if callable(forward) and not isinstance(forward, type):
        return prepare_functions(forward, None, name, values, shapes, kind, seed)
    raise DTypeError(f"diagnose: forward must be a function, a layer, an object or a model, got {describe(forward)}")


def _label(forward: Any) -> str:
    return str(getattr(forward, "__name__", type(forward).__name__))


def _shape(name: str, shape: Any) -> tuple[int, ...]:
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    for size in sizes:
        require_number("diagnose", f"the shape of {name}", size, integer=True, low=1)
    return sizes


def _diagnose(prepared: Prepared, name: str, seed: int, corners: bool, repair: bool) -> Diagnosis:
    samples: list[Sample] = []
    for i, case in enumerate(prepared.cases):
        try:
            samples.append(Sample(prepared, case, seed + i))
        except (UserCodeError, ChainruleError):
            if i == 0:
                raise
    return diagnosis_of(samples, name, corners, repair)


def diagnosis_of(samples: list[Sample], name: str, corners: bool, repair: bool) -> Diagnosis:
    """The diagnosis of some cases of one subject."""
    first = samples[0]
    prepared = first.prepared
    found: Found = {}
    for i, s in enumerate(samples):
        _examine(s, i, HYPOTHESES, corners and i == 0, found)
    notes = list(prepared.notes)
    if any(s.failure for s in samples) and any(h.name == "raises" for h, _, _ in found.values()):
        notes.extend(_try_squares(first, found))
    notes.extend(dict.fromkeys(words for s in samples for words in s.untested))
    causes = _ranked(found, samples)
    if causes and causes[0].name in UNNAMED and repair:
        causes = _repaired(samples, causes)
    if prepared.failure:
        causes.append(Cause("raises", "the function raises an exception", (), prepared.failure))
    rows = _merged(samples)
    untold = [row for row in rows if not row.told]
    notes.extend(f"{row.argument}: {row.problem}" for row in untold)
    surplus = max(s.surplus for s in samples)
    if surplus:
        notes.append(f"backward returned {surplus} more gradient{'s' if surplus > 1 else ''} than there are arguments")
    verdict = "wrong" if causes else "unknown" if untold else "right"
    failure = next((s.failure for s in samples if s.failure), prepared.failure)
    plans = {s.plan(n).method for s in samples[:1] for n in s.subject.wanted}
    method = next((m for m in ("central", "complex", "extended") if m in plans), "none")
    kind = None if prepared.kind is None else prepared.kind.name
    return Diagnosis(name, kind, verdict, tuple(causes), tuple(rows), method, tuple(notes), failure)


def _repaired(samples: list[Sample], causes: list[Cause]) -> list[Cause]:
    """The causes with the one change of a line that mends the code in the place of "unexplained", if there is one."""
    found = find_repair(samples)
    if found is None:
        return causes
    arguments = tuple(dict.fromkeys(name for s in samples for name in s.wrong))
    words = f"{found.place} reads  {found.edit.before} ;  with this one change every gradient is right"
    cause = Cause(OneChange.name, OneChange.title, arguments, words, found.edit.after, 0.0)
    return [cause, *(c for c in causes if c.name != "unexplained")]


def probable_causes(s: Sample) -> list[Cause]:
    """What explains the numbers of one case whose passes cannot be run again."""
    found: Found = {}
    _examine(s, 0, [h for h in HYPOTHESES if h.rank == 1], False, found)
    return _ranked(found, [s])


def _examine(s: Sample, case: int, hypotheses: Iterable[Hypothesis], corners: bool, found: Found) -> None:
    for hypothesis in hypotheses:
        if isinstance(hypothesis, Corner) and not corners:
            continue
        if hypothesis.kinds and (s.kind is None or s.kind.name not in hypothesis.kinds):
            continue
        try:
            with np.errstate(all="ignore"):
                matches = list(hypothesis.examine(s))
        except UserCodeError:  # the code fails on the values that this hypothesis needs
            continue
        except (ArithmeticError, LookupError, TypeError, ValueError, np.linalg.LinAlgError) as error:
            # What the code returned is odder than this hypothesis can read; the others still apply.
            s.untested.append(f"{hypothesis.name} could not be tested ({type(error).__name__}: {error})")
            continue
        for match in matches:
            for argument in match.arguments:
                key = (argument, hypothesis.name, match.label)
                _, _, cases = found.setdefault(key, (hypothesis, match, set()))
                cases.add(case)


def _try_squares(s: Sample, found: Found) -> list[str]:
    """Where shapes do not fit, arrays with equal axes do: what is wrong on those is likely why."""
    values = squared(s.values, s.roles, 0)
    if values is None or not s.failure:
        return []
    try:
        square = Sample(s.prepared, values, 0)
    except (UserCodeError, ChainruleError):
        return []
    if square.failure or not square.wrong:
        return []
    _examine(square, 0, [h for h in HYPOTHESES if h.rank == 1], False, found)
    return ["backward runs only where all axes are equally long; the causes were found on such arrays"]


def _ranked(found: Found, samples: list[Sample]) -> list[Cause]:
    order = {h.name: i for i, h in reversed(list(enumerate(HYPOTHESES)))}
    arguments = list(dict.fromkeys(argument for argument, _, _ in found))
    chosen: list[tuple[Hypothesis, Match, str, set[int], int]] = []
    for argument in arguments:
        wrong_in = {i for i, s in enumerate(samples) if argument in s.wrong}
        entries = [(h, m, cases) for (a, _, _), (h, m, cases) in found.items() if a == argument]
        by_name: dict[str, set[int]] = {}
        for h, _, cases in entries:
            by_name.setdefault(h.name, set()).update(cases)

        def tier(
            entry: tuple[Hypothesis, Match, set[int]], wrong_in: set[int] = wrong_in, by_name: Any = by_name
        ) -> int:
            h, _, cases = entry
            return 0 if wrong_in <= cases else 1 if wrong_in <= by_name[h.name] else 2

        entries.sort(key=lambda e: (e[0].rank, tier(e), order[e[0].name]))
        seen: set[str] = set()
        explained = 0
        for h, m, cases in entries:
            if h.name in seen or (h.rank == 2 and seen and h.name not in ("dout-changed", "cache-changed", "raises")):
                continue
            if h.rank == 1 and (explained > MOST_ALTERNATIVES or (explained and tier((h, m, cases)) > 0)):
                continue
            seen.add(h.name)
            chosen.append((h, m, argument, cases, explained if h.rank == 1 else 0))
            explained += h.rank == 1
    groups: dict[tuple[str, str], list[tuple[Hypothesis, Match, str, set[int], int]]] = {}
    for entry in chosen:
        groups.setdefault((entry[0].name, entry[1].label), []).append(entry)
    ranked = sorted(
        groups.values(), key=lambda g: (g[0][0].rank, min(e[4] for e in g), -len(g), order[g[0][0].name])
    )  # fmt: skip
    return [_cause(group, samples) for group in ranked]


def _cause(group: list[tuple[Hypothesis, Match, str, set[int], int]], samples: list[Sample]) -> Cause:
    hypothesis = group[0][0]
    arguments = tuple(dict.fromkeys(entry[2] for entry in group))
    cases = set().union(*(entry[3] for entry in group))
    equations = dict.fromkeys(entry[1].equation for entry in group if entry[1].equation)
    explanations = dict.fromkeys(entry[1].explanation for entry in group)
    agreements = [entry[1].agreement for entry in group if entry[1].agreement is not None]
    only = len(cases) < len(samples) and 0 not in cases and max(cases) < len(samples)
    return Cause(
        name=hypothesis.name,
        title=hypothesis.title,
        arguments=arguments,
        explanation="; ".join(list(explanations)[:3]),
        equation=";  ".join(list(equations)[:3]),
        agreement=max(agreements) if agreements else None,
        case=_words(samples[min(cases)]) if only else "",
    )


def _words(s: Sample) -> str:
    shapes = ", ".join(
        f"{n} {v.shape}" for n, v in s.values.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"
    )
    options = ", ".join(f"{n} = {v}" for n, v in s.options.items())
    return f"with {shapes}" + (f", {options}" if options else "")


def _merged(samples: list[Sample]) -> list[Row]:
    """For each argument the row of the first case in which it is wrong, else of the first."""
    rows = []
    for i in range(len(samples[0].rows)):
        candidates = [s.rows[i] for s in samples]
        rows.append(next((r for r in candidates if not r.right), candidates[0]))
    return rows
