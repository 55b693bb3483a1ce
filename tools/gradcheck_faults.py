"""Plants faults in correct backward passes, one a file, and counts how many `gradcheck` finds and names.

    python tools/gradcheck_faults.py                  all of them, in this process, into docs/results/gradcheck.md
    python tools/gradcheck_faults.py affine           those whose name has this word, on the screen only
    python tools/gradcheck_faults.py --files          each as `chainrule gradcheck FILE`, in a process of its own

The sound implementations are in tests/check/faults/correct.txt; the faults, as changes of their text, in faults.toml
beside it, each with the names of the causes that would be right. Those with `held_out = true` were written after the
hypotheses, and nothing was changed because of them.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CASES = ROOT / "tests" / "check" / "faults"
PAGE = ROOT / "docs" / "results" / "gradcheck.md"


@dataclass(frozen=True)
class Fault:
    """One change of a sound file. causes: the hypotheses that name it rightly."""

    name: str
    source: str
    changes: tuple[tuple[str, str], ...]
    causes: tuple[str, ...]
    held_out: bool = False

    def apply(self, text: str) -> str:
        """The faulty file; every replaced text must be there exactly once."""
        for old, new in self.changes:
            if text.count(old) != 1:
                raise ValueError(f"{self.name}: {old!r} is {text.count(old)} times in {self.source}")
            text = text.replace(old, new)
        return text


def correct() -> dict[str, str]:
    """name -> the text of a sound file."""
    sections = (CASES / "correct.txt").read_text().split("#### ")[1:]
    return {head.strip(): body for head, _, body in (s.partition("\n") for s in sections)}


def faults() -> list[Fault]:
    """Every planted fault."""
    entries = tomllib.loads((CASES / "faults.toml").read_text())["fault"]
    return [
        Fault(
            e["name"],
            e["source"],
            tuple((c[0], c[1]) for c in e["changes"]),
            tuple(e["causes"]),
            e.get("held_out", False),
        )
        for e in entries
    ]


def check(text: str, folder: Path, name: str, *, files: bool = False) -> list[Any]:
    """The diagnoses of a file with that text."""
    from chainrule.check.diagnosis.child import answer
    from chainrule.check.diagnosis.file_check import gradcheck_file

    path = folder / f"{re.sub('[^a-z0-9]+', '_', name.lower())}.py"
    path.write_text(text)
    if files:
        return gradcheck_file(path)
    request = {"path": str(path), "name": None, "backward": None, "options": {}, "shapes": {}, "values": {}}
    return answer(request)


def restores(cause: Any, sound: str) -> bool:
    """Whether a one-line repair is, up to spaces and brackets, a line of the sound file."""
    if cause.name != "one-change":
        return False
    statements = {ast.unparse(node) for node in ast.walk(ast.parse(sound)) if isinstance(node, ast.stmt)}
    return cause.equation in statements


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("word", nargs="?", default="")
    parser.add_argument("--files", action="store_true", help="a process for each")
    parser.add_argument("--report", action="store_true", help="print the reports of what is not as it should be")
    arguments = parser.parse_args()
    sources = correct()
    rows, alarms = [], []
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, text in sources.items():
            if arguments.word not in name:
                continue
            before = time.perf_counter()
            found = check(text, folder, name, files=arguments.files)
            good = bool(found) and all(d.ok for d in found)
            alarms.append((name, good, ", ".join(f"{d.name}: {d.verdict}" for d in found if not d.ok)))
            print(
                f"{'ok   ' if good else 'ALARM'} {time.perf_counter() - before:5.2f} s  {name}  {alarms[-1][2]}",
                flush=True,
            )
            if not good and arguments.report:
                print("\n".join(d.report() for d in found if not d.ok))
        for fault in faults():
            if arguments.word not in fault.name:
                continue
            before = time.perf_counter()
            found = check(fault.apply(sources[fault.source]), folder, fault.name, files=arguments.files)
            wrong = [d for d in found if d.verdict == "wrong"]
            named = wrong[0].causes[0].name if wrong else ""
            right = named in fault.causes or bool(wrong and restores(wrong[0].causes[0], sources[fault.source]))
            rows.append((fault, bool(wrong), named, right))
            word = "ok   " if right else "NAME " if wrong else "MISS "
            print(f"{word} {time.perf_counter() - before:5.2f} s  {fault.name}: {named}", flush=True)
            if not right and arguments.report:
                print("\n".join(d.report() for d in found))
    seconds = time.perf_counter() - started
    lines = summary(rows, alarms)
    print("\n".join(lines), f"\n{seconds:.0f} s")
    if not arguments.word and not arguments.files:
        PAGE.write_text(page(rows, alarms, lines))
    return 0


def summary(rows: list[Any], alarms: list[Any]) -> list[str]:
    lines = []
    for words, chosen in (("planted faults", [r for r in rows if not r[0].held_out]),
                          ("held-out faults", [r for r in rows if r[0].held_out])):  # fmt: skip
        if chosen:
            n, found = len(chosen), sum(r[1] for r in chosen)
            named = sum(r[3] for r in chosen)
            lines.append(
                f"{n} {words}: {found} found ({found / n:.0%}), the right cause first in {named} ({named / n:.0%})"
            )
    lines.append(f"{len(alarms)} sound files: {sum(not good for _, good, _ in alarms)} false alarms")
    return lines


def page(rows: list[Any], alarms: list[Any], lines: list[str]) -> str:
    head = [
        "# Gradient diagnosis",
        "",
        "Written by `python tools/gradcheck_faults.py`. Each fault is one change of a sound file as students write",
        "them (`tests/check/faults/`); `gradcheck` gets the file alone. It is named rightly if the first cause of the",
        "report is the planted one. The held-out faults were written after the hypotheses, and nothing was changed",
        "because of them.",
        "",
        *(f"- {line}" for line in lines),
        "",
        "| file | fault | first cause of the report | right |",
        "|---|---|---|---|",
    ]
    table = [
        f"| {f.source} | {f.name}{' (held out)' * f.held_out} | {named} | {'yes' if right else 'no'} |"
        for f, _, named, right in rows
    ]
    sound = ["", "The sound files: " + ", ".join(name for name, _, _ in alarms) + "."]
    return "\n".join([*head, *table, *sound]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
