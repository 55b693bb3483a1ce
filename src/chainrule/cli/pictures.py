"""`chainrule pictures`: what a run's network looks for, and what it makes of an image."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from chainrule.arrays import Array
from chainrule.cli import OK
from chainrule.errors import ConfigError
from chainrule.recipes.experiment import load_splits, test_part
from chainrule.recipes.images import read_image, usual_fit
from chainrule.recipes.run import Run, load_run
from chainrule.report.images import feature_maps_figure, weights_figure
from chainrule.report.plots import save_figure

app = App(
    name="pictures",
    help_epilogue="""Examples:
  chainrule pictures runs/mnist-cnn-1
  chainrule pictures runs/mnist-cnn-1 --image photo.png

weights.png and, for networks with convolutions, feature-maps.png are
written into the run folder.""",
)


@app.default
def pictures(run: str, /, *, image: str | None = None, invert: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Draw a run's first filters or weights, and its feature maps.

    Parameters
    ----------
    run
        A run folder, or its name in runs/.
    image
        The image file whose feature maps are drawn; the first test image if not given.
    invert
        Swap dark and bright in the image file.
    """
    loaded = load_run(run)
    x = loaded.normalize(_image(loaded, image, invert=invert)[None])[0]  # what is wrong with it leaves no file behind
    path = loaded.folder / "weights.png"
    save_figure(weights_figure(loaded.network, loaded.recipe.name), path)
    print(path)
    path = loaded.folder / "feature-maps.png"
    try:
        figure = feature_maps_figure(loaded.network, x, loaded.recipe.name)
    except ConfigError as error:
        print(f"no feature maps: {error}")
        return OK
    save_figure(figure, path)
    print(path)
    return OK


def _image(loaded: Run, image: str | None, *, invert: bool) -> Array:
    if image is not None:
        shape, fit = loaded.network.input_shape, usual_fit(loaded.recipe)
        return read_image(image, shape, loaded.extra.input_scale, invert=invert, fit=fit)
    return test_part(load_splits(loaded.recipe)[1])[1].X[0]
