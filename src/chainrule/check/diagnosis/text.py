"""A diagnosis in words: causes first, then the table of errors, then where the errors are."""

from __future__ import annotations

import math
import textwrap

import numpy as np

from chainrule.check.diagnosis.findings import Cause, Diagnosis, Row

WIDTH = 100
#: Relative errors from 1e-8 (nothing) to 1 and more (full), a block for two decades.
BLOCKS = "·░▒▓█"
MOST_ROWS, MOST_COLUMNS = 12, 48


def report(d: Diagnosis) -> str:
    """All of it."""
    kind = f" ({d.kind})" if d.kind is not None else ""
    heads = {"right": "right", "wrong": "WRONG", "unknown": "cannot be told"}
    lines = [f"{d.name}{kind}: {heads[d.verdict]}"]
    for i, cause in enumerate(d.causes):
        lines.extend(_cause(cause, i))
    if d.table:
        lines.append("")
        lines.extend(table(d.table))
        lines.append(f"derivatives by the method {d.method!r}")
    for row in d.table:
        if not row.right and row.errors is not None:
            lines.append("")
            lines.extend(heat_map(row))
    lines.extend(textwrap.fill(f"note: {note}", WIDTH, subsequent_indent="      ") for note in d.notes)
    return "\n".join(lines)


def _cause(cause: Cause, i: int) -> list[str]:
    who = f"  [{', '.join('d' + a for a in cause.arguments)}]" if cause.arguments else ""
    lead = "probably" if i == 0 else "also, or"
    lines = [f"  {lead}: {cause.title}{who}"]
    words = cause.explanation + (f" ({cause.case})" if cause.case else "")
    lines.append(textwrap.fill(words, WIDTH, initial_indent="    ", subsequent_indent="    "))
    if cause.equation:
        lines.append(
            textwrap.fill(cause.equation, WIDTH, initial_indent="    correct: ", subsequent_indent="             ")
        )
    if cause.agreement is not None:
        lines.append(f"    tested: a backward pass with this fault agrees with yours to {cause.agreement:.1e}")
    return lines


def table(rows: tuple[Row, ...]) -> list[str]:
    """One line an argument."""
    head = ("gradient", "shape", "error", "at", "expected", "got", "")
    lines = [head]
    for row in rows:
        word = "ok" if row.right else ("?" if not row.told else "WRONG")
        if row.problem and row.errors is None:
            numbers = ("-", "-", "-", "-")
        else:
            numbers = (f"{row.error:.1e}", _index(row.index), f"{row.expected:.6g}", f"{row.got:.6g}")
        lines.append((f"d{row.argument}", str(row.shape), *numbers, word + (f": {row.problem}" if row.problem else "")))
    widths = [max(len(line[k]) for line in lines) for k in range(6)]
    return [
        ("  " + "  ".join(c.ljust(w) for c, w in zip(line[:6], widths, strict=True)) + "  " + line[6]).rstrip()
        for line in lines
    ]


def _index(index: tuple[int, ...] | None) -> str:
    return "-" if index is None else "[" + ", ".join(map(str, index)) + "]"


def plane(row: Row) -> np.ndarray:
    """The errors as rows and columns; of more than two axes, the image and channel of the worst error."""
    errors = np.array(row.errors, dtype=float).reshape(row.shape)
    errors = np.where(np.isfinite(errors), errors, np.inf)
    if errors.ndim == 0:
        return errors.reshape(1, 1)
    if errors.ndim == 1:
        return errors.reshape(1, -1)
    while errors.ndim > 2:
        worst = np.unravel_index(int(np.argmax(errors)), errors.shape)[0]
        errors = errors[worst]
    return errors


def heat_map(row: Row) -> list[str]:
    """The relative errors as blocks."""
    errors = plane(row)
    where = ""
    if len(row.shape) > 2:
        full = np.array(row.errors, dtype=float).reshape(row.shape)
        full = np.where(np.isfinite(full), full, np.inf)
        at = np.unravel_index(int(np.argmax(full)), full.shape)[: len(row.shape) - 2]
        where = f"[{', '.join(str(int(i)) for i in at)}]"
    a, b, c, d, e = tuple(BLOCKS)
    lines = [f"  errors of d{row.argument}{where}   ({a} < 1e-6, {b} < 1e-3, {c} < 0.1, {d} < 0.9, {e} more)"]
    for values in errors[:MOST_ROWS]:
        lines.append(
            "    " + " ".join(_block(v) for v in values[:MOST_COLUMNS]) + (" ..." if len(values) > MOST_COLUMNS else "")
        )
    if len(errors) > MOST_ROWS:
        lines.append("    ...")
    return lines


def _block(error: float) -> str:
    if math.isnan(error):
        return BLOCKS[4]
    return BLOCKS[sum(error >= limit for limit in (1e-6, 1e-3, 0.1, 0.9))]
