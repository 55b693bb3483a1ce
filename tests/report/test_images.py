"""Pictures of weights and feature maps: the pixels are where they belong, and nothing else is shown."""

import numpy as np
import pytest

from chainrule.errors import ConfigError, ShapeError
from chainrule.layers import Affine, BatchNorm, Conv2D, Flatten, MaxPool2D, ReLU, Residual, Tanh
from chainrule.models import ConvNet, TwoLayerNet
from chainrule.network import Network
from chainrule.report.images import feature_maps, feature_maps_figure, first_weights, image_grid, weights_figure


def test_grid_puts_each_image_in_its_cell_stretched_to_black_and_white():
    images = np.random.default_rng(0).normal(size=(5, 1, 3, 4))
    grid = image_grid(images, padding=2, columns=3)
    assert grid.shape == (2 * 5 - 2, 3 * 6 - 2)
    cell = grid[5:8, 6:10]  # the fifth image: second row, second column
    raw = images[4, 0]
    np.testing.assert_allclose(cell, (raw - raw.min()) / (raw.max() - raw.min()))
    assert (grid[3:5] == 1).all()
    assert (grid[5:, 12:] == 1).all()


def test_grid_of_colour_images_and_a_shared_scale():
    images = np.stack([np.full((3, 2, 2), 0.0), np.full((3, 2, 2), 4.0), np.full((3, 2, 2), 1.0)])
    grid = image_grid(images, padding=0, columns=3, shared=True)
    assert grid.shape == (2, 6, 3)
    np.testing.assert_allclose(grid[0, ::2, 0], [0.0, 1.0, 0.25])


def test_constant_image_is_black_not_nan():
    assert (image_grid(np.full((1, 1, 2, 2), 7.0)) == 0).all()


@pytest.mark.parametrize("shape", [(2, 2), (2, 2, 3, 3), (0, 1, 3, 3), (1, 4, 3, 3)])
def test_grid_refuses_other_shapes(shape):
    with pytest.raises(ShapeError, match=r"\(N, C, H, W\)"):
        image_grid(np.zeros(shape))


def test_first_weights_of_a_convolution_are_its_filters():
    network = Network([Conv2D(6, 3), ReLU(), Flatten(), Affine(2)], input_shape=(3, 8, 8))
    images, what = first_weights(network)
    np.testing.assert_array_equal(images, network.params["W1"])
    assert "Conv2D" in what


def test_filters_of_many_channels_are_shown_channel_by_channel():
    network = Network([BatchNorm(), Conv2D(2, 3), Flatten(), Affine(2)], input_shape=(5, 8, 8))
    images, _ = first_weights(network, limit=7)
    assert images.shape == (7, 1, 3, 3)
    np.testing.assert_array_equal(images[6, 0], network.params["W1"][1, 1])


def test_first_weights_of_an_affine_layer_have_the_shape_of_the_input():
    network = TwoLayerNet((3, 4, 5), hidden_dim=7)
    images, _ = first_weights(network)
    np.testing.assert_array_equal(images[2], network.params["W1"][:, 2].reshape(3, 4, 5))


def test_feature_maps_are_the_outputs_of_the_layers():
    network = ConvNet((1, 8, 8), 4, 3, 5, 3, pool=2, dropout=0.5)
    image = np.random.default_rng(1).normal(size=(1, 8, 8)).astype(np.float32)
    maps = feature_maps(network, image)
    assert [name for name, _ in maps] == ["0 Conv2D", "1 ReLU", "2 MaxPool2D", "3 Dropout"]
    np.testing.assert_array_equal(maps[1][1], np.maximum(maps[0][1], 0))
    np.testing.assert_array_equal(maps[3][1], maps[2][1])  # nothing is dropped
    out, _ = network.layers[0].forward(image[None], {"W": network.params["W1"], "b": network.params["b1"]})
    np.testing.assert_allclose(maps[0][1], out[0], rtol=1e-6)


def test_figures_can_be_drawn(tmp_path):
    network = ConvNet((3, 8, 8), 20, 3, 5, 3, pool=2)
    weights_figure(network, "weights").savefig(tmp_path / "w.png")
    feature_maps_figure(network, np.zeros((3, 8, 8)), "maps").savefig(tmp_path / "f.png")
    assert (tmp_path / "w.png").stat().st_size > 2000
    assert (tmp_path / "f.png").stat().st_size > 2000


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: first_weights(Network([Tanh()], input_shape=4)), "no layer with weights"),
        (lambda: first_weights(Network([Residual((Affine(4),)), Affine(2)], input_shape=4)), "Residual"),
        (lambda: feature_maps(Network([Affine(2)], input_shape=4), np.zeros(4)), "need a convolution"),
    ],
)
def test_networks_without_pictures_say_so(call, words):
    with pytest.raises(ConfigError, match=words):
        call()


def test_pool_keeps_its_name_in_the_maps():
    network = Network([MaxPool2D(2), Flatten(), Affine(2)], input_shape=(1, 4, 4))
    assert feature_maps(network, np.eye(4)[None])[0][0] == "0 MaxPool2D"
