"""Data sets, splits and mini-batches; one file per source format.

The public names are those of `NAMES`. They are loaded at first use: a network needs the transforms alone, not the
readers of every format.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

#: What each module offers here; the same again below, for those who read code without running it.
NAMES = {
    "archives": ("extract", "iterate_members"),
    "auditing": ("Audit", "audit"),
    "augment": ("TRANSFORMS", "Transform"),
    "batches": ("Batches", "LegacyBatches", "ReplacementBatches", "ShuffledBatches", "make_batches"),
    "binary20d": ("load_binary20d",),
    "catalog": ("CATALOG", "load"),
    "cifar10": ("load_cifar10",),
    "cifar100": ("load_cifar100",),
    "dataset": ("Dataset", "Splits"),
    "digits": ("load_digits",),
    "download": ("fetch",),
    "equal_rows": ("Leak", "duplicates", "leakage"),
    "facts": ("FACTS", "Facts"),
    "folds": ("k_fold", "split_by_indices", "stratified_k_fold"),
    "idx": ("read_idx",),
    "image_folder": ("load_image_folder",),
    "loader": ("Loader",),
    "mat": ("read_mat",),
    "mnist": ("load_emnist", "load_fashion_mnist", "load_mnist"),
    "normalized": ("NormalizedRows",),
    "notmnist": ("load_notmnist",),
    "npz": ("read_npz",),
    "readers": ("read",),
    "source": ("Skipped", "Source", "find_folder"),
    "splits": ("ordered_split", "random_split", "stratified_split"),
    "transforms": ("NORMALIZATIONS", "Normalizer", "flatten", "to_float"),
}
_MODULE_OF = {name: module for module, names in NAMES.items() for name in names}

__all__ = [*_MODULE_OF]

if TYPE_CHECKING:
    from chainrule.data.archives import extract as extract
    from chainrule.data.archives import iterate_members as iterate_members
    from chainrule.data.auditing import Audit as Audit
    from chainrule.data.auditing import audit as audit
    from chainrule.data.augment import TRANSFORMS as TRANSFORMS
    from chainrule.data.augment import Transform as Transform
    from chainrule.data.batches import Batches as Batches
    from chainrule.data.batches import LegacyBatches as LegacyBatches
    from chainrule.data.batches import ReplacementBatches as ReplacementBatches
    from chainrule.data.batches import ShuffledBatches as ShuffledBatches
    from chainrule.data.batches import make_batches as make_batches
    from chainrule.data.binary20d import load_binary20d as load_binary20d
    from chainrule.data.catalog import CATALOG as CATALOG
    from chainrule.data.catalog import load as load
    from chainrule.data.cifar10 import load_cifar10 as load_cifar10
    from chainrule.data.cifar100 import load_cifar100 as load_cifar100
    from chainrule.data.dataset import Dataset as Dataset
    from chainrule.data.dataset import Splits as Splits
    from chainrule.data.digits import load_digits as load_digits
    from chainrule.data.download import fetch as fetch
    from chainrule.data.equal_rows import Leak as Leak
    from chainrule.data.equal_rows import duplicates as duplicates
    from chainrule.data.equal_rows import leakage as leakage
    from chainrule.data.facts import FACTS as FACTS
    from chainrule.data.facts import Facts as Facts
    from chainrule.data.folds import k_fold as k_fold
    from chainrule.data.folds import split_by_indices as split_by_indices
    from chainrule.data.folds import stratified_k_fold as stratified_k_fold
    from chainrule.data.idx import read_idx as read_idx
    from chainrule.data.image_folder import load_image_folder as load_image_folder
    from chainrule.data.loader import Loader as Loader
    from chainrule.data.mat import read_mat as read_mat
    from chainrule.data.mnist import load_emnist as load_emnist
    from chainrule.data.mnist import load_fashion_mnist as load_fashion_mnist
    from chainrule.data.mnist import load_mnist as load_mnist
    from chainrule.data.normalized import NormalizedRows as NormalizedRows
    from chainrule.data.notmnist import load_notmnist as load_notmnist
    from chainrule.data.npz import read_npz as read_npz
    from chainrule.data.readers import read as read
    from chainrule.data.source import Skipped as Skipped
    from chainrule.data.source import Source as Source
    from chainrule.data.source import find_folder as find_folder
    from chainrule.data.splits import ordered_split as ordered_split
    from chainrule.data.splits import random_split as random_split
    from chainrule.data.splits import stratified_split as stratified_split
    from chainrule.data.transforms import NORMALIZATIONS as NORMALIZATIONS
    from chainrule.data.transforms import Normalizer as Normalizer
    from chainrule.data.transforms import flatten as flatten
    from chainrule.data.transforms import to_float as to_float


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module 'chainrule.data' has no attribute {name!r}")
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(f"chainrule.data.{_MODULE_OF[name]}"), name)
        globals()[name] = value  # the next use does not come here
        return value
    try:
        return importlib.import_module(f"chainrule.data.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"chainrule.data.{name}":
            raise
    raise AttributeError(f"module 'chainrule.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*_MODULE_OF, *globals()})
