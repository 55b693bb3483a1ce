"""The class: who has how many points, how they are spread, and which items were the hardest."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence

from chainrule.grade.report.page import bar, number, page, safe
from chainrule.grade.result import Report

_BINS = 10


def ranked(reports: Sequence[Report]) -> list[Report]:
    """Most points first; those that could not be graded last."""
    return sorted(reports, key=lambda report: (report.error != "", -report.earned, report.name))


def class_csv(reports: Sequence[Report]) -> str:
    """One row a submission: name, points, seconds, remark, and the points of every item."""
    items = list(dict.fromkeys(item.name for report in reports for item in report.items))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "points", "of", "seconds", "error", *items])
    for report in ranked(reports):
        earned = {item.name: item.earned for item in report.items}
        cells = [report.name, report.earned, report.total, report.seconds, report.error]
        writer.writerow([_cell(value) for value in [*cells, *(earned.get(name, 0.0) for name in items)]])
    return text.getvalue()


def class_page(reports: Sequence[Report], links: Mapping[str, str]) -> str:
    """The class on one page. links: for each name, the file of its own page."""
    first = reports[0]
    graded = [report for report in reports if not report.error]
    body = [f"<h1>{safe(first.title or first.course)}</h1>"]
    body.append(f'<p class="soft">{safe(first.course)}, edition {safe(first.edition)}; {_count(len(reports))}</p>')
    if graded:
        points = [report.earned for report in graded]
        body.append(
            f"<p>Mean {number(statistics.fmean(points))}, median {number(statistics.median(points))}, "
            f"lowest {number(min(points))}, highest {number(max(points))}, of {number(first.total)} points.</p>"
        )
        body += ["<h2>Points</h2>", _chart(points, first.total)]
    body += ["<h2>Submissions</h2>", _table(reports, links)]
    if graded:
        body += ["<h2>Items, the hardest first</h2>", _items(graded)]
    return page(f"{first.title or first.course}: {_count(len(reports))}", "\n".join(body))


def hardest(reports: Sequence[Report]) -> list[tuple[str, float, int]]:
    """Every item with the mean share of its points that was earned, and how many lost some; the hardest first."""
    shares: dict[str, list[float]] = {}
    for report in reports:
        for item in report.items:
            if item.points > 0:
                shares.setdefault(item.name, []).append(item.earned / item.points)
    rows = [(name, statistics.fmean(values), sum(v < 1 for v in values)) for name, values in shares.items()]
    return sorted(rows, key=lambda row: row[1])


def _chart(points: Sequence[float], total: float) -> str:
    """A histogram with ten bins, the last of which holds full points."""
    counts = [0] * _BINS
    for value in points:
        counts[min(_BINS - 1, int(_BINS * value / total))] += 1
    most = max(counts)
    bars = "".join(
        f'<div style="height:{100 * count / most:.1f}%">{f"<span>{count}</span>" if count else ""}</div>'
        for count in counts
    )
    ends = "".join(f"<span>{number(total * i / _BINS)}</span>" for i in range(_BINS + 1))
    return f'<p>&nbsp;</p><div class="chart">{bars}</div><div class="axis">{ends}</div>'


def _table(reports: Sequence[Report], links: Mapping[str, str]) -> str:
    rows = ["<tr><th>name</th><th class='n'>points</th><th></th><th class='n'>seconds</th></tr>"]
    for report in ranked(reports):
        name = f'<a href="{safe(links[report.name])}">{safe(report.name)}</a>'
        if report.error:
            rows.append(f'<tr><td>{name}</td><td colspan="3" class="bad">not graded: {safe(report.error)}</td></tr>')
            continue
        share = report.earned / report.total
        rows.append(
            f'<tr><td>{name}</td><td class="n">{number(report.earned)}</td><td>{bar(share)}</td>'
            f'<td class="n">{report.seconds:.1f}</td></tr>'
        )
    return f"<table>{''.join(rows)}</table>"


def _items(reports: Sequence[Report]) -> str:
    rows = ["<tr><th>item</th><th class='n'>mean</th><th></th><th class='n'>lost points</th></tr>"]
    for name, share, lost in hardest(reports):
        rows.append(
            f'<tr><td>{safe(name)}</td><td class="n">{share:.0%}</td><td>{bar(share)}</td>'
            f'<td class="n">{lost} of {len(reports)}</td></tr>'
        )
    return f"<table>{''.join(rows)}</table>"


def _count(number_of: int) -> str:
    return "1 submission" if number_of == 1 else f"{number_of} submissions"


def _cell(value: object) -> object:
    """A spreadsheet takes text that begins like a formula for one; names of files are chosen by students."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
