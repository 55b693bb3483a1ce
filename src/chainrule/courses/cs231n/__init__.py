"""CS231n (Stanford), assignment 2: the package `cs231n/`, editions 2016 to 2026.

>>> from chainrule.courses import cs231n
>>> cs231n.edition(2017).layers.dropout_forward.__name__, cs231n.edition(2018).layers.dropout_forward.__name__
('drop_forward', 'keep_forward')

What changed over the years:

    dropout's p         2016, 2017 the probability of dropping; since 2018 of keeping
    FullyConnectedNet   dropout=0, use_batchnorm   |   dropout=1, normalization   |   dropout_keep_ratio=1 (since 2021)
    layer, group norm   since 2018
    svm_loss, TwoLayerNet   until 2020
    data sets           until 2019 in cs231n/datasets of the current directory; since 2020 beside data_utils.py
"""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.courses.common.data_utils import readers
from chainrule.courses.common.tables import (
    data_utils_file,
    gradient_check_file,
    optim_file,
    solver_file,
    vis_utils_file,
)
from chainrule.courses.course import Course, Edition, File, offer

EDITIONS = tuple(str(year) for year in range(2016, 2027))

#: The data readers of the namespaces; an installed data_utils.py has its own.
DATA = readers("cs231n/datasets")

SANDWICHES = "affine_relu conv_relu conv_bn_relu conv_relu_pool"
_STARS = ("layers.py", "layer_utils.py", "fast_layers.py")


def _both(names: str, suffix: str = "") -> str:
    """Each name as a forward and a backward function."""
    return " ".join(f"{name}_{way}{suffix}" for name in names.split() for way in ("forward", "backward"))


def layers_file(year: int) -> File:
    """layers.py of one year."""
    names = offer("common.layers", _both("affine relu") + " softmax_loss" + (" svm_loss" if year <= 2020 else ""))
    names |= offer("common.normalization", _both("batchnorm spatial_batchnorm") + " batchnorm_backward_alt")
    if year >= 2018:
        names |= offer("common.normalization", _both("layernorm spatial_groupnorm"))
    meaning = "drop" if year <= 2017 else "keep"
    names |= offer("common.dropout", f"dropout_forward={meaning}_forward dropout_backward")
    names |= naive_convolution()
    return File("Layers and losses as functions.", names)


def naive_convolution() -> dict[str, str]:
    """The names of convolution and max pooling in layers.py."""
    return offer(
        "common.convolution",
        " ".join(f"{n}_{way}_naive={n}_{way}" for n in ("conv", "max_pool") for way in ("forward", "backward")),
    )


def fast_layers_file() -> File:
    """fast_layers.py: every version is the same layer."""
    kinds = {"conv": ("fast", "strides", "im2col"), "max_pool": ("fast", "reshape", "im2col")}
    pairs = [f"{n}_{way}_{k}={n}_{way}" for n, ks in kinds.items() for k in ks for way in ("forward", "backward")]
    return File("Convolution and max pooling under their fast names.", offer("common.convolution", " ".join(pairs)))


def im2col_file() -> File:
    """im2col.py."""
    return File("Convolution's columns.", offer("common.im2col", "get_im2col_indices im2col_indices col2im_indices"))


def _fc_net(year: int) -> dict[str, str]:
    edition = 2016 if year <= 2017 else 2018 if year <= 2020 else 2021
    names = offer("cs231n.fc_net", f"FullyConnectedNet=FullyConnectedNet{edition}")
    return names | (offer("common.fc_net", "TwoLayerNet") if year <= 2020 else {})


def _files(edition: str) -> Mapping[str, File]:
    year = int(edition)
    folders = '"cs231n/datasets"' if year <= 2019 else 'Path(__file__).resolve().parent / "datasets"'
    return {
        "__init__.py": File("The package of assignment 2.", {}),
        "layers.py": layers_file(year),
        "fast_layers.py": fast_layers_file(),
        "layer_utils.py": File("Sandwich layers.", offer("common.layer_utils", _both(SANDWICHES)), _STARS[::2]),
        "im2col.py": im2col_file(),
        "classifiers/__init__.py": File("The models.", {}),
        "classifiers/fc_net.py": File("Fully connected networks.", _fc_net(year), _STARS),
        "classifiers/cnn.py": File("A convolutional network.", offer("common.cnn", "ThreeLayerConvNet"), _STARS),
        "optim.py": optim_file(),
        "solver.py": solver_file("cs231n"),
        "gradient_check.py": gradient_check_file(),
        "vis_utils.py": vis_utils_file(),
        "data_utils.py": data_utils_file(folders, "cs231n"),
    }


COURSE = Course("cs231n", EDITIONS, _files, package="cs231n")


def edition(name: str | int) -> Edition:
    """The edition of that year: `edition(2020).layers.affine_forward`, `edition(2020).fc_net.FullyConnectedNet`."""
    return COURSE.edition(name)
