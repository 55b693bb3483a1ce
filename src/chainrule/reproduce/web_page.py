"""The table as one HTML file that holds its pictures."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from chainrule.reproduce.cells import HEAD, VARIANT_HEAD, introduction, remarks, row_cells, sections, variant_cells
from chainrule.reproduce.rows import EXACT, MISSED, REACHED, WITHIN

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2em auto; padding: 0 1em; color: #1a1a1a; }
table { border-collapse: collapse; width: 100%; margin: .6em 0 1.2em; font-size: 14px; }
th, td { padding: .25em .6em; text-align: right; border-bottom: 1px solid #ddd; vertical-align: top; }
th { border-bottom: 2px solid #888; } th, td { font-variant-numeric: tabular-nums; }
td:nth-child(2) { white-space: nowrap; }
th:nth-child(-n+3), td:nth-child(-n+3), th:nth-child(8), td:nth-child(8) { text-align: left; }
.variants { width: auto; } .variants th:nth-child(n+2), .variants td:nth-child(n+2) { text-align: right; }
.missed { color: #a33a00; font-weight: 600; } .met { color: #00613a; }
details { margin: .4em 0; } summary { cursor: pointer; } img { max-width: 100%; } .quiet { color: #555; }
@media (prefers-color-scheme: dark) { body { background: #16181b; color: #e6e6e6; } th, td { border-color: #444; }
.quiet { color: #aaa; } .missed { color: #ff9a5c; } .met { color: #6fd6a4; } img { background: #fff; }
a { color: #8ab8ff; } }
"""


def html(found: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The page as one file; `pictures` are the curves of rows as PNG."""
    parts = ["<!doctype html>", '<html lang="en"><head><meta charset="utf-8">']
    parts += ['<meta name="viewport" content="width=device-width, initial-scale=1">']
    parts += [f"<title>Reproduced results</title><style>{STYLE}</style></head><body>", "<h1>Reproduced results</h1>"]
    parts += [f"<p>{_code(escape(line))}</p>" for line in introduction(found) if line]
    for title, rows in sections(found["rows"]):
        parts += [f"<h2>{escape(title)}</h2>", _html_table(HEAD, rows)]
        parts += [_details(row, pictures.get(row["name"])) for row in rows]
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _html_table(head: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    lines = ["<table>", _line("th", head)]
    for row in rows:
        for i, cells in enumerate(row_cells(row)):
            texts = [escape(cell) for cell in cells]
            if i == 0:
                texts[0] = f'<a href="#{escape(row["name"])}">{texts[0]}</a>'
            kind = "missed" if cells[7] == MISSED else "met" if cells[7] in (EXACT, REACHED, WITHIN) else ""
            texts[7] = f'<span class="{kind}">{texts[7]}</span>'
            lines.append("<tr>" + "".join(f"<td>{text}</td>" for text in texts) + "</tr>")
    return "\n".join([*lines, "</table>"])


def _details(row: Mapping[str, Any], picture: bytes | None) -> str:
    name = escape(row["name"])
    parts = [f"<details><summary><b>{name}</b>: {escape(row['title'])}</summary>"]
    # The link's target is inside, so that browsers open the details for it.
    parts.append(f'<p class="quiet" id="{name}">Source: {escape(row["source"])}</p>')
    parts += [f"<p>{escape(text)}</p>" for text in remarks(row)]
    if picture is not None:
        data = base64.b64encode(picture).decode()
        parts.append(f'<img alt="learning curves of {escape(row["name"])}" src="data:image/png;base64,{data}">')
    if row["variants"]:
        parts.append('<table class="variants">')
        parts.append(_line("th", VARIANT_HEAD))
        parts += [_line("td", variant_cells(variant)) for variant in row["variants"]]
        parts.append("</table>")
    return "\n".join([*parts, "</details>"])


def _line(kind: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in cells) + "</tr>"


def _code(text: str) -> str:
    """Backquoted words as code, starred ones as bold."""
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", re.sub(r"`([^`]+)`", r"<code>\1</code>", text))
