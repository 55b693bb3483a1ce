"""COMP 540 (Rice), homework 5: flat modules; CS231n of 2016 with parameters called theta{i} and theta{i}_0.

>>> from chainrule.courses import comp540
>>> list(comp540.edition(2018).fc_net.TwoLayerNet(input_dim=4).params)
['theta1', 'theta1_0', 'theta2', 'theta2_0']
"""

from __future__ import annotations

import dataclasses
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
from chainrule.courses.cs231n import SANDWICHES, fast_layers_file, im2col_file, layers_file

EDITIONS = ("2016", "2017", "2018", "2019")

_FOLDERS = ("datasets", "cs231n/datasets")

#: The data readers of the namespaces; an installed data_utils.py has its own.
DATA = readers(*_FOLDERS)

_STARS = ("layers.py", "layer_utils.py", "fast_layers.py")


def _files(edition: str) -> Mapping[str, File]:
    layers = layers_file(2016)
    renamed = offer("comp540.layers", "affine_forward conv_forward_naive=conv_forward")
    layers = dataclasses.replace(layers, names={**layers.names, **renamed})
    fast = fast_layers_file()
    renamed = {name: "comp540.layers:conv_forward" for name in fast.names if name.startswith("conv_forward")}
    fast = dataclasses.replace(fast, names={**fast.names, **renamed})
    sandwiches = offer("comp540.layers", " ".join(f"{name}_forward" for name in SANDWICHES.split()))
    sandwiches |= offer("common.layer_utils", " ".join(f"{name}_backward" for name in SANDWICHES.split()))
    data = data_utils_file(", ".join(f'"{folder}"' for folder in _FOLDERS), "comp540")
    models = "FullyConnectedNet TwoLayerNet"
    return {
        "layers.py": layers,
        "fast_layers.py": fast,
        "layer_utils.py": File("Sandwich layers.", sandwiches, _STARS[::2]),
        "im2col.py": im2col_file(),
        "fc_net.py": File("Fully connected networks.", offer("comp540.networks", models), _STARS),
        "cnn.py": File("A convolutional network.", offer("comp540.networks", "ThreeLayerConvNet"), _STARS),
        "optim.py": optim_file("comp540.optim"),
        "solver.py": solver_file(""),
        "gradient_check.py": gradient_check_file(),
        "vis_utils.py": vis_utils_file("show_net_weights"),
        "data_utils.py": data,
        "utils.py": data,
    }


COURSE = Course("comp540", EDITIONS, _files)


def edition(name: str | int) -> Edition:
    """The edition of that year: `edition(2018).fc_net.FullyConnectedNet`."""
    return COURSE.edition(name)
