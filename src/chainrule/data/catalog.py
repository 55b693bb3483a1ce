"""The explicit list of named data sets: one file that reads it, one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chainrule.data.binary20d import binary20d_source
from chainrule.data.cifar10 import cifar10_source
from chainrule.data.cifar100 import cifar100_coarse_source, cifar100_source
from chainrule.data.digits import digits_source
from chainrule.data.mnist import EMNIST_CLASSES, emnist_source, fashion_mnist_source, mnist_source
from chainrule.data.notmnist import notmnist_source
from chainrule.data.source import Source
from chainrule.errors import unknown

#: Every data set that recipes and the command line may name.
CATALOG: Mapping[str, Callable[[], Source]] = {
    "binary20d": binary20d_source,
    "cifar10": cifar10_source,
    "cifar100": cifar100_source,
    "cifar100-coarse": cifar100_coarse_source,
    "digits": digits_source,
    **{f"emnist-{part}": emnist_source(part) for part in EMNIST_CLASSES},
    "fashion-mnist": fashion_mnist_source,
    "mnist": mnist_source,
    "notmnist": notmnist_source,
}


def load(name: str) -> Source:
    """The data set called `name`.

    Raises `ConfigError` for an unknown name and `DataError` where its files are missing or damaged.

    >>> source = load("digits")
    >>> source.train.input_shape, len(source.train), source.scale
    ((1, 8, 8), 1797, 16.0)
    """
    if not isinstance(name, str) or name not in CATALOG:
        raise unknown("data set", name, CATALOG)
    return CATALOG[name]()
