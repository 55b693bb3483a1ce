"""The memory that training a recipe will take, part by part, before it does; and a budget that is kept to.

What is predicted is the peak of the process's resident memory: the interpreter and the libraries, which are loaded to
be measured; the data set as it is read, its parts, and their inputs as floats; the network, the optimiser's slots, the
best weights, the copies of a checkpoint; what the engine needs between a batch and its gradients.

Reading may leave a hole in the memory that the process holds on to. What is made later is put into it while it fits;
the rest of the hole is a part of its own. `chainrule summary RECIPE --memory` shows the parts; how far predictions were
from measurements is in docs/results/memory.md.
"""

from __future__ import annotations

import functools
import io
import math
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from chainrule.arrays import Shape
from chainrule.data import FACTS, Source
from chainrule.data.augment.augmentation import prepared
from chainrule.data.rows import _BLOCK as NORMALIZED_AT_ONCE
from chainrule.data.splits import rows_of_parts
from chainrule.engines.memory import NATIVE_ROWS, REFERENCE_ROWS, evaluation_bytes, runs_native, training_bytes
from chainrule.errors import ConfigError, MemoryLimitError, describe
from chainrule.network import Network
from chainrule.recipes.experiment import make_network, open_source
from chainrule.recipes.recipe import Recipe, require_recipe

