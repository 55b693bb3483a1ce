"""One submission on one page: the points of every item, and for each that lost some, what went wrong and why."""

from __future__ import annotations

import msgspec

from chainrule.grade.report.page import bar, number, page, safe
from chainrule.grade.result import CaseResult, ItemResult, Report

_MOST_FINDINGS = 6


def report_page(report: Report) -> str:
    """The page of one submission."""
    head = (
        f"<h1>{safe(report.name)}</h1>\n"
        f'<p class="soft">{safe(report.title)} ({safe(report.course)}, edition {safe(report.edition)})</p>\n'
    )
    if report.error:
        return page(report.name, f'{head}<p class="bad">Not graded: {safe(report.error)}</p>')
    share = report.earned / report.total if report.total else 0.0
    body = [head, f'<p class="points">{number(report.earned)} of {number(report.total)} points</p>', bar(share)]
    body += [f'<p class="soft">{safe(note)}</p>' for note in report.notes]
    if not report.fences:
        body.append('<p class="bad">Run without the kernel\'s fences (--weak-sandbox).</p>')
    body.append(_table(report))
    lost = [item for item in report.items if item.earned < item.points]
    absent = [item for item in lost if _is_absent(item)]
    if lost:
        body.append("<h2>Where points were lost</h2>")
    if absent:
        names = ", ".join(f"{safe(item.name)} ({number(item.points)})" for item in absent)
        body.append(f"<p>Not there, with the points they would have given: {names}.</p>")
    body += [_item(item) for item in lost if item not in absent]
    return page(f"{report.name}: {number(report.earned)} of {number(report.total)}", "\n".join(body))


def _table(report: Report) -> str:
    files: dict[str, list[ItemResult]] = {}
    for item in report.items:
        files.setdefault(item.file, []).append(item)
    rows = []
    for file, items in files.items():
        source = report.taken.get(file)
        came = ' <span class="bad">was not handed in</span>' if source is None else ""
        if source is not None and not f"/{source}".endswith(f"/{file}"):
            came = f' <span class="soft">from {safe(source)}</span>'
        earned, points = sum(item.earned for item in items), sum(item.points for item in items)
        sums = f'<th class="n">{number(round(earned, 2))} of {number(points)}</th>'
        rows.append(f'<tr class="file"><th colspan="2"><code>{safe(file)}</code>{came}</th>{sums}</tr>')
        for item in items:
            mark = "good" if item.earned == item.points else "bad"
            rows.append(
                f"<tr><td>{safe(item.name)}</td>"
                f'<td class="n">{item.passed} of {len(item.cases)} cases</td>'
                f'<td class="n {mark}">{number(item.earned)} of {number(item.points)}</td></tr>'
            )
    return f"<h2>Points</h2>\n<table>{''.join(rows)}</table>"


def _is_absent(item: ItemResult) -> bool:
    """Whether the file or the function was not there at all."""
    return all(case.kind in ("missing", "absent") for case in item.cases)


def _item(item: ItemResult) -> str:
    lines = [
        f"<h3>{safe(item.name)} <span class='soft'>{number(item.earned)} of {number(item.points)} points</span></h3>"
    ]
    for cause in item.causes:
        equation = f"<pre>{safe(cause.equation)}</pre>" if cause.equation else ""
        lines.append(
            f'<div class="cause"><p><b>Probably: {safe(cause.title)}.</b> {safe(cause.explanation)}</p>{equation}</div>'
        )
    if item.inherited:
        names = ", ".join(safe(name) for name in item.inherited)
        lines.append(f'<p class="soft">It may inherit faults of what it calls: {names}.</p>')
    same = len(item.cases) > 1 and len({(*case.findings, case.where) for case in item.cases}) == 1
    shown = [msgspec.structs.replace(item.cases[0], label="in every case")] if same else item.cases
    rows = "".join(_case(case) for case in shown)
    lines.append(f"<table>{rows}</table>")
    lines += _printed(item)
    return "\n".join(lines)


def _case(case: CaseResult) -> str:
    if case.passed:
        return f'<tr><td>{safe(case.label)}</td><td class="good">passed</td></tr>'
    shown = [safe(finding) for finding in case.findings[:_MOST_FINDINGS]]
    if len(case.findings) > _MOST_FINDINGS:
        shown.append(f"and {len(case.findings) - _MOST_FINDINGS} more")
    where = f' <span class="soft">({safe(case.where)})</span>' if case.where else ""
    return f'<tr><td>{safe(case.label)}</td><td class="bad">{"<br>".join(shown)}{where}</td></tr>'


def _printed(item: ItemResult) -> list[str]:
    """What the first case that printed something printed."""
    for case in item.cases:
        if case.output.strip() and not case.passed:
            return [f'<p class="soft">Printed in the case {safe(case.label)}:</p><pre>{safe(case.output)}</pre>']
    return []
