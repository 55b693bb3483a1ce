"""Data sets, splits and mini-batches; one file per source format."""

from __future__ import annotations

from chainrule.data.archives import extract as extract
from chainrule.data.archives import iterate_members as iterate_members
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
from chainrule.data.facts import FACTS as FACTS
from chainrule.data.facts import Facts as Facts
from chainrule.data.facts import facts as facts
from chainrule.data.idx import read_idx as read_idx
from chainrule.data.image_folder import load_image_folder as load_image_folder
from chainrule.data.loader import Loader as Loader
from chainrule.data.mnist import load_emnist as load_emnist
from chainrule.data.mnist import load_fashion_mnist as load_fashion_mnist
from chainrule.data.mnist import load_mnist as load_mnist
from chainrule.data.normalized import NormalizedRows as NormalizedRows
from chainrule.data.notmnist import load_notmnist as load_notmnist
from chainrule.data.npz import read_npz as read_npz
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