_AHEAD = 6  # batches of a loader: those that wait, the one in use, the one being made
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes by what they are for, in the order in which they are taken. The sum is the predicted peak."""

    parts: Mapping[str, int]

    @property
    def total(self) -> int:
        """The peak, in bytes."""
        return sum(self.parts.values())

    def __str__(self) -> str:
        width = max(map(len, self.parts))
        lines = [f"{name:{width}}  {size / 1e6:10,.1f} MB" for name, size in self.parts.items()]
        return "\n".join([*lines, "-" * (width + 15), f"{'peak':{width}}  {self.total / 1e6:10,.1f} MB"])


@dataclass(frozen=True)
class Rows:
    """What is known of a data set without looking at its numbers."""

    shape: Shape  # of a row
    itemsize: int  # of a number in it
    source: Mapping[str, int]  # rows of each part that the set brings
    parts: Mapping[str, int]  # rows of each part that is made of the training rows
    reading: int  # bytes that reading takes for a while
    mapped: bool = False

    @property
    def row(self) -> int:
        """Numbers in a row."""
        return math.prod(self.shape)


def estimate_memory(recipe: Recipe, engine: str = "auto", *, lazily: bool | None = None) -> MemoryEstimate:
    """The peak resident memory of a process that trains `recipe`, by part, in bytes.

    engine: what runs the network. lazily: whether the training rows are normalised batch by batch, by default as
    `build` does it. The data set is not read where its size is documented. Libraries that training needs are loaded.
    """
    require_recipe("estimate_memory", recipe)
    load_libraries(recipe)
    base = resident_memory()
    rows = known_rows(recipe)
    network = make_network(recipe, rows.shape)
    taken = _Taken(rows.reading)
    lazily = bool(recipe.augment) if lazily is None else lazily
    _add_data(taken, recipe, rows, network.dtype.itemsize, lazily=lazily)
    _add_training(taken, recipe, rows, network, runs_native(network, engine), lazily=lazily)
    parts = {"interpreter and libraries": base, **taken.parts, "left behind by reading": taken.hole}
    return MemoryEstimate({name: int(size) for name, size in parts.items() if size > 0})


class _Taken:
    """What is allocated one after the other, into the hole that reading left while it fits."""

    def __init__(self, hole: int) -> None:
        self.hole, self.parts = hole, dict[str, int]()

    def add(self, name: str, size: int) -> None:
        self.parts[name] = self.parts.get(name, 0) + size
        if size <= self.hole:
            self.hole -= size


def _add_data(taken: _Taken, recipe: Recipe, rows: Rows, itemsize: int, *, lazily: bool) -> None:
    raw = rows.row * rows.itemsize
    taken.parts["the data set as it is read"] = sum(rows.source.values()) * (raw + 8)  # 8: of a label
    for count in rows.parts.values():
        taken.add("its parts", count * (raw + 8))
    everything = {**{p: n for p, n in rows.source.items() if p != "train"}, **rows.parts}
    for part, count in everything.items():
        stays = lazily if part == "train" else rows.itemsize == 1
        if not stays:
            taken.add("inputs as floats", count * rows.row * itemsize)
        elif rows.itemsize == 1 and rows.shape:  # what pairs of bytes become is looked up
            taken.add("tables of normalised bytes", 2**17 * itemsize * _statistics(recipe, rows.shape))
    taken.add("normalising", 8 * min(NORMALIZED_AT_ONCE, max(everything.values()) * rows.row))


def _statistics(recipe: Recipe, shape: Shape) -> int:
    """How many means the normaliser has that fit into a table; 0 where each pixel has its own."""
    return {"channel": shape[0], "standard": 0, "center": 0}.get(recipe.data.normalize, 1)


def _add_training(taken: _Taken, recipe: Recipe, rows: Rows, network: Network, native: bool, *, lazily: bool) -> None:
    size, buffers = network.params.flat.nbytes, network.buffers.flat.nbytes
    slots, row = len(recipe.rule.slot_names), rows.row * network.dtype.itemsize
    train, batch = rows.parts["train"], min(recipe.train.batch_size, rows.parts["train"])
    for _ in range(3):  # one for which of them decay
        taken.add("weights and gradients", size)
    for _ in range(slots):
        taken.add("slots of the update rule", size)
    kept = 1 + (recipe.train.keep == "last") + (recipe.early_stopping is not None) + (recipe.averaging is not None)
    for _ in range(kept):
        taken.add("best weights", size + buffers)
    if lazily:
        taken.add("batches made ahead", _AHEAD * batch * (row + rows.row * rows.itemsize))
    step = training_bytes(network, batch, native=native) + batch * row
    largest = max(n for part, n in {**rows.source, **rows.parts}.items() if part != "train" or len(rows.source) == 1)
    together = min(NATIVE_ROWS if native else REFERENCE_ROWS, largest)
    evaluation = evaluation_bytes(network, largest, native=native) + together * row
    looked_at = recipe.train.num_train_samples
    if looked_at != "all" and looked_at < train:
        evaluation += looked_at * row
    state, held = size * (1 + slots) + buffers, kept * (size + buffers)
    good = state + held if recipe.train.on_divergence == "back-off" else 0
    taken.add("the state to go back to", good)
    own = state + held - size - buffers  # the solver's best weights are not copied
    checkpoint = own + 2 * (state + held + good)  # as arrays in C order, and as the bytes of the file
    if native:  # its buffers stay
        taken.add("a training step", step)
        taken.add("an evaluation", evaluation)
        taken.add("a checkpoint", checkpoint)
    else:
        taken.add("a training step, an evaluation or a checkpoint", max(step, evaluation, checkpoint))


def known_rows(recipe: Recipe, source: Source | None = None) -> Rows:
    """The sizes of the recipe's data: from what is documented of the set, otherwise from the set itself."""
    part = recipe.data
    facts = FACTS.get(str(part.name)) if part.folder is None and source is None else None
    if facts is not None and _is_bytes(facts.shape) and not recipe.prepare:
        shape, itemsize, sizes = tuple(facts.shape), 1, dict(facts.sizes)
    else:
        opened = open_source(recipe) if source is None else source
        first = prepared(opened.train.X[:1], recipe.prepare)
        shape, itemsize = first.shape[1:], first.dtype.itemsize
        sizes = {name: len(data) for name, data in opened.parts.items()}
    parts = rows_of_parts("memory", sizes["train"], part.train, part.val, part.test)
    raw = math.prod(shape) * itemsize * sizes["train"]
    return Rows(shape, itemsize, sizes, {name: n for name, n in parts.items() if n}, _reading(part.name, raw))


