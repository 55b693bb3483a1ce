"""Finding arguments to check a function with: as stated, as its kind has them, or by trying shapes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.check.diagnosis.kinds import kind_named, kinds_for
from chainrule.check.diagnosis.kinds.cases import Labels, draw, draw_case
from chainrule.check.diagnosis.kinds.kind import Kind
from chainrule.check.diagnosis.naming import ALIASES, base_name, owner_of, parameters_of, returned_names, roles_of
from chainrule.check.diagnosis.objects import is_real
from chainrule.check.diagnosis.subject import FunctionPair, LossFunction, Subject
from chainrule.check.diagnosis.user_code import UserCodeError, call, fresh
from chainrule.errors import ConfigError, unknown

MOST_GUESSES = 400
#: Sizes of the second case: every size of a guess becomes another, so that what runs still runs.
RELABELLED = {5: 6, 3: 7, 4: 5, 6: 3, 2: 3}


class ArgumentsNotFoundError(ConfigError):
    """No choice of arguments makes a function run: whether it is right cannot be told."""


@dataclass
class Prepared:
    """A subject with the cases to run it on; roles: argument -> role; the first case runs for certain."""

    subject: Subject
    kind: Kind | None
    roles: dict[str, str]
    cases: list[dict[str, Any]]
    notes: tuple[str, ...] = ()
    failure: str = ""  # what the code raised on the first choice of arguments


def prepare_functions(
    forward: Any,
    backward: Any,
    name: str,
    stated: Mapping[str, Any],
    shapes: Mapping[str, Sequence[int]],
    kind: str | None,
    seed: int,
) -> Prepared:
    """The subject and the cases of a pair of functions, or (`backward` None) of a loss."""
    parameters = parameters_of(forward)
    names = [p.name for p in parameters]
    for given in (*stated, *shapes):
        if given not in names:
            raise unknown(f"argument of {name}", given, names)
    required = [p.name for p in parameters if p.default is p.empty]
    base = base_name(name)
    candidates = [kind_named(kind)] if kind is not None else kinds_for(base, names, loss=backward is None)

    def explicit(rng: np.random.Generator) -> dict[str, Any]:
        drawn = {n: draw(tuple(s), _role(n), rng) for n, s in shapes.items()}
        return {**drawn, **{n: np.asarray(v) if isinstance(v, list) else fresh(v) for n, v in stated.items()}}

    def subject_for(values: Mapping[str, Any], wanted: Sequence[str]) -> Subject:
        if backward is None:
            return LossFunction(name, forward, names, wanted)
        return FunctionPair(name, forward, backward, names, wanted)

    first_error: UserCodeError | None = None
    for found in candidates:
        options = [n for n in names if n not in required]
        roles = roles_of(required, found.roles)
        for option in (*options, *(n for n in required if n not in roles)):
            role = next((r for r in (*found.options, *found.roles) if _named(option, r)), None)
            if role is not None and role not in roles.values():
                roles[option] = role
        for layout in found.layouts:
            cases = []
            for i, case in enumerate(layout):
                rng = np.random.default_rng([seed, i])
                values = {**draw_case(case, roles, rng), **explicit(rng)}
                if not set(required) <= set(values):
                    break
                wanted = [n for n in names if roles.get(n) in found.gradients and is_real(values.get(n))]
                subject = subject_for(values, wanted)
                try:
                    out = subject.output(values)
                except UserCodeError as error:
                    first_error = error if first_error is None else first_error
                    if i == 0:
                        break
                    continue
                if not np.isfinite(out).all():
                    continue
                cases.append(values)
            if cases:
                wanted = _of_returned(forward, backward, names, cases[0], wanted)
                return Prepared(subject_for(cases[0], wanted), found, roles, cases)

    guessed: Prepared | None = None  # the first that runs, should none have gradients of the right shapes
    for i, values in enumerate(_guesses(names, required, explicit, seed)):
        if i >= MOST_GUESSES:
            break
        subject = subject_for(values, [n for n in names if is_real(values.get(n))])
        try:
            out = subject.output(values)
        except UserCodeError as error:
            first_error = error if first_error is None else first_error
            continue
        except ConfigError:
            if i == 0 and backward is None:
                raise
            continue
        if not np.isfinite(out).all() or (backward is None and out.size != 1):
            continue
        wanted = _wanted(forward, backward, names, values)
        roles = {n: _role(n) for n in names}
        further = [_redrawn(values, relabel, roles, explicit, seed) for relabel in (RELABELLED, {})]
        prepared = subject_for(values, wanted)
        cases = [values, *(v for v in further if v is not None and _runs(prepared, v))][:2]
        known = (
            candidates[0]
            if candidates and {n: roles[n] for n in wanted} and set(required) <= set(stated) | set(shapes)
            else None
        )
        if known is not None:
            roles = {**roles, **roles_of(required, known.roles)}
        found_here = Prepared(prepared, known, roles, cases, ("shapes were found by trying",) if known is None else ())
        if _shapes_agree(prepared, values):
            return found_here
        guessed = found_here if guessed is None else guessed
        if set(required) <= set(stated) | set(shapes):
            break
    if guessed is not None:
        return guessed
    if first_error is not None and backward is None:
        square = _square_loss(forward, name, names, required, explicit, seed, str(first_error))
        if square is not None:
            return square
    if first_error is not None and set(required) <= set(stated) | set(shapes):
        raise first_error
    reason = "" if first_error is None else f"; the first that were tried gave {first_error}"
    raise ArgumentsNotFoundError(
        f"gradcheck: no arguments for the forward pass {name}({', '.join(names)}) were found{reason}; "
        "state them with --shape or --value (in Python: shapes=, values=)"
    )


def _square_loss(
    forward: Any,
    name: str,
    names: Sequence[str],
    required: Sequence[str],
    explicit: Callable[[np.random.Generator], dict[str, Any]],
    seed: int,
    failure: str,
) -> Prepared | None:
    """A loss whose gradient raises on every choice of shapes may run on arrays whose axes are all equally long."""
    roles = {n: _role(n) for n in names}
    for values in itertools.islice(_guesses(names, required, explicit, seed), 20):
        square = squared(values, roles, seed)
        if square is None:
            continue
        subject = LossFunction(name, forward, names, [n for n in names if is_real(square.get(n))])
        if _runs(subject, square) and subject.output(square).size == 1:
            wanted = _wanted(forward, None, names, square)
            note = "the function runs only where all axes are equally long; the causes were found on such arrays"
            return Prepared(LossFunction(name, forward, names, wanted), None, roles, [square], (note,), failure)
    return None


def _named(parameter: str, role: str) -> bool:
    return parameter == role or parameter.lower() in ALIASES.get(role, (role.lower(),))


def _role(name: str) -> str:
    stem = re.sub(r"_?\d+$", "", name)
    for role in (
        "x",
        "w",
        "b",
        "gamma",
        "beta",
        "y",
        "prev_h",
        "Wx",
        "Wh",
        "reg",
        "alpha",
        "p",
        "eps",
        "stride",
        "pad",
    ):
        if name == role or _named(stem, role):
            return role
    return name


def _wanted(forward: Any, backward: Any, names: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Which arguments the returned gradients are of, for a function of no known kind."""
    real = [n for n in names if is_real(values.get(n))]
    if backward is None:
        result = call("forward", forward, **{n: fresh(values[n]) for n in names if n in values})
        gradients = result[1] if len(result) == 2 else result[1:]
        return _by_returned(gradients, real, values, returned_names(forward)[1:])
    subject = FunctionPair("", forward, backward, names, real)
    out = subject.output(values)
    given = fresh(dict(values))
    result_out, cache, has_cache = subject._forward(given)
    args, by_name = subject._backward_arguments(given, result_out, cache, has_cache, np.ones(out.shape))
    try:
        gradients = call("backward", backward, *args, **by_name)
    except UserCodeError:
        return real
    return _by_returned(gradients, real, values, returned_names(backward))


