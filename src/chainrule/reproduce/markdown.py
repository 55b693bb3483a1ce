"""The table as a Markdown page that links the pictures of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.reproduce.cells import HEAD, VARIANT_HEAD, introduction, remarks, row_cells, sections, variant_cells
from chainrule.reproduce.rows import MISSED


def markdown(found: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """The page; `pictures` are links to the curves of rows, by name."""
    lines = ["# Reproduced results", "", *introduction(found)]
    for title, rows in sections(found["rows"]):
        lines += ["", f"## {title}", "", *_table(HEAD, [_linked(row, pictures) for row in rows], text_columns=3)]
        lines += ["", *(f"- **{row['name']}**: {' '.join(remarks(row))}" for row in rows if remarks(row))]
        for row in rows:
            if row["variants"]:
                lines += ["", f"### {row['name']}: {row['title']}", ""]
                lines += _table(VARIANT_HEAD, [variant_cells(v) for v in row["variants"]])
    return "\n".join(lines) + "\n"


def _linked(row: dict[str, Any], pictures: Mapping[str, str]) -> list[list[str]]:
    cells = row_cells(row)
    if row["name"] in pictures:
        cells[0][0] = f"[{row['name']}]({pictures[row['name']]})"
    return [[*line[:7], f"**{MISSED}**" if line[7] == MISSED else line[7], *line[8:]] for line in cells]


def _table(head: Sequence[str], rows: Sequence[Any], text_columns: int = 1) -> list[str]:
    flat = [line for row in rows for line in (row if isinstance(row[0], list) else [row])]
    marks = ["---" if i < text_columns or name == "verdict" else "---:" for i, name in enumerate(head)]
    return [f"| {' | '.join(cells)} |" for cells in (head, marks, *flat)]
