"""Write docs/results/search.md: a search of 27 trials alone, with processes killed, and shared through PostgreSQL.

    python tools/search_record.py [--work FOLDER] [RECIPE]

Needs MNIST; takes about ten minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from postgres_server import find_programs, server  # noqa: E402

RESULTS = ROOT / "docs" / "results"
KILL_WORKERS_AT, KILL_ALL_AT = 5, 14  # trials that have ended


def command(recipe: str, out: Path, *words: str) -> list[str]:
    """The command line of one search."""
    program = [sys.executable, "-c", "import sys; from chainrule.cli import main; sys.exit(main())"]
    return [*program, "search", recipe, "--out", str(out), "--json", *words]


def start(words: list[str]) -> subprocess.Popen[str]:
    """A search in the background."""
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a search found."""
    out, err = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"the search failed with status {process.returncode}:\n{err}")
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def children(process: subprocess.Popen[str]) -> list[int]:
    """The processes that a search has started."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def rows(url: str, study: str) -> list[dict[str, Any]]:
    """The rows of a study that hold an outcome, as its database has them."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found = []
    for trial in optuna.load_study(study_name=study, storage=url.replace("postgresql:", "postgresql+psycopg:")).trials:
        if trial.state.name in ("COMPLETE", "PRUNED"):
            found.append({"number": trial.number, "value": trial.value, **trial.user_attrs})
    return found


def wait_for(process: subprocess.Popen[str], count: int) -> None:
    """Return as soon as the search says that `count` trials have ended."""
    assert process.stderr is not None
    for line in process.stderr:
        said = re.match(r"(\d+)/\d+  ", line)
        if said is not None and int(said[1]) >= count:
            return
    raise SystemExit(f"the search ended with status {process.wait()} before {count} trials had")


