"""The history of a checkpoint as a `History`: every list and every record of its type, or a `CheckpointError`."""

from __future__ import annotations

import dataclasses
import functools
import typing
from typing import Any

import msgspec
import numpy as np

from chainrule.errors import CheckpointError
from chainrule.solver.history import History
from chainrule.solver.plain import shortened
from chainrule.solver.tensor_lists import Table, as_lists


def read_history(value: Any, where: str) -> History:
    """`History.to_dict` reversed, of what `tensor_lists.joined` made of it; `where` opens the message of an error."""
    try:
        plain = _table(value, History, "history")
        return History(**{name: _list(plain[name], name) for name in plain})
    except msgspec.ValidationError as error:
        raise CheckpointError(f"{where}: not the state of a training run: {error}") from None


def _list(value: Any, name: str) -> list[Any]:
    """A list of the type that `History` declares; an array's first entry stands for all, which are of one dtype."""
    kind = _entry_type(name)
    if isinstance(value, np.ndarray):
        if value.ndim != 1:
            raise msgspec.ValidationError(f"{name} must be a list of numbers, got an array of shape {value.shape}")
        msgspec.convert(value[:1].tolist(), list[kind], strict=True)  # type: ignore[valid-type]
        return as_lists(value)
    if dataclasses.is_dataclass(kind):
        return [_record(row, kind, name) for row in _rows(value, kind, name)]
    return msgspec.convert(value, list[kind], strict=True)  # type: ignore[valid-type]


@functools.cache
def _entry_type(name: str) -> Any:
    return typing.get_args(typing.get_type_hints(History)[name])[0]


def _rows(value: Any, kind: Any, name: str) -> list[Any]:
    """The records of a table or a list, after a look at the first."""
    if not isinstance(value, Table):
        return msgspec.convert(value, list[Any], strict=True)
    _record({key: as_lists(column[:1])[0] for key, column in value.items()} if value else {}, kind, name)
    return as_lists(value)


def _record(row: Any, kind: Any, name: str) -> Any:
    return msgspec.convert(_table(row, kind, f"a record of {name}"), kind, strict=True)


def _table(value: Any, kind: Any, what: str) -> dict[str, Any]:
    """`value` as the fields of a dataclass, none of them unknown and none that it needs missing."""
    if not isinstance(value, dict):
        raise msgspec.ValidationError(f"{what} must be a table, got {shortened(value)}")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key in value:
        if key not in fields:
            raise msgspec.ValidationError(f"{what} has no {shortened(key)}")
    if kind is History:  # every list that was there from the first format on
        for key in ("loss_history", "train_acc_history", "val_acc_history", "epochs"):
            if key not in value:
                raise msgspec.ValidationError(f"{what} must hold {key}")
    return value
