"""What is documented about each named data set: how many images of which class, whose they are, where to get them.

The counts are what `chainrule data check` compares a copy with; the SHA-256 sums are what a download must have. A sum
stands here only if it was computed from files proven to be the distributed ones, or is published by others who pin it.
Sources of the sums: MNIST's from files with the MD5 sums of the original distribution, equal to those that TensorFlow
Datasets pins; Fashion-MNIST and EMNIST as TensorFlow Datasets pins them; CIFAR-10 and CIFAR-100 as Keras pins them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chainrule.errors import unknown


@dataclass(frozen=True)
class RemoteFile:
    """One file to download: the name it is kept under, where it is (the first that answers), its size and sum."""

    name: str
    urls: tuple[str, ...]
    size: int
    sha256: str


@dataclass(frozen=True)
class Facts:
    """The documentation of one data set.

    counts: rows of each class, by part ("train", "test"). totals: rows of each part, where those of each class are not
    documented. licence: as its makers state it, otherwise that they state
    none. files: what `fetch` downloads; empty where no copy has a known sum, and then `manual` says what to do.
    folder: the subfolder of the data folder or the cache. damaged: files that are known to be no images.
    characters: whether the classes are digits or letters, whose mirror images are other ones or none.
    """

    title: str
    shape: tuple[int, ...]
    counts: Mapping[str, tuple[int, ...]]
    licence: str
    source: str
    folder: str
    files: tuple[RemoteFile, ...] = ()
    manual: str = ""
    damaged: tuple[str, ...] = ()
    totals: Mapping[str, int] = field(default_factory=dict)
    characters: bool = False

    @property
    def sizes(self) -> dict[str, int]:
        """Rows of each part."""
        return {part: sum(counts) for part, counts in self.counts.items()} | dict(self.totals)

    @property
    def download_size(self) -> int:
        """Bytes of all files that `fetch` downloads."""
        return sum(file.size for file in self.files)


def facts(name: str) -> Facts:
    """The documentation of the data set called `name`. Raises `ConfigError` for an unknown one.

    >>> facts("mnist").sizes
    {'train': 60000, 'test': 10000}
    """
    if not isinstance(name, str) or name not in FACTS:
        raise unknown("data set", name, FACTS)
    return FACTS[name]


_STATED_NONE = "none stated by its makers"
_MNIST_PLACES = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_FASHION_PLACES = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)


def _files(places: tuple[str, ...], rows: tuple[tuple[str, int, str], ...]) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(name, tuple(p + name for p in places), size, sha256) for name, size, sha256 in rows)


def _even(train: int, test: int, classes: int) -> dict[str, tuple[int, ...]]:
    return {"train": (train,) * classes, "test": (test,) * classes}


_MNIST = _files(
    _MNIST_PLACES,
    (
        (
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        ("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
)
_FASHION = _files(
    _FASHION_PLACES,
    (
        (
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        ("train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        ("t10k-images-idx3-ubyte.gz", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        ("t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
)
_CIFAR_PLACES = ("https://www.cs.toronto.edu/~kriz/",)
_CIFAR10 = _files(
    _CIFAR_PLACES,
    (("cifar-10-python.tar.gz", 170_498_071, "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"),),
)
_CIFAR100 = _files(
    _CIFAR_PLACES,
    (("cifar-100-python.tar.gz", 169_001_437, "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"),),
)

_EMNIST = _files(
    ("https://biometrics.nist.gov/cs_links/EMNIST/", "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/"),
    (("gzip.zip", 561_753_746, "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e"),),
)


def _cifar100(title: str, counts: Mapping[str, tuple[int, ...]]) -> Facts:
    return Facts(
        title=title,
        shape=(3, 32, 32),
        counts=counts,
        licence=f"{_STATED_NONE}; cite Krizhevsky 2009",
        source="https://www.cs.toronto.edu/~kriz/cifar.html",
        folder="cifar100",
        files=_CIFAR100,
    )


def _emnist(what: str, counts: Mapping[str, tuple[int, ...]], totals: Mapping[str, int]) -> Facts:
    return Facts(
        title=f"EMNIST: {what}",
        shape=(1, 28, 28),
        counts=counts,
        licence=f"{_STATED_NONE}; cite Cohen et al. 2017",
        source="https://www.nist.gov/itl/products-and-services/emnist-dataset",
        folder="emnist",
        files=_EMNIST,
        totals=totals,
        characters=True,
    )


_ALL_EMNIST = {"train": 697_932, "test": 116_323}

FACTS: Mapping[str, Facts] = {
    "binary20d": Facts(
        title="Two classes of 20 features, from a course's first assignment",
        shape=(20,),
        counts={"train": (460, 540)},
        licence="none stated (course material)",
        source="EECS 598 Deep Learning, University of Michigan, 2019, homework 1",
        folder="binary20d",
        manual="Save the assignment's arrays X and y as data.npz: its own data.pkl is not downloaded, because the one "
        "public copy has no published sum and was damaged by a change of line ends.",
    ),
    "cifar10": Facts(
        title="CIFAR-10: colour photographs of ten kinds of things",
        shape=(3, 32, 32),
        counts=_even(5000, 1000, 10),
        licence=f"{_STATED_NONE}; cite Krizhevsky 2009",
        source="https://www.cs.toronto.edu/~kriz/cifar.html",
        folder="cifar10",
        files=_CIFAR10,
    ),
    "cifar100": _cifar100("CIFAR-100: colour photographs of a hundred kinds of things", _even(500, 100, 100)),
    "cifar100-coarse": _cifar100("CIFAR-100 with the labels of its 20 families", _even(2500, 500, 20)),
    "digits": Facts(
        title="Handwritten digits of 8 × 8 pixels, which come with scikit-learn",
        shape=(1, 8, 8),
        counts={"train": (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)},
        licence="CC BY 4.0 (UCI repository)",
        source="https://archive.ics.uci.edu/dataset/80",
        folder="",
        manual="Nothing to download: the digits are part of scikit-learn.",
        characters=True,
    ),
    "emnist-balanced": _emnist("handwritten digits and letters, as many of each", _even(2400, 400, 47), {}),
    "emnist-byclass": _emnist("all handwritten digits, capital and small letters", {}, _ALL_EMNIST),
    "emnist-bymerge": _emnist("all of them, letters alike in both cases merged", {}, _ALL_EMNIST),
    "emnist-digits": _emnist("handwritten digits", _even(24_000, 4_000, 10), {}),
    "emnist-letters": _emnist("handwritten letters, both cases merged", _even(4_800, 800, 26), {}),
    "emnist-mnist": _emnist("handwritten digits in the sizes of MNIST", _even(6_000, 1_000, 10), {}),
    "fashion-mnist": Facts(
        title="Fashion-MNIST: grey pictures of ten kinds of clothing",
        shape=(1, 28, 28),
        counts=_even(6000, 1000, 10),
        licence="MIT",
        source="https://github.com/zalandoresearch/fashion-mnist",
        folder="fashion-mnist",
        files=_FASHION,
    ),
    "mnist": Facts(
        title="MNIST: handwritten digits",
        shape=(1, 28, 28),
        counts={
            "train": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
            "test": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
        },
        licence=_STATED_NONE,
        source="LeCun, Cortes & Burges, http://yann.lecun.com/exdb/mnist/",
        folder="mnist",
        files=_MNIST,
        characters=True,
    ),
    "notmnist": Facts(
        title="notMNIST (small): the letters A to J in many fonts",
        shape=(1, 28, 28),
        counts={"train": (1872, 1873, 1873, 1873, 1873, 1872, 1872, 1872, 1872, 1872)},
        licence=_STATED_NONE,
        source="Bulatov 2011, http://yaroslavvb.blogspot.com/2011/09/notmnist-dataset.html",
        folder="notmnist",
        manual="Download notMNIST_small.tar.gz from http://yaroslavvb.com/upload/notMNIST/notMNIST_small.tar.gz (no "
        "sum of the original archive is published, so it is not done for you; `chainrule data check notmnist` then "
        "compares all 18,724 images with the documented counts).",
        damaged=(
            "A/RGVtb2NyYXRpY2FCb2xkT2xkc3R5bGUgQm9sZC50dGY=.png",
            "F/Q3Jvc3NvdmVyIEJvbGRPYmxpcXVlLnR0Zg==.png",
        ),
        characters=True,
    ),
}
