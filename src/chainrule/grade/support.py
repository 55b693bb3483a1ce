"""The files of a code base that the course hands out and a submission may lack; none of them contains an answer.

layer_utils.py and fast_layers.py call the submission's own layers. fast_layers.py always takes the place of the
submission's, as the course's own needs a compiled extension. The rest can be imported and does nothing.
"""

from __future__ import annotations

from chainrule.courses.course import Edition

_SANDWICH = '''

def {name}_forward(*args):
    """{doc}."""
{forward}
    return out, ({caches},)


def {name}_backward(dout, cache):
    """Its gradients."""
    {caches}, = cache
    after = ()
{backward}
    return (dout, *after) if after else dout
'''

#: Each sandwich as the layers it calls, with how many arguments beyond x each takes.
_SANDWICHES = {
    "affine_relu": (("affine", "", 2), ("relu", "", 0)),
    "conv_relu": (("conv", "_fast", 3), ("relu", "", 0)),
    "conv_bn_relu": (("conv", "_fast", 3), ("spatial_batchnorm", "", 3), ("relu", "", 0)),
    "conv_relu_pool": (("conv", "_fast", 3), ("relu", "", 0), ("max_pool", "_fast", 1)),
}
#: conv_bn_relu(x, w, b, gamma, beta, conv_param, bn_param): which of these each layer takes.
_ORDER = {"conv_bn_relu": ((1, 2, 5), (3, 4, 6), ())}

_FAST = "".join(
    f"{name}_{way}_{kind} = {name}_{way}_naive\n"
    for name, kinds in (("conv", ("fast", "strides", "im2col")), ("max_pool", ("fast", "reshape", "im2col")))
    for kind in kinds
    for way in ("forward", "backward")
)

_UNAVAILABLE = '''"""Can be imported while grading, but not used."""


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def unavailable(*args, **options):
        raise NotImplementedError(f"{name} is not there while grading")

    return unavailable
'''

#: Modules that code of the years of two Pythons imports.
OLD_PYTHON = {
    "past/__init__.py": "",
    "past/builtins.py": "xrange = range\nbasestring = unicode = str\nlong = int\nraw_input = input\n",
    "future/__init__.py": "",
    "future/standard_library.py": "def install_aliases():\n    pass\n",
    "six/__init__.py": "",
    "six/moves/__init__.py": "xrange = range\n",
    "cPickle.py": "from pickle import *\n",
}


def files(edition: Edition) -> dict[str, str]:
    """Every file of the edition's code base that is not a student's to write, by its path."""
    star = "from .layers import *\n" if edition.package else "from layers import *\n"
    fast = star.replace("layers", "fast_layers")
    written: dict[str, str] = {}
    for path, file in edition.files.items():
        stem = path.rpartition("/")[2].removesuffix(".py")
        if stem == "__init__":
            written[path] = ""
        elif stem == "layer_utils":
            written[path] = (
                star + fast + "".join(_sandwich(name) for name in _SANDWICHES if f"{name}_forward" in file.names)
            )
        elif stem == "fast_layers":
            written[path] = star + "\n" + _FAST
        elif stem in ("solver", "gradient_check", "vis_utils", "data_utils", "utils", "im2col"):
            written[path] = _UNAVAILABLE
    return written


def always_ours(path: str) -> bool:
    """Whether the file takes the place of the submission's."""
    return path.rpartition("/")[2] == "fast_layers.py"


def _sandwich(name: str) -> str:
    """Two or three layers, one after the other, their caches kept together."""
    layers = _SANDWICHES[name]
    forward, at = ["    out = args[0]"], 1
    backward: list[str] = []
    for i, (layer, kind, count) in enumerate(layers):
        taken = _ORDER[name][i] if name in _ORDER else tuple(range(at, at + count))
        at += count
        arguments = "".join(f", args[{j}]" for j in taken)
        forward.append(f"    out, cache{i} = {layer}_forward{kind}(out{arguments})")
        step = [f"    dout = {layer}_backward{kind}(dout, cache{i})"]
        if count > 1:
            step.append("    dout, after = dout[0], (*dout[1:], *after)")
        backward = [*step, *backward]
    caches = ", ".join(f"cache{i}" for i in range(len(layers)))
    return _SANDWICH.format(
        name=name,
        doc=", then ".join(layer for layer, _, _ in layers),
        forward="\n".join(forward),
        backward="\n".join(backward),
        caches=caches,
    )
