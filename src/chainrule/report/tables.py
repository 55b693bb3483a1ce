"""Tables for people: the classes of an evaluation, the layers of a network, the recipes there are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainrule.report.metrics import ClassRow
from chainrule.summary import Summary

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: Columns assumed where output is piped into a file or another program.
PIPED_WIDTH = 120


def console(*, stderr: bool = False) -> Console:
    """A console that writes plain text into pipes, and respects NO_COLOR and the width of a terminal."""
    from rich.console import Console

    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=None if terminal else PIPED_WIDTH)


def class_rows_table(rows: Sequence[ClassRow]) -> Table:
    """Precision, recall, F1 and count of every class, and their means over classes."""
    table = _table("class", "precision", "recall", "F1", "count")
    for row in rows:
        table.add_row(row.name, f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}", f"{row.support:,}")
    table.add_section()
    means = [sum(values) / len(rows) for values in zip(*(row[1:4] for row in rows), strict=True)]
    table.add_row("mean", *(f"{mean:.3f}" for mean in means), f"{sum(row.support for row in rows):,}")
    return table


def summary_table(summary: Summary) -> Table:
    """Every layer with its output shape and costs for one example, and the totals."""
    table = _table("layer", "output shape", "parameters", "multiply-adds", "FLOPs", text_columns=2)
    table.add_row("input", str(summary.input_shape))
    for row in summary.rows:
        table.add_row(row.layer, str(row.output_shape), *(f"{n:,}" for n in row[2:]))
    table.add_section()
    table.add_row("total", "", f"{summary.parameters:,}", f"{summary.multiply_adds:,}", f"{summary.flops:,}")
    return table


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table of words."""
    table = _table(*head, text_columns=len(head))
    for row in rows:
        table.add_row(*row)
    return table


def _table(*head: str, text_columns: int = 1) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for i, name in enumerate(head):
        table.add_column(name, justify="left" if i < text_columns else "right", overflow="fold")
    return table
