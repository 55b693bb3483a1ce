import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import Dataset
from chainrule.errors import ConfigError
from chainrule.report.plots import save_figure
from chainrule.report.samples import samples_figure

RNG = np.random.default_rng(0)


@settings(max_examples=8)
@given(
    counts=st.lists(st.integers(0, 15), min_size=1, max_size=30).filter(any),
    channels=st.sampled_from([1, 3]),
    sides=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    scale=st.sampled_from([None, 255.0]),
)
def test_any_set_of_images_can_be_drawn(tmp_path_factory, counts, channels, sides, scale):
    y = np.repeat(np.arange(len(counts)), counts)
    X = RNG.integers(0, 256, (len(y), channels, *sides), dtype=np.uint8)
    names = tuple(f"class {i} $x" for i in range(len(counts)))
    figure = samples_figure(Dataset(X, y, names), scale, "title")
    path = tmp_path_factory.mktemp("samples") / "a.png"
    save_figure(figure, path)
    assert path.stat().st_size > 1000


def test_pixels_are_drawn_as_they_are():
    """Not stretched: a dark image stays dark beside a bright one, and missing tiles are no image."""
    X = np.stack([np.full((1, 4, 4), level, np.uint8) for level in (10, 20, 30, 200)])
    figure = samples_figure(Dataset(X, np.array([0, 0, 0, 1])), 255.0, "t")
    (picture,) = figure.axes[0].images
    grid = np.asarray(picture.get_array())
    assert grid.shape == (2 * 5 + 1, 3 * 5 + 1, 3)
    for row, column, level in ((1, 1, 10), (1, 6, 20), (1, 11, 30), (6, 1, 200)):
        np.testing.assert_allclose(grid[row : row + 4, column : column + 4], level / 255)
    assert (grid[6:10, 6:] == grid[0, 0]).all()
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["0", "1"]
    assert [text.get_text() for text in figure.axes[0].child_axes[0].get_yticklabels()] == ["3", "1"]


@pytest.mark.parametrize(
    "data",
    [
        Dataset(np.zeros((3, 5)), np.arange(3)),
        Dataset(np.zeros((3, 2, 4, 4)), np.arange(3)),
        Dataset(np.zeros((3, 1, 4, 4)), np.ones(3)),
    ],
    ids=["rows", "two channels", "targets"],
)
def test_what_is_no_set_of_labelled_images_is_refused(data):
    with pytest.raises(ConfigError, match="pictures need images"):
        samples_figure(data, None, "t")