def _of_returned(
    forward: Any, backward: Any, names: Sequence[str], values: Mapping[str, Any], wanted: list[str]
) -> list[str]:
    """A loss may return more gradients than its kind has, under names that say of what."""
    if backward is not None:
        return wanted
    more = _wanted(forward, None, names, values)
    return more if len(more) > len(wanted) else wanted


def _by_returned(gradients: Any, real: list[str], values: Mapping[str, Any], names: Sequence[str | None]) -> list[str]:
    if isinstance(gradients, Mapping):
        owners = [owner_of(str(key), real) for key in gradients]
        return [n for n in real if n in owners]
    members = list(gradients) if isinstance(gradients, (tuple, list)) else [gradients]
    if len(members) >= len(real):
        return real
    if len(names) == 1 and len(members) > 1:
        names = []
    owners = [None if n is None else owner_of(n, real) for n in names]
    if len(owners) == len(members) and None not in owners:
        return [n for n in real if n in owners]
    fitting = [n for n in real if len(members) == 1 and np.shape(members[0]) == values[n].shape]
    if fitting:
        return fitting[:1]
    return real[: len(members)]


def _guesses(
    names: Sequence[str], required: Sequence[str], explicit: Callable[[np.random.Generator], dict[str, Any]], seed: int
) -> Iterator[dict[str, Any]]:
    stated = explicit(np.random.default_rng([seed, 0]))
    open_names = [n for n in required if n not in stated]
    choices = [_candidates(n, first=n == required[0]) for n in open_names]
    ranked = sorted(itertools.islice(itertools.product(*(range(len(c)) for c in choices)), 20_000), key=sum)
    for picks in ranked:
        rng = np.random.default_rng([seed, 0])
        drawn = {n: draw(choices[i][k], _role(n), rng) for i, (n, k) in enumerate(zip(open_names, picks, strict=True))}
        optional = {n: 0.3 for n in names if n not in required and _role(n) == "reg"}
        yield {**optional, **drawn, **explicit(rng)}


