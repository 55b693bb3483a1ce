"""Collapsing linear networks."""

import numpy as np
import pytest

from chainrule.analysis.collapse import collapse
from chainrule.errors import ConfigError, DTypeError
from chainrule.layers import Affine, Dropout, Flatten, ReLU
from chainrule.network import Network

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(6,), (1, 2, 3)])
def test_outputs_and_gradients_are_the_same(bias, shape):
    layers = [Flatten(), Affine(9, bias=bias), Dropout(0.5), Affine(4), Affine(3, bias=bias)]
    deep = Network(layers, input_shape=shape, dtype="float64", seed=3)
    for name, value in deep.params.items():
        deep.params[name] = RNG.normal(size=value.shape)
    single = collapse(deep)
    x = RNG.normal(size=(5, *shape))
    assert sum(isinstance(layer, Affine) for layer in single.layers) == 1
    assert np.allclose(single.scores(x), deep.scores(x), rtol=1e-12)
    dout = RNG.normal(size=(5, 3))
    both = [n.body.backward(dout, n.forward(x)[1])["x"] for n in (deep, single)]
    assert np.allclose(*both, rtol=1e-12)


def test_what_is_not_linear_is_named():
    with pytest.raises(ConfigError, match=r"layer 1 \(ReLU\) is not linear"):
        collapse(Network([Affine(3), ReLU(), Affine(2)], input_shape=4))
    with pytest.raises(ConfigError, match="no affine layer"):
        collapse(Network([Flatten()], input_shape=4))
    with pytest.raises(DTypeError, match="must be a Network"):
        collapse([Affine(3)])
