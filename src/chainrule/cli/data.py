"""`chainrule data`: the named data sets, and folders of images by class: list, fetch, check, show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from chainrule.cli import FAILED, OK
from chainrule.data.auditing import Audit, audit, moments, open_source
from chainrule.data.catalog import CATALOG
from chainrule.data.download import by_hand, fetch
from chainrule.data.facts import FACTS, facts
from chainrule.errors import ConfigError
from chainrule.recipes.run import plain_json
from chainrule.report.plots import save_figure
from chainrule.report.samples import samples_figure
from chainrule.report.tables import console, text_table

MOST_LINES = 20  # groups of duplicates and leaks that are printed; --json has them all
MOST_CLASSES = 30  # rows of the table of counts

Json = Annotated[bool, Parameter(negative="")]
Size = Annotated[tuple[int, int] | None, Parameter(negative="")]

app = App(
    name="data",
    help_epilogue="""Examples:
  chainrule data list
  chainrule data fetch mnist
  chainrule data check photos/
  chainrule data show cifar10 --out cifar10.png

A folder holds one folder of image files a class, or train/ and test/
(and val/) with these inside. A .npz, .mat, CSV or Parquet file, or a
folder of MNIST's or CIFAR's files, will do as well. Sets are looked for in $CHAINRULE_DATA,
then in the cache.""",
)


@app.command(name="list")
def show_list(*, json: Json = False) -> None:
    """List the named data sets.

    Parameters
    ----------
    json
        Print one JSON object, with sources, licences, counts and SHA-256 sums.
    """
    if json:
        print(plain_json({name: _facts_dict(name) for name in FACTS if name in CATALOG}))
        return
    rows = []
    for name in sorted(CATALOG):
        known = FACTS[name]
        sizes = " + ".join(f"{size:,}" for size in known.sizes.values())
        size = f"{known.download_size / 1e6:,.0f} MB" if known.files else "-"
        licence = known.licence.partition(";")[0]
        rows.append((name, sizes, "x".join(map(str, known.shape)), size, licence, known.title))
    console().print(text_table(("name", "train + test", "shape", "fetch", "licence", "what"), rows))


@app.command(name="fetch")
def download(name: str, /, *, quiet: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Download a named data set into the cache, unless it is there already.

    What an interrupted download has brought is used by the next one. A file is kept only if its SHA-256 is the known
    one.

    Parameters
    ----------
    name
        A name that `chainrule data list` shows.
    quiet
        Show no progress.
    """
    from rich import progress

    columns = (
        "{task.description}",
        progress.BarColumn(None),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
    )
    shown = console(stderr=True)
    with progress.Progress(*columns, console=shown, disable=quiet or not shown.is_terminal, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def note(file: str, done: int, total: int) -> None:
            if file not in tasks:
                tasks[file] = bar.add_task(file, total=total)
            bar.update(tasks[file], completed=done)

        source = fetch(name, note)
    sizes = " and ".join(f"{len(data):,} {part}" for part, data in source.parts.items())
    print(f"{name} is there: {sizes} rows")


@app.command
def check(name_or_folder: str, /, *, resize: Size = None, json: Json = False) -> int:
    """Read a data set completely and report what is wrong with it; the exit status is 1 if anything is.

    Parameters
    ----------
    name_or_folder
        A name that `chainrule data list` shows, or a folder or archive of images by class,
        or a file of arrays.
    resize
        Height and width to bring images of a folder to; without it another size is a fault.
    json
        Print one JSON object with everything that was found.
    """
    found = audit(name_or_folder, resize=resize)
    if json:
        print(plain_json(found.to_dict()))
    else:
        _print_audit(found)
    return OK if found.ok else FAILED


@app.command
def show(name_or_folder: str, /, *, out: Path | None = None, resize: Size = None, json: Json = False) -> None:
    """Draw some images of every class, and print counts, mean and standard deviation.

    Parameters
    ----------
    name_or_folder
        A name that `chainrule data list` shows, or a folder or archive of images by class,
        or a file of arrays.
    out
        The PNG file to write; the set's name with -samples.png if not given.
    resize
        Height and width to bring images of a folder to; without it those of another size are left out.
    json
        Print one JSON object instead of lines.
    """
    source, _ = open_source(name_or_folder, resize=resize)
    mean, deviation = moments(source.train, source.scale)
    path = Path(f"{source.name}-samples.png") if out is None else out
    if not path.parent.is_dir():
        raise ConfigError(f"--out must be a file in a folder that exists, got {str(path)!r}")
    counts = {part: data.class_counts().tolist() for part, data in source.parts.items() if data.has_labels}
    title = (
        f"{source.name}: {len(source.train):,} training rows of shape {'x'.join(map(str, source.train.input_shape))}"
    )
    save_figure(samples_figure(source.train, source.scale, title), path)
    if json:
        figures = {"mean": mean.tolist(), "std": deviation.tolist(), "scale": source.scale}
        print(plain_json({"name": source.name, "counts": counts, "picture": str(path)} | figures))
        return
    names = source.train.class_names
    _print_counts(counts, [str(i) for i in range(source.train.classes)] if names is None else names)
    unit = "" if source.scale is None else f" (inputs over {source.scale:g})"
    print(f"mean {_numbers(mean)}, standard deviation {_numbers(deviation)}{unit}")
    print(path)


def _facts_dict(name: str) -> dict[str, Any]:
    known = facts(name)
    return {
        "title": known.title,
        "shape": known.shape,
        "sizes": known.sizes,
        "counts": dict(known.counts),
        "licence": known.licence,
        "source": known.source,
        "files": [{"name": f.name, "urls": f.urls, "bytes": f.size, "sha256": f.sha256} for f in known.files],
        "manual": by_hand(known) if known.files else known.manual,
        "damaged": known.damaged,
    }


def _print_audit(found: Audit) -> None:
    _print_counts(found.counts, found.class_names)
    if found.notes:
        print(found.notes)
    if found.imbalance >= 1.005:  # what is shown as more than 1
        print(f"largest training class: {found.imbalance:.3g} times the smallest")
    _print_groups("equal images with one label", [" = ".join(group) for group in found.duplicates])
    _print_groups("equal images with different labels", [" = ".join(group) for group in found.conflicts])
    _print_groups("images that are in an earlier part too", [" = ".join(pair) for pair in found.leaks])
    for entry in found.known_bad:
        print(f"known to be damaged: {entry.path}: {entry.reason}")
    listed = set()
    for entry in found.bad:
        print(f"bad file: {entry.path}: {entry.reason}")
        listed.add(f"{entry.path}: {entry.reason}")
    others = [fault for fault in found.faults if fault not in listed]
    for fault in others[:MOST_LINES]:
        print(f"fault: {fault}")
    if len(others) > MOST_LINES:
        print(f"and {len(others) - MOST_LINES:,} faults more; --json has them all")
    print("no fault found" if found.ok else f"{len(found.faults):,} fault{'s' if len(found.faults) > 1 else ''}")


def _print_counts(counts: Any, names: Sequence[str]) -> None:
    parts = list(counts)
    if not parts:
        return
    padded = {part: [*c, *[0] * (len(names) - len(c))] for part, c in counts.items()}
    rows = [(name, *(f"{padded[p][i]:,}" for p in parts)) for i, name in enumerate(names[:MOST_CLASSES])]
    if len(names) > MOST_CLASSES:
        rows.append((f"... {len(names) - MOST_CLASSES} more", *("" for _ in parts)))
    rows.append(("all", *(f"{sum(padded[p]):,}" for p in parts)))
    console().print(text_table(("class", *parts), rows))


def _print_groups(what: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    print(f"{what}: {len(lines):,}")
    for line in lines[:MOST_LINES]:
        print(f"  {line if len(line) <= 300 else line[:297] + '...'}")
    if len(lines) > MOST_LINES:
        print(f"  and {len(lines) - MOST_LINES:,} more; --json has them all")


def _numbers(values: Any) -> str:
    return " ".join(f"{v:.6f}" for v in values)
