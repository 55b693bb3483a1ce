"""Grading: every item's cases are drawn, run in the limited process, and judged here."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np

from chainrule.errors import ConfigError, DataError
from chainrule.grade.cases import ITEMS, Case, Drawing, Item
from chainrule.grade.explain import explain
from chainrule.grade.result import CaseResult, ItemResult, Report
from chainrule.grade.rubric import ItemPart, Rubric
from chainrule.grade.sandbox import KERNEL, Outcome, Sandbox, missing_fences
from chainrule.grade.submission import lay_out, read_submission, submission_name, write_support
from chainrule.typed import typed

#: Outcomes that cost so much that an item which had this many of them is not run any further.
_COSTLY, _MOST_COSTLY = ("time", "memory"), 2

Progress = Callable[[str], None]


@typed
def grade(
    submission: str | os.PathLike[str],
    rubric: Rubric,
    *,
    name: str | None = None,
    weak_sandbox: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Run a submission (folder, archive or file) against `rubric`, and report points and faults.

    name: in the report; that of the folder or file by default. The cases are drawn by it, so that the same name gets
    the same cases. weak_sandbox: run it although the system lacks Landlock or seccomp; see docs/grade.md for what is
    lost. progress: is told each item as it begins. A submission that cannot be read gives a report with `error` and
    no points. Raises `ConfigError` where the limits cannot be held.
    """
    fences = _fences(weak_sandbox)
    start = time.monotonic()
    edition = rubric.code_base
    empty = Report(
        name=submission_name(Path(submission)) if name is None else name,
        course=edition.course,
        edition=edition.name,
        title=rubric.title,
        total=rubric.total,
        fences=list(fences),
    )
    try:
        files = read_submission(submission)
    except DataError as error:
        return _with(empty, error=str(error).removeprefix("grade: "))
    with tempfile.TemporaryDirectory(prefix="chainrule-grade-", ignore_cleanup_errors=True) as folder:
        code, support = Path(folder, "submission"), Path(folder, "support")
        for place in (code, support):
            place.mkdir()
        taken = lay_out(files, edition, code)
        write_support(support)
        limits = rubric.limits.of_case
        with Sandbox(code, support, edition.package, limits, modules=rubric.modules, fences=fences) as sandbox:
            run = _Run(rubric, sandbox, empty.name, taken, start + rubric.limits.total_seconds)
            items = run.items(progress)
    return _with(empty, items=items, notes=list(files.notes), taken=taken, seconds=round(time.monotonic() - start, 2))


@typed
def grade_folder(
    folder: str | os.PathLike[str],
    rubric: Rubric,
    *,
    weak_sandbox: bool = False,
    progress: Progress | None = None,
) -> list[Report]:
    """One report for each folder and archive in `folder`, in the order of their names."""
    root = Path(folder)
    if not root.is_dir():
        raise ConfigError(f"grade: {root} must be a folder of submissions")
    places = [place for place in sorted(root.iterdir()) if not place.name.startswith((".", "__"))]
    if not places:
        raise ConfigError(f"grade: {root} holds no submissions")
    reports = []
    names = Counter(submission_name(place) for place in places)
    for place in places:
        plain = submission_name(place)
        name = plain if names[plain] == 1 else place.name  # a folder and an archive of one name
        report = grade(place, rubric, name=name, weak_sandbox=weak_sandbox)
        if progress is not None:
            told = report.error if report.error else f"{report.earned:g} of {report.total:g}, {report.seconds:.1f} s"
            progress(f"{report.name}: {told}")
        reports.append(report)
    return reports


