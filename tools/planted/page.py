"""docs/results/lint.md: a section a table."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from planted import FAULTS
from planted.relation import relation_section
from planted.shipped import recipe_section

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "lint.md"
HEAD = "# What the linter finds\n\n<!-- Written by `python tools/lint_faults.py --write`. -->\n"


def fault_section() -> tuple[list[str], bool]:
    """Every planted fault, and whether nine of ten were found."""
    lines = ["| fault | data | rule that must find it | found | other alarms |", "|---|---|---|---|---|"]
    found = 0
    for planted in FAULTS:
        report = planted.report()
        hit = planted.rule in report.rules
        found += hit
        others = ", ".join(dict.fromkeys(f.rule for f in report.alarms if f.rule != planted.rule))
        lines.append(f"| {planted.name} | {planted.data} | {planted.rule} | {'yes' if hit else '**no**'} | {others} |")
        print(lines[-1], file=sys.stderr)
    return [*lines, f"\nFound: {found} of {len(FAULTS)}."], found >= 0.9 * len(FAULTS)


SECTIONS = {
    "faults": ("Planted faults", fault_section),
    "recipes": ("Shipped recipes", recipe_section),
    "labels": ("Labels that have nothing to do with their inputs", relation_section),
}


def written() -> dict[str, str]:
    """The sections of the page as it is, by title."""
    text = PAGE.read_text("utf-8") if PAGE.exists() else ""
    return {part.partition("\n")[0]: part.partition("\n")[2].strip("\n") for part in text.split("\n## ")[1:]}


def run(names: Iterable[str], *, write: bool) -> int:
    """Make the sections of these names, and put them into the page if `write`; 1 where one falls short."""
    well = True
    for name in names:
        title, make = SECTIONS[name]
        lines, good = make()
        well = well and good
        body = "\n".join(lines)
        print(f"## {title}\n\n{body}\n")
        if write:
            page = written() | {title: body}
            known = [t for t, _ in SECTIONS.values() if t in page]
            PAGE.write_text("\n".join([HEAD, *(f"## {t}\n\n{page[t]}\n" for t in known)]), "utf-8")
    return 0 if well else 1
