"""CS 189 (Berkeley), homework 6: flat modules and `classifiers/fc_net.py`.

The edition "mds189" is the one for the course's own data set: 8 classes instead of 10.

>>> from chainrule.courses import cs189
>>> cs189.edition("mds189").fc_net.FullyConnectedNet(75).params["W3"].shape
(5, 8)
"""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.courses.common.data_utils import readers
from chainrule.courses.common.tables import data_utils_file, gradient_check_file, optim_file, solver_file
from chainrule.courses.course import Course, Edition, File, offer

EDITIONS = ("2018", "2019", "mds189")

_FOLDERS = ("datasets", "cs231n/datasets")

#: The data readers of the namespaces; an installed data_utils.py has its own.
DATA = readers(*_FOLDERS)


def _files(edition: str) -> Mapping[str, File]:
    names = offer("common.layers", "affine_forward affine_backward relu_forward relu_backward softmax_loss")
    model = "FullyConnectedNet=FullyConnectedNet8" if edition == "mds189" else "FullyConnectedNet"
    return {
        "layers.py": File("Layers and the loss as functions.", names),
        "classifiers/__init__.py": File("The models.", {}),
        "classifiers/fc_net.py": File("Fully connected network.", offer("cs189.networks", model), ("layers.py",)),
        "optim.py": optim_file(),
        "solver.py": solver_file(""),
        "gradient_check.py": gradient_check_file(),
        "data_utils.py": data_utils_file(", ".join(f'"{folder}"' for folder in _FOLDERS), "cs189"),
    }


COURSE = Course("cs189", EDITIONS, _files)


def edition(name: str | int) -> Edition:
    """The edition of that name: `edition(2018).fc_net.FullyConnectedNet`."""
    return COURSE.edition(name)