def _candidates(name: str, *, first: bool) -> list[Any]:
    number = re.search(r"(\d+)$", name)
    role = _role(name)
    if number is not None and role in ("w", "b") and name not in ("theta0", "theta_0"):
        sizes = [3, 4, 6, 5, 7, 3]
        i = min(max(int(number.group(1)), 1), 5)
        return (
            [(sizes[i - 1], sizes[i]), (sizes[i - 1], sizes[0]), (sizes[i], sizes[i - 1]), (sizes[0], sizes[0])]
            if role == "w"
            else [(sizes[i],), (1, sizes[i]), (sizes[i], 1)]
        )
    table: dict[str, list[Any]] = {
        "x": [(5, 3), (3, 2, 4, 6), (3, 4, 5), (5,)],
        "w": [(3, 4), (4, 3), (3,), (3, 1), (3, 3), (4, 2, 3, 3)],
        "b": [(4,), (1, 4), (3,), (1,), (4, 1)],
        "gamma": [(3,), (1, 3), (2,)],
        "beta": [(3,), (1, 3), (2,)],
        "y": [Labels((5,), 4), (5, 4), (5, 3), (5,), Labels((5,), 2), Labels((5, 1), 2)],
        "prev_h": [(5, 4), (4,)],
        "Wx": [(3, 4), (4, 3)],
        "Wh": [(4, 4)],
        **{r: [v] for r, v in {"reg": 0.3, "eps": 1e-5, "stride": 1, "pad": 1}.items()},
        **{r: [v, (5, 3), (3,)] for r, v in {"alpha": 0.1, "p": 0.6}.items()},
    }
    if role in table and (role != "x" or first or name in ("x", "X")):
        return table[role]
    if name.lower().endswith(("param", "params", "config")):
        return [{}, {"mode": "train"}]
    return [(5, 3), (5, 4), (3,), (3, 4), (4,), 0.5, 2]


def _redrawn(
    values: Mapping[str, Any],
    relabel: Mapping[int, int],
    roles: Mapping[str, str],
    explicit: Callable[[np.random.Generator], dict[str, Any]],
    seed: int,
) -> dict[str, Any] | None:
    rng = np.random.default_rng([seed, 1])
    stated = explicit(rng)
    if relabel and any(isinstance(v, np.ndarray) for v in stated.values()):
        return None
    drawn: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, np.ndarray) and value.ndim:
            shape = tuple(relabel.get(n, n) for n in value.shape)
            if is_real(value):
                drawn[name] = draw(shape, roles[name], rng)
            else:
                drawn[name] = Labels(shape, int(value.max()) + 1).draw(rng)
        else:
            drawn[name] = fresh(value)
    return {**drawn, **stated}


def squared(values: Mapping[str, Any], roles: Mapping[str, str], seed: int) -> dict[str, Any] | None:
    """The same arguments with every axis equally long, on which transposed arrays fit too; None for images."""
    rng, n = np.random.default_rng([seed, 2]), 4
    drawn: dict[str, Any] = {}
    for name, value in values.items():
        if is_real(value) and value.ndim > 2:
            return None
        if is_real(value):
            drawn[name] = draw(
                (n,) * value.ndim if 1 not in value.shape else tuple(min(k, n) for k in value.shape), roles[name], rng
            )
        elif isinstance(value, np.ndarray) and value.ndim:
            drawn[name] = rng.permutation(np.arange(n)) if value.ndim == 1 else np.eye(n, dtype=value.dtype)
        else:
            drawn[name] = fresh(value)
    return drawn


def _shapes_agree(subject: Subject, values: Mapping[str, Any]) -> bool:
    try:
        out = subject.output(values)
        run = subject.run(values, np.ones(out.shape) if subject.takes_dout else np.array(1.0))
    except (UserCodeError, ConfigError):
        return False
    return not run.surplus and all(
        np.shape(np.asarray(run.found.get(n))) == np.shape(values[n]) for n in subject.wanted
    )


def _runs(subject: Subject, values: Mapping[str, Any]) -> bool:
    try:
        return bool(np.isfinite(subject.output(values)).all())
    except (UserCodeError, ConfigError):
        return False