def with_kills(recipe: str, out: Path, study: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Kill both workers, later the whole search, and let the same command go on; what it found, and the record."""
    url, words = f"sqlite:///{out / 'study.db'}", command(recipe, out, "--jobs", "2")
    process = start(words)
    wait_for(process, KILL_WORKERS_AT)
    before = rows(url, study)
    workers = children(process)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    wait_for(process, KILL_ALL_AT)
    second = rows(url, study)
    for pid in [process.pid, *children(process)]:
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    found = finish(start(words))
    after = rows(url, study)
    kept = all(row in after for row in (*before, *second))
    places = Counter(tuple(row["place"]) for row in after)
    record = {"workers": len(workers), "before": len(before), "second": len(second), "kept": kept}
    return found, record | {"places": len(places), "doubled": sum(n > 1 for n in places.values())}


def shared(recipe: str, folder: Path, study: str) -> tuple[list[dict[str, Any]], dict[str, Any]] | None:
    """Two commands on one study in PostgreSQL; None where there is no PostgreSQL."""
    programs = find_programs()
    if programs is None:
        return None
    version = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True)
    with server(programs) as url:
        both = [start(command(recipe, folder / name, "--storage", url, "--jobs", "1")) for name in ("one", "two")]
        found = [finish(process) for process in both]
        after = rows(url, study)
    places = Counter(tuple(row["place"]) for row in after)
    shares = sorted(Counter(row["worker"]["name"] for row in after).values(), reverse=True)
    record = {"places": len(places), "doubled": sum(n > 1 for n in places.values()), "shares": shares}
    return found, record | {"version": version.stdout.strip()}


def outcome(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Values and figure of every trial."""
    return [(row["stage"], row["trial"], json.dumps(row["values"]), row["value"]) for row in found["rows"]]


def table(found: dict[str, Any]) -> list[str]:
    """The trials, best first, as Markdown."""
    ranked = sorted((r for r in found["rows"] if r["stage"] != "confirm"), key=lambda r: (-r["value"], r["trial"]))
    names = list(ranked[0]["values"])
    lines = ["| rank | " + " | ".join(n.split(".")[-1] for n in names) + " | validation accuracy | seconds |"]
    lines.append("|---" * (len(names) + 3) + "|")
    for rank, row in enumerate(ranked, start=1):
        values = " | ".join(f"{row['values'][n]:g}" for n in names)
        lines.append(f"| {rank} | {values} | {row['value']:.4f} | {row['seconds']:.1f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", nargs="?", default="examples/mnist-depth-batch.toml")
    parser.add_argument("--work", type=Path, help="a folder for the searches; a temporary one if not given")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="search")) if given.work is None else given.work.resolve()
    study = Path(given.recipe).stem
    alone = finish(start(command(given.recipe, folder / "alone", "--jobs", "1")))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = used.ru_utime + used.ru_stime
    print(f"alone: {alone['seconds']:.0f} s, {busy:.0f} s of processor time", flush=True)
    killed, kills = with_kills(given.recipe, folder / "killed", study)
    print(f"killed: {kills}", flush=True)
    pair = shared(given.recipe, folder, study)
    print(f"shared: {None if pair is None else pair[1]}", flush=True)
    same = outcome(killed) == outcome(alone)
    again = sum(row["attempts"] for row in killed["rows"]) - len(killed["rows"])
    best, confirmed, trials = alone["best"], alone["confirmed"], alone["trials"]
    searched = sum(row["stage"] != "confirm" for row in alone["rows"])
    lines = [
        "# A search of 27 trials",
        "",
        "Written by `python tools/search_record.py`; the recipe is",
        f"[{given.recipe}](../../{given.recipe}):",
        "a network for MNIST, 20,000 training and 5,000 validation rows, over depth, batch size and learning rate.",
        "Every process uses one thread; the machine was busy with other work, so that the times are no benchmark.",
        "",
        "## One command",
        "",
        f"    chainrule search {given.recipe} --jobs 1",
        "",
        f"{alone['seconds']:.0f} s, of which {busy:.0f} s on a processor, for {searched} trials and "
        f"{trials - searched} more trainings of the best one: "
        + ", ".join(f"{n.split('.')[-1]} {v:g}" for n, v in best["values"].items())
        + f", validation accuracy {best['value']:.4f}.",
        f"Over the seeds of these {trials - searched}: validation accuracy {confirmed['val_acc']['mean']:.4f} ± "
        f"{confirmed['val_acc']['std']:.4f}, test accuracy {confirmed['test_acc']['mean']:.4f} ± "
        f"{confirmed['test_acc']['std']:.4f}.",
        "Importance (functional ANOVA): "
        + ", ".join(f"{n.split('.')[-1]} {share:.0%}" for n, share in alone["importance"].items())
        + ".",
        "",
        "![Every trial as a line](search-parallel.png)",
        "",
        "![Importance](search-importance.png)",
        "",
        *table(alone),
        "",
        "## With processes killed",
        "",
        f"    chainrule search {given.recipe} --jobs 2",
        "",
        f"After {kills['before']} trials had ended, both workers got `kill -9`; the search started others and went on.",
        f"After {kills['second']}, the search itself and its workers got `kill -9`, and the same command was given",
        "again.",
        "",
        "| what | found |",
        "|---|---|",
        f"| trials with an outcome | {kills['places']} of {trials} |",
        f"| trials with more than one outcome | {kills['doubled']} |",
        f"| outcomes from before the kills still there, unchanged | {'all' if kills['kept'] else 'NOT ALL'} |",
        f"| attempts that were killed, and made again | {again} |",
        f"| all values and figures the same as in the search that was left alone | {'yes' if same else 'NO'} |",
        f"| best trial the same | {'yes' if killed['best']['values'] == best['values'] else 'NO'} |",
        "",
        "## Shared through PostgreSQL",
        "",
    ]
    if pair is None:
        lines.append("Not run: no PostgreSQL was found.")
    else:
        ends, record = pair
        equal = all(outcome(found) == outcome(alone) for found in ends)
        lines += [
            "    chainrule search " + given.recipe + " --storage postgresql://... --out one &",
            "    chainrule search " + given.recipe + " --storage postgresql://... --out two",
            "",
            f"Two commands at the same time, on {record['version']}:",
            f"{record['places']} of {trials} trials have an outcome, {record['doubled']} have two; the two processes",
            f"ended {' and '.join(map(str, record['shares']))}. Values, figures and best trial are "
            f"{'the same' if equal else 'NOT the same'} as those of the search",
            "that was left alone.",
        ]
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "search.md").write_text("\n".join(lines) + "\n", "utf-8")
    for name in ("parallel", "importance"):
        shutil.copyfile(folder / "alone" / f"{name}.png", given.out / f"search-{name}.png")
    if given.work is None:
        shutil.rmtree(folder)
    print(f"wrote {given.out / 'search.md'}")


if __name__ == "__main__":
    main()