@dataclass
class _Run:
    """One submission while it is graded."""

    rubric: Rubric
    sandbox: Sandbox
    name: str
    taken: dict[str, str]
    deadline: float
    imported: dict[str, Outcome] = field(default_factory=dict)

    def items(self, progress: Progress | None) -> list[ItemResult]:
        """Every item of the rubric."""
        results: list[ItemResult] = []
        for name, part in self.rubric.items.items():
            if progress is not None:
                progress(name)
            results.append(self._item(name, ITEMS[name], part))
        lost = {result.name for result in results if result.earned < result.points}
        return [
            _with(result, inherited=[need for need in ITEMS[result.name].needs if need in lost])
            if result.name in lost
            else result
            for result in results
        ]

    def _item(self, name: str, item: Item, part: ItemPart) -> ItemResult:
        count = self.rubric.cases if part.cases is None else part.cases
        tolerance = self.rubric.tolerance if part.tolerance is None else part.tolerance
        drawing = Drawing(self.rubric.code_base, self._generator(name), count)
        file = drawing.path(item.stem)
        cases = item.make(drawing)
        outcomes: list[Outcome | None] = []
        results: list[CaseResult] = []
        for case in cases:
            outcome, result = self._case(case, file, tolerance, outcomes)
            outcomes.append(outcome)
            results.append(result)
        earned = round(part.points * sum(result.passed for result in results) / len(results), 2)
        found = ItemResult(name=name, file=file, points=float(part.points), earned=earned, cases=results)
        if earned == part.points or not self.rubric.diagnose or self._is_over():
            return found
        wrong = [
            (case, outcome.results)
            for case, outcome, result in zip(cases, outcomes, results, strict=True)
            if outcome is not None and result.kind == "wrong"
        ]
        return _with(found, causes=explain(name, wrong, tolerance, drawing, self.sandbox, self.deadline))

    def _case(
        self, case: Case, file: str, tolerance: float, before: Sequence[Outcome | None]
    ) -> tuple[Outcome | None, CaseResult]:
        if file not in self.taken:
            return None, CaseResult(label=case.label, kind="missing", findings=[f"{file} was not handed in"])
        if sum(outcome is not None and outcome.kind in _COSTLY for outcome in before) >= _MOST_COSTLY:
            words = f"not run, as {_MOST_COSTLY} cases before it had to be ended"
            return None, CaseResult(label=case.label, kind="not run", findings=[words])
        if self._is_over():
            words = f"not run, as the submission had used its {self.rubric.limits.total_seconds:g} s"
            return None, CaseResult(label=case.label, kind="not run", findings=[words])
        broken = self._broken_import(file)
        if broken is not None:
            return None, _judged(case, replace(broken, failure=f"importing {file}: {broken.failure}"), tolerance)
        outcome = self.sandbox.run(case.routine, case.call)
        return outcome, _judged(case, outcome, tolerance)

    def _broken_import(self, file: str) -> Outcome | None:
        """How importing `file` alone fails, tried once; None where it does not."""
        if file not in self.imported:
            self.imported[file] = self.sandbox.run("load", {"file": file})
        outcome = self.imported[file]
        return None if outcome.kind == "done" else outcome

    def _is_over(self) -> bool:
        return time.monotonic() > self.deadline

    def _generator(self, item: str) -> np.random.Generator:
        """Numbers that depend on the rubric's seed, the submission's name and the item, and on nothing else."""
        digest = hashlib.sha256(f"{self.rubric.seed}\0{self.name}\0{item}".encode("utf-8", "surrogateescape")).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def _judged(case: Case, outcome: Outcome, tolerance: float) -> CaseResult:
    kind, findings = outcome.kind, [outcome.failure]
    if kind == "done":
        try:
            findings = [str(finding) for finding in case.judge(case.expected, outcome.results, tolerance)]
        except (TypeError, ValueError, KeyError, AttributeError, IndexError):
            findings = ["what came back has not the form of results"]
        kind = "wrong" if findings else "passed"
    return CaseResult(
        label=case.label,
        kind=kind,
        findings=findings,
        where=outcome.where,
        output=outcome.output,
        seconds=round(outcome.seconds, 3),
    )


def _fences(weak_sandbox: bool) -> Sequence[str]:
    if not hasattr(os, "fork"):
        raise ConfigError("grade: this system cannot fork processes; grade on Linux, or in a container")
    missing = missing_fences()
    if missing and not weak_sandbox:
        raise ConfigError(
            f"grade: this system lacks {' and '.join(missing)}, without which a submission is not held back by the "
            "kernel; grade on Linux 5.13 or later, or in a container, or accept the weaker fence with --weak-sandbox"
        )
    return () if missing else KERNEL


_with = msgspec.structs.replace
