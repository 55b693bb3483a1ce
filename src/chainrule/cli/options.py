"""Options that several commands share: the values of `--set`, and integers that must be written as integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token

from chainrule.errors import ConfigError


def _integer(kind: Any, tokens: Sequence[Token]) -> int:
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ConfigError(f"must be an integer, got {tokens[0].value!r}") from None


#: An integer as written: 1.5 is an error, and not rounded.
Integer = Annotated[int | None, Parameter(converter=_integer)]
Overrides = Annotated[list[str] | None, Parameter(name="--set", negative="", consume_multiple=True)]


def given(overrides: list[str] | None) -> list[str]:
    """The values of `--set`, none where it was not written; a `ConfigError` where it was written without any."""
    if overrides is not None and len(overrides) == 0:
        raise ConfigError("--set needs KEY=VALUE, such as train.epochs=3, got nothing")
    return [] if overrides is None else overrides
