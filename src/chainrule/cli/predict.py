"""`chainrule predict`: what a run sees in image files."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import numpy as np
from cyclopts import App, Parameter

from chainrule.arrays import Array
from chainrule.cli import FAILED, OK
from chainrule.errors import ConfigError, DataError
from chainrule.network import Network
from chainrule.recipes.images import read_image
from chainrule.recipes.run import load_run, plain_json

TOP = 3

app = App(
    name="predict",
    help_epilogue="""Examples:
  chainrule predict runs/digits-mlp-1 photo.png
  chainrule predict runs/digits-mlp-1 scans/*.jpg --invert --json

PNG, JPEG, BMP, GIF, WEBP, TIFF and PPM are read. A file that cannot be read
is named, the others are still predicted, and the exit status is 1.""",
)


@app.default
def predict(
    run: str,
    image: str,
    /,
    *images: str,
    invert: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Say what a run sees in image files: the three most probable classes of each.

    Parameters
    ----------
    run
        A run folder, or its name in runs/.
    image
        An image file.
    images
        More image files.
    invert
        Swap dark and bright: for dark writing on light paper, where the data set has light on dark.
    json
        Print one JSON object instead of lines.
    """
    loaded = load_run(run)
    names, network = loaded.extra.class_names, loaded.network
    if names is None:
        raise ConfigError(f"{loaded.folder} is a regression; predict names classes")
    records: list[dict[str, Any]] = []
    for path in (image, *images):
        try:
            x = read_image(path, network.input_shape, loaded.extra.input_scale, invert=invert)
        except DataError as error:
            records.append({"image": path, "error": str(error)})
            print(f"error: {error}", file=sys.stderr)
            continue
        top = _top(network, loaded.normalize(x[None]), names)
        records.append({"image": path, "class": top[0]["class"], "top": top})
        if not json:
            print(f"{path}: " + ", ".join(_words(entry) for entry in top))
    if json:
        print(plain_json({"run": str(loaded.folder), "predictions": records}))
    return FAILED if any("error" in record for record in records) else OK


def _top(network: Network, x: Array, names: list[str]) -> list[dict[str, Any]]:
    """The best classes of one row, with probabilities where the loss defines them."""
    scores = network.scores(x)  # (1, C), or (1,) of a binary classifier
    try:
        ranked, known = network.loss_function.probabilities(scores)[0], True
    except ConfigError:
        ranked, known = (scores[0] if scores.ndim == 2 else np.array([-scores[0], scores[0]])), False
    order = np.argsort(-ranked, kind="stable")[:TOP]
    return [{"class": names[i], "probability": float(ranked[i]) if known else None} for i in order]


def _words(entry: dict[str, Any]) -> str:
    probability = entry["probability"]
    return entry["class"] if probability is None else f"{entry['class']} {probability:.1%}"
