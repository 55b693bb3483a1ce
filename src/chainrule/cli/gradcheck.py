"""`chainrule gradcheck`: is a backward pass right, and if not, what is probably wrong with it."""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import App, Parameter

from chainrule.check import Diagnosis
from chainrule.cli import FAILED, OK
from chainrule.cli.options import Integer
from chainrule.errors import ConfigError

app = App(
    name="gradcheck",
    help_epilogue="""Examples:
  chainrule gradcheck layers.py
  chainrule gradcheck layers.py:affine_backward --picture errors.png
  chainrule gradcheck layers.py:conv_forward --shape x=2,3,5,5 --shape w=4,3,3,3 \\
      --value 'conv_param={"stride": 2, "pad": 1}'
  chainrule gradcheck classifiers/fc_net.py:TwoLayerNet --json

FILE.py:NAME is a pair (NAME_forward, NAME_backward), a function that returns
(loss, gradient), a class with forward and backward, or a model with loss and
params; without NAME everything of that kind in the file is checked. Arguments
are recognised by their names; --shape and --value state them. The exit status
is 1 if a gradient is wrong.""",
)

Pairs = Annotated[list[str] | None, Parameter(negative="")]


@app.default
def gradcheck(
    file: str,
    /,
    *,
    shape: Pairs = None,
    value: Pairs = None,
    backward: str | None = None,
    kind: str | None = None,
    seed: Integer = None,
    corners: bool = True,
    timeout: float = 120.0,
    picture: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Check backward passes of a Python file, and say what is probably wrong with them.

    Parameters
    ----------
    file
        FILE.py, or FILE.py:NAME for one of the things in it.
    shape
        The shape of an argument, as x=4,5; may be repeated.
    value
        The value of an argument as JSON, as reg=0.1; may be repeated.
    backward
        The backward function of NAME, where its name does not say so.
    kind
        Take it for this kind of layer: affine, relu, conv, "batch norm", ...
    seed
        Draw other values; 0 if not given.
    corners
        Also look at kinks, tied maxima, large inputs and float32.
    timeout
        Seconds for the whole file.
    picture
        Write heat maps of the errors to this PNG file.
    json
        Print one JSON object instead of the report.
    """
    from chainrule.check.diagnosis.file_check import gradcheck_file

    path, name = split(file)
    found = gradcheck_file(
        path,
        name,
        backward=backward,
        shapes=shapes_of([] if shape is None else shape),
        values=values_of([] if value is None else value),
        kind=kind,
        seed=0 if seed is None else seed,
        corners=corners,
        timeout=timeout,
    )
    if picture is not None:
        _draw(found, picture)
    if json:
        print(json_format.dumps({"file": path, "ok": all(d.ok for d in found), "checks": [d.to_json() for d in found]}))
    else:
        print("\n\n".join(d.report() for d in found))
        if len(found) > 1:
            wrong = [d.name for d in found if d.verdict == "wrong"]
            print(f"\n{len(found)} checked, {len(wrong)} wrong" + (f": {', '.join(wrong)}" if wrong else ""))
        if picture is not None:
            print(f"heat maps: {picture}", file=sys.stderr)
    return OK if all(d.ok for d in found) else FAILED


def split(file: str) -> tuple[str, str | None]:
    """FILE.py:NAME in its two parts; the colon of a drive letter is none of ours.

    >>> split("layers.py:relu"), split("layers.py")
    (('layers.py', 'relu'), ('layers.py', None))
    """
    path, colon, name = file.rpartition(":")
    if colon and path.endswith(".py"):
        return path, name if name else None
    return file, None


def shapes_of(pairs: list[str]) -> dict[str, tuple[int, ...]]:
    """The values of --shape.

    >>> shapes_of(["x=4,5", "b=5"])
    {'x': (4, 5), 'b': (5,)}
    """
    found = {}
    for pair in pairs:
        name, sizes = _pair("--shape", pair, "x=4,5")
        try:
            found[name] = tuple(int(n) for n in sizes.strip("()").split(",") if n.strip())
        except ValueError:
            raise ConfigError(f"--shape {pair}: must be integers with commas, such as x=4,5") from None
        if not found[name]:
            raise ConfigError(f"--shape {pair}: must be integers with commas, such as x=4,5")
    return found


def values_of(pairs: list[str]) -> dict[str, Any]:
    """The values of --value: JSON, where lists become arrays; a word that is no JSON is itself.

    >>> values_of(["reg=0.5", "mode=train", 'conv_param={"stride": 2}'])
    {'reg': 0.5, 'mode': 'train', 'conv_param': {'stride': 2}}
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, text = _pair("--value", pair, "reg=0.5")
        try:
            value = json_format.loads(text)
        except json_format.JSONDecodeError:
            value = text
        if isinstance(value, list):
            try:
                value = np.array(value)
            except ValueError:
                value = np.array(None)
            if value.dtype.kind not in "fiub":
                raise ConfigError(f"--value {name}: the rows of an array must be numbers and equally long")
        found[name] = value
    return found


def _pair(option: str, pair: str, example: str) -> tuple[str, str]:
    name, equals, text = pair.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"{option} needs NAME=..., such as {example}, got {pair!r}")
    return name.strip(), text.strip()


def _draw(found: list[Diagnosis], picture: str) -> None:
    from chainrule.report.gradient_errors import gradient_errors_figure
    from chainrule.report.plots import save_figure

    if Path(picture).suffix.lower() != ".png":
        raise ConfigError(f"--picture must name a .png file, got {picture!r}")
    save_figure(gradient_errors_figure(found), picture)
