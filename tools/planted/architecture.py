"""Planted faults of layers and losses."""

from __future__ import annotations

from planted.fault import Faults
from planted.sound import FLAT, RELU, affine, layers, normal

FAULTS = Faults()

FAULTS.recipe("softmax before softmax cross-entropy", "softmax-before-loss", "model.double_softmax=true")
FAULTS.recipe(
    "softmax layer written before the hinge loss",
    "softmax-before-loss",
    layers(FLAT, affine(64), RELU, affine(10), '"Softmax"'),
    "model.loss=MultiClassHinge",
)
FAULTS.recipe("sigmoid on the scores", "squashed-scores", layers(FLAT, affine(64), RELU, affine(10), '"Sigmoid"'))
FAULTS.recipe("ReLU on the scores", "clipped-scores", layers(FLAT, affine(64), RELU, affine(10), RELU))
FAULTS.recipe(
    "no activation between affine layers",
    "missing-nonlinearity",
    layers(FLAT, affine(300), affine(10)),
    base="mnist-mlp-600",
    data="mnist",
)
FAULTS.recipe(
    "only batch norm and dropout between convolutions",
    "missing-nonlinearity",
    layers(
        '{ layer = "Conv2D", filters = 4, kernel = 3, bias = false }',
        '"BatchNorm"',
        '{ layer = "Dropout", rate = 0.2 }',
        '{ layer = "Conv2D", filters = 4, kernel = 3 }',
        RELU,
        FLAT,
        affine(10),
    ),
)
FAULTS.recipe(
    "bias before batch norm", "bias-before-batch-norm", layers(FLAT, affine(64), '"BatchNorm"', RELU, affine(10))
)
FAULTS.recipe(
    "dropout after the last layer",
    "dropout-on-scores",
    layers(FLAT, affine(64), RELU, affine(10), '{ layer = "Dropout", rate = 0.5 }'),
)
FAULTS.recipe("keep probability given as rate", "high-dropout", "model.layers.3.rate=0.9")
FAULTS.recipe(
    "dropout right before batch norm",
    "dropout-before-batch-norm",
    layers(FLAT, affine(64), RELU, '{ layer = "Dropout", rate = 0.5 }', '"BatchNorm"', affine(10)),
)
FAULTS.recipe(
    "batch size 1 with batch norm",
    "batch-norm-batch-size",
    layers(FLAT, affine(64, bias="false"), '"BatchNorm"', RELU, affine(10)),
    "train.batch_size=1",
)
FAULTS.recipe("100 outputs for ten classes", "output-count", "model.layers.4.units=100")
FAULTS.recipe(
    "initial weights far too large",
    "initial-loss",
    layers(FLAT, affine(512, init=normal(1.0)), RELU, affine(10, init=normal(1.0))),
)
ZEROS = '"Zeros"'
FAULTS.recipe("weights all zero", "identical-units", layers(FLAT, affine(64, init=ZEROS), RELU, affine(10, init=ZEROS)))
FAULTS.recipe(
    "ten sigmoid layers",
    "vanishing-gradients",
    layers(FLAT, *(text for _ in range(10) for text in (affine(32), '"Sigmoid"')), affine(10)),
)
FAULTS.recipe(
    "six layers of tiny weights",
    "vanishing-gradients",
    layers(FLAT, *(text for _ in range(6) for text in (affine(64, init=normal(1e-3)), RELU)), affine(10)),
)
FAULTS.recipe(
    "six layers of large weights",
    "exploding-gradients",
    layers(FLAT, *(text for _ in range(6) for text in (affine(100, init=normal(0.6)), RELU)), affine(10)),
)
FAULTS.recipe(
    "sigmoids on raw pixels with large weights",
    "saturated-units",
    layers(FLAT, affine(100, init=normal(1.0)), '"Sigmoid"', affine(10)),
    "data.normalize=none",
)