def _is_bytes(shape: Shape) -> bool:
    return len(shape) == 3 and math.prod(shape) > 64


def _reading(name: str | None, raw: int) -> int:
    """Bytes that reading a set takes beside the set: its files one by one, and copies on the way to one array."""
    if name == "cifar10":  # five batches that become one, the content of a file, and its decompression twice
        return raw + 3 * raw // 5
    return raw if name is not None and name.startswith("cifar100") else 0


def load_libraries(recipe: Recipe) -> None:
    """Import what training and its figures will, so that it is counted in the memory of this process."""
    import safetensors.numpy  # noqa: F401

    if recipe.data.split == "stratified" or recipe.data.name == "digits":
        import sklearn.model_selection
    if recipe.data.name == "digits":
        import sklearn.datasets  # noqa: F401
    _draw()


@functools.cache
def _draw() -> None:
    """A figure as a run leaves one; the fonts stay in memory."""
    from chainrule.report.plots import curves_figure
    from chainrule.solver import History

    curves_figure(History([1.0, 0.5]), "loss").savefig(io.BytesIO(), format="png", bbox_inches="tight")


def resident_memory() -> int:
    """Bytes of this process that lie in memory now."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):  # not Linux: the most there were so far
        try:
            import resource
        except ImportError:
            return 0
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return pages * os.sysconf("SC_PAGE_SIZE")


def parse_bytes(text: str) -> int:
    """A number of bytes as written: 800MB, 1.5 GiB, 2000000.

    >>> parse_bytes("1.5GB")
    1500000000
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]I?B|)\s*", str(text).upper())
    size = 0.0 if match is None else float(match[1]) * _UNITS.get(match[2], 0)
    if not 1 <= size < math.inf:
        raise ConfigError(f"memory must be a number of bytes such as 800MB or 2GiB, got {describe(text)}")
    return int(size)


def fit_in_memory(recipe: Recipe, engine: str, budget: int) -> tuple[MemoryEstimate, bool]:
    """The estimate of a way to train `recipe` within `budget` bytes, and whether its rows stay bytes on that way.

    Rows that are normalised batch by batch take less memory and give the same numbers. `MemoryLimitError` names the
    parts where that is not enough, and the batch size that would be.
    """
    estimate = estimate_memory(recipe, engine)
    if estimate.total <= budget:
        return estimate, bool(recipe.augment)
    tighter, lazily = min(
        ((estimate, False), (estimate_memory(recipe, engine, lazily=True), True)), key=lambda way: way[0].total
    )
    if tighter.total <= budget:
        return tighter, lazily
    largest = sorted(tighter.parts.items(), key=lambda part: -part[1])
    named = ", ".join(f"{name} {size / 1e6:,.1f} MB" for name, size in largest)
    batch = _batch_that_fits(recipe, engine, budget)
    hint = "no batch size is small enough" if batch is None else f"--set train.batch_size={batch} would fit"
    raise MemoryLimitError(
        f"recipe {recipe.name} needs {tighter.total / 1e6:,.1f} MB of memory, {budget / 1e6:,.1f} MB are allowed: "
        f"{named}; {hint}"
    )


def _batch_that_fits(recipe: Recipe, engine: str, budget: int) -> int | None:
    """The largest batch size whose estimate stays within the budget, by halving; None where not even 1 does."""

    def fits(batch: int) -> bool:
        changed = replace_batch(recipe, batch)
        return any(estimate_memory(changed, engine, lazily=way).total <= budget for way in (None, True))

    low, high = 0, recipe.train.batch_size  # `high` does not fit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low if low else None


def replace_batch(recipe: Recipe, batch: int) -> Recipe:
    """The recipe with another batch size."""
    return msgspec.structs.replace(recipe, train=msgspec.structs.replace(recipe.train, batch_size=batch))
