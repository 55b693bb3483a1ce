"""Grids of images."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest

from chainrule.courses import comp540, cs231n
from chainrule.errors import ShapeError

vis = cs231n.edition(2017).vis_utils


def test_visualize_grid():
    images = np.random.default_rng(0).normal(size=(5, 4, 6, 3))
    grid = vis.visualize_grid(images)
    assert grid.shape == (3 * 5 - 1, 3 * 7 - 1, 3)
    low, high = images[4].min(), images[4].max()
    np.testing.assert_allclose(grid[5:9, 7:13], 255 * (images[4] - low) / (high - low))
    assert not grid[4].any()
    assert not grid[5:, 14:].any()
    assert vis.visualize_grid(images, ubound=1.0, padding=3).shape == (3 * 7 - 3, 3 * 9 - 3, 3)
    assert vis.visualize_grid(images, ubound=2.0).max() == 2.0
    assert vis.visualize_grid(np.ones((1, 2, 2, 1))).tolist() == np.zeros((2, 2, 1)).tolist()


def test_vis_grid_and_vis_nn():
    images = np.arange(5 * 2 * 2 * 1.0).reshape(5, 2, 2, 1) + 3
    grid = vis.vis_grid(images)
    assert grid.shape == (9, 9, 1)
    np.testing.assert_allclose(grid[3:5, 3:5, 0], (images[4, :, :, 0] - 3) / 19)
    assert not grid[2].any()
    rows = vis.vis_nn([list(images[:3]), list(images[2:])])
    assert rows.shape == (6, 9, 1)
    np.testing.assert_allclose(rows[3:5, 6:8, 0], (images[4, :, :, 0] - 1) / 21)
    assert rows[2, 0, 0] == 0.0


@pytest.mark.parametrize("wrong", [np.ones((2, 3, 3)), np.ones((0, 2, 2, 1))])
def test_errors(wrong):
    for function in (vis.visualize_grid, vis.vis_grid):
        with pytest.raises(ShapeError):
            function(wrong)
    with pytest.raises(ShapeError):
        vis.vis_nn([])
    with pytest.raises(ShapeError):
        vis.vis_nn([[np.ones((2, 2, 1)), np.ones((3, 2, 1))]])


def test_show_net_weights(monkeypatch):
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    edition = comp540.edition(2018)
    shown = []
    monkeypatch.setattr(plt, "imshow", lambda image: shown.append(image))
    edition.vis_utils.show_net_weights(edition.fc_net.FullyConnectedNet([4]))
    edition.vis_utils.show_net_weights(cs231n.edition(2018).cnn.ThreeLayerConvNet(num_filters=9))
    assert [image.shape for image in shown] == [(67, 67, 3), (27, 27, 3)]
    with pytest.raises(ShapeError):
        edition.vis_utils.show_net_weights(edition.fc_net.FullyConnectedNet([4], input_dim=5))
    plt.close("all")
