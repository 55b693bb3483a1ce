"""The words and numbers of the table, the same for every kind of page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.reproduce.rows import EXACT, MISSED, OTHER, REACHED, SECTIONS

HEAD = ("row", "setting", "figure", "reported", "ours", "difference", "its error", "verdict", "parameters", "seconds")
VARIANT_HEAD = ("variant", "train accuracy", "val accuracy", "test accuracy", "val loss", "seconds")

EXPLANATION = (
    "Figures on test rows decide where the source reports any, otherwise those on validation rows, otherwise "
    "those on training rows. Reached: at least as good as reported. Within error: worse by no more than the "
    "sampling error of the figure (its error: √(p(1 − p)/n) for an accuracy p on n rows, the standard error of a "
    "mean loss). Exact: the source's program is repeated draw by draw. Not reported: the source tells no test "
    "accuracy; this is ours. Seconds are those of training, one after the other. Settings: as reported by the "
    "source (what it leaves open is ours), corrected where it has a flaw, tuned where the source asks for a "
    "figure and not for a setting, own where it is ours."
)


def introduction(found: Mapping[str, Any]) -> list[str]:
    """What was run, where, and how to read the table."""
    rows, machine = found["rows"], found["machine"]
    judged = [row for row in rows if row["reached"] is not None]
    reached = sum(bool(row["reached"]) for row in judged)
    missed, failed = (sum(row["status"] == status for row in rows) for status in ("not run", "failed"))
    lines = [
        f"`{found['command']}`: {len(rows)} rows, {sum(len(row['keys']) for row in rows)} trainings, "
        f"{found['seconds'] / 3600:.1f} hours of training."
    ]
    if found["quick"]:
        lines += [
            "",
            "**Shortened trainings (`--quick`): fewer rows and epochs. They show that rows run, not figures.**",
        ]
    else:
        lines[0] += f" {reached} of {len(judged)} rows reach what is reported."
    if missed:
        lines[0] += f" Not run: {missed}."
    if failed:
        lines[0] += f" Failed: {failed}."
    loads = [row["load_average"] for row in rows if row["load_average"] is not None]
    threads = sorted({t for row in rows for t in row["threads"]})
    shared = bool(loads) and max(loads) > machine["cores"] + 0.5
    load = f"Highest load average met: {max(loads):.1f}" if loads else "Load average not known"
    why = (
        f", so other work shared the {machine['cores']} cores, and an idle machine takes fewer seconds"
        if shared
        else ""
    )
    machine_line = (
        f"Machine: {machine['processor']}, {machine['cores']} cores. Threads a training: {', '.join(threads)}."
    )
    return [*lines, "", f"{machine_line} {load}{why}.", "", EXPLANATION]


def sections(rows: Sequence[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The rows by data set, in the order of the sections."""
    grouped = [(title, [row for row in rows if row["section"] == title]) for title in (*SECTIONS.values(), OTHER)]
    return [(title, rows) for title, rows in grouped if rows]


def row_cells(row: Mapping[str, Any]) -> list[list[str]]:
    """The lines of a row's table entry: one for each of its figures, or one without a figure."""
    seconds = "" if row["seconds"] is None else f"{row['seconds']:,.0f}"
    parameters = "" if row["parameters"] is None else f"{row['parameters']:,}"
    lines = []
    for f in row["figures"]:
        label = f["name"].replace("_", " ") + (f", {f['variant']}" if f["variant"] else "")
        spread = "" if f["std"] is None else f" ± {f['std']:.4f}"
        verdict = row["status"] if row["reached"] is None or f["ours"] is None else f["verdict"]
        if row["status"] == EXACT and f["decides"]:
            verdict = EXACT
        lines.append(
            [label, _number(f["reported"], "g"), _number(f["ours"]) + spread, _number(f["difference"], "+.4f"),
             _number(f["sampling_error"]), verdict if f["decides"] or verdict != MISSED else "worse, does not decide"]
        )  # fmt: skip
    for claim in row["claims"]:
        holds = "not run" if claim["holds"] is None else REACHED if claim["holds"] else MISSED
        lines.append([claim["says"], "", "", "", "", row["status"] if row["reached"] is None else holds])
    if not lines:
        lines = [["", "", "", "", "", row["status"]]]
    first = [row["name"], row["setting"]]
    return [[*(first if i == 0 else ["", ""]), *line, *((parameters, seconds) if i == 0 else ("", ""))]
            for i, line in enumerate(lines)]  # fmt: skip


def variant_cells(variant: Mapping[str, Any]) -> list[str]:
    """A variant's line in the table of its study."""
    accuracies = [_number(variant[f"{part}_accuracy"]) for part in ("train", "val", "test")]
    name = variant["name"] if variant["state"] == "finished" else f"{variant['name']} ({variant['state']})"
    return [name, *accuracies, _number(variant["val_loss"]), _number(variant["seconds"], ",.0f")]


def remarks(row: Mapping[str, Any]) -> list[str]:
    """What is to be said of a row under the table."""
    said = [row["note"]] if row["note"] else []
    if row["best"]:
        said.append(f"Best on the validation rows: {row['best']}.")
    return said + [f"Failed: {why}." for why in row["failures"]]


def _number(value: float | None, spec: str = ".4f") -> str:
    return "" if value is None else format(value, spec)
