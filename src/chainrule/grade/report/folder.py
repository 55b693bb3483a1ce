"""Reports as files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chainrule.errors import ConfigError
from chainrule.files import write_atomically
from chainrule.grade.report.single import report_page
from chainrule.grade.report.summary import class_csv, class_page, hardest, ranked
from chainrule.grade.result import Report


def write_report(report: Report, folder: Path, stem: str | None = None) -> list[Path]:
    """NAME.html and NAME.json in `folder`."""
    name = file_name(report.name) if stem is None else stem
    return _write(folder, {f"{name}.html": report_page(report), f"{name}.json": report.to_json() + "\n"})


def write_class(reports: Sequence[Report], folder: Path) -> list[Path]:
    """Every submission's files, and class.html, class.csv and class.json."""
    stems: dict[str, str] = {}
    for report in reports:
        stem = base = file_name(report.name)
        number = 2
        while stem.lower() in {"class", *(taken.lower() for taken in stems.values())}:
            stem, number = f"{base}-{number}", number + 1
        stems[report.name] = stem
    written = [path for report in reports for path in write_report(report, folder, stems[report.name])]
    pages = {name: f"{stem}.html" for name, stem in stems.items()}
    summary = {
        "submissions": [
            {"name": r.name, "points": r.earned, "of": r.total, "seconds": r.seconds, "error": r.error}
            for r in ranked(reports)
        ],
        "items": [
            {"name": name, "mean_share": round(share, 4), "lost_points": lost} for name, share, lost in hardest(reports)
        ],
    }
    plain = msgspec.json.format(msgspec.json.encode(summary), indent=1).decode() + "\n"
    files = {"class.html": class_page(reports, pages), "class.csv": class_csv(reports), "class.json": plain}
    return written + _write(folder, files)


def file_name(name: str) -> str:
    """A name of a file that is one on every system, for a name that a student chose.

    >>> file_name("../Ada & Co")
    'Ada_Co'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:100] or "submission"


def _write(folder: Path, files: dict[str, str]) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_atomically(folder / name, text.encode("utf-8", "replace"))
    except OSError as error:
        raise ConfigError(f"grade: {folder} must be a folder that can be written, got: {error.strerror}") from None
    return [folder / name for name in files]
