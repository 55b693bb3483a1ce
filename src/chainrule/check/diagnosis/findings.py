"""What a diagnosis says: its causes, its table, and their plain form for files and other processes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chainrule.errors import DataError, describe, require_mapping


@dataclass(frozen=True)
class Cause:
    """One probable cause. name: of the hypothesis. arguments: whose gradients it explains.

    equation: the corrected one. agreement: how far, relatively, the gradient is from what this fault would give; None
    where nothing was compared. case: words on which inputs show it, empty if all do.
    """

    name: str
    title: str
    arguments: tuple[str, ...]
    explanation: str
    equation: str = ""
    agreement: float | None = None
    case: str = ""


@dataclass(frozen=True)
class Row:
    """One argument's gradient. error: the worst relative one, at `index`; kinks: coordinates without a derivative.

    errors: relative errors in the argument's shape, for heat maps; None where the gradient has another shape.
    problem: what is wrong beyond numbers. told: False where rounding or kinks leave open whether it is right.
    """

    argument: str
    shape: tuple[int, ...]
    got_shape: tuple[int, ...] | None
    error: float
    index: tuple[int, ...] | None
    expected: float
    got: float
    checked: int
    kinks: int
    right: bool
    errors: Any = None
    problem: str = ""
    told: bool = True


@dataclass(frozen=True)
class Diagnosis:
    """What was found out about one backward pass.

    verdict: "right", "wrong", or "unknown" where it cannot be told. causes: the most probable first. method: how the
    derivatives were obtained. failure: the exception of the checked code, in one line.
    """

    name: str
    kind: str | None
    verdict: str
    causes: tuple[Cause, ...]
    table: tuple[Row, ...]
    method: str
    notes: tuple[str, ...] = ()
    failure: str = ""

    @property
    def ok(self) -> bool:
        """Whether the verdict is "right"."""
        return self.verdict == "right"

    def report(self) -> str:
        """The findings in words: causes, table, and where the errors are."""
        from chainrule.check.diagnosis.text import report

        return report(self)

    __str__ = report

    def to_json(self) -> dict[str, Any]:
        """Plain values; numbers that are not finite become None."""
        return {"ok": self.ok, **_plain(asdict(self))}

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> Diagnosis:
        """The diagnosis that `to_json` was made of; a `DataError` for anything else."""
        require_mapping("Diagnosis", "found", found, "plain values")
        try:
            return _read(found)
        except (LookupError, TypeError, ValueError):
            raise DataError(f"Diagnosis: found must be what to_json returned, got {describe(found)}") from None


def _read(found: Mapping[str, Any]) -> Diagnosis:
    causes = tuple(Cause(**{**c, "arguments": tuple(c["arguments"])}) for c in found["causes"])
    table = tuple(
        Row(
            **{
                **row,
                "shape": tuple(row["shape"]),
                "got_shape": None if row["got_shape"] is None else tuple(row["got_shape"]),
                "index": None if row["index"] is None else tuple(row["index"]),
                **{key: math.inf if row[key] is None else row[key] for key in ("error",)},
                **{key: math.nan if row[key] is None else row[key] for key in ("expected", "got")},
            }
        )
        for row in found["table"]
    )
    kept = {k: found[k] for k in ("name", "kind", "verdict", "method", "failure")}
    return Diagnosis(**kept, causes=causes, table=table, notes=tuple(found["notes"]))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value.item() if hasattr(value, "item") else value
