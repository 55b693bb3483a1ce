"""The files that every course has in the same form: optim, solver, gradient_check, vis_utils, data_utils."""

from __future__ import annotations

from chainrule.courses.course import ROOT, File, offer

RULES = "sgd sgd_momentum rmsprop adam"


def optim_file(module: str = "common.optim") -> File:
    """optim.py."""
    return File("Update rules: f(w, dw, config) -> (next_w, config).", offer(module, RULES))


def solver_file(package: str) -> File:
    """solver.py; the installed class looks rules up in the optim.py beside it, where a student may add some."""
    source = f"from {package} import optim" if package else "import optim"
    body = f"""
from {ROOT}.common.solver import Solver as CourseSolver

{source}


class Solver(CourseSolver):
    __doc__ = CourseSolver.__doc__
    rules = optim
"""
    return File(
        "The solver, which finds update rules by name in optim.py.", offer("common.solver", "Solver"), body=body
    )


def gradient_check_file() -> File:
    """gradient_check.py."""
    return File(
        "Numerical gradients by central differences.",
        offer(
            "common.gradient_check",
            "eval_numerical_gradient eval_numerical_gradient_array eval_numerical_gradient_blobs "
            "eval_numerical_gradient_net grad_check_sparse",
        ),
    )


def vis_utils_file(extra: str = "") -> File:
    """vis_utils.py."""
    return File("Grids of images.", offer("common.vis_utils", f"visualize_grid vis_grid vis_nn {extra}"))


def data_utils_file(folders: str, module: str) -> File:
    """data_utils.py; `folders` is the code of the arguments that say where the installed file finds data sets."""
    body = f"""
from pathlib import Path

from chainrule.courses.common.data_utils import readers

get_CIFAR10_data, load_imagenet_val = readers({folders})
"""
    names = offer("common.data_utils", "load_CIFAR10 load_CIFAR_batch load_models load_tiny_imagenet")
    found = offer(module, "get_CIFAR10_data=DATA.cifar10 load_imagenet_val=DATA.imagenet_val")
    return File("Readers of data sets.", names | found, body=body)
