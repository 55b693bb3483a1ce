"""Planted faults of settings: the update rule, regularisation, the length of training, what is done to the data."""

from __future__ import annotations

from chainrule.lint import Report, lint
from planted.fault import Faults
from planted.sound import FLAT, RELU, affine, arrays, layers, network, sgd, solver_for

FAULTS = Faults()

FAULTS.recipe("digits mirrored", "flipped-characters", 'data.augment=["HorizontalFlip"]')
FAULTS.recipe(
    "digits turned upside down",
    "flipped-characters",
    'data.augment=[{ transform = "Rotation", degrees = 180 }]',
    base="mnist-cnn",
    data="mnist",
)
FAULTS.recipe("learning rate a thousand times too high", "first-steps", *sgd(100.0))
FAULTS.recipe("learning rate a million times too low", "learning-rate-low", *sgd(1e-7))
FAULTS.recipe("Adam with 0.5", "learning-rate-range", "train.optim_config.learning_rate=0.5")
FAULTS.recipe("weight decay and λ in the loss", "regularized-twice", "model.reg=1e-3")
FAULTS.recipe("weight decay of 30", "strong-decay", "train.weight_decay=30.0")
FAULTS.recipe("λ = 10 in the loss", "dominant-regularization", "model.reg=10.0", "train.weight_decay=0")
FAULTS.recipe("clipping to 1e-4", "clipped-gradients", "train.clip_norm=1e-4")
FAULTS.recipe(
    "learning rate halved every epoch", "vanishing-schedule", 'train.schedule={ schedule = "epoch_decay", decay = 0.5 }'
)
FAULTS.recipe(
    "warm-up longer than the training",
    "vanishing-schedule",
    'train.schedule={ schedule = "warm_up", steps = 100000 }',
    base="mnist-softmax",
    data="mnist",
)
FAULTS.recipe("one epoch in batches of 500", "too-few-steps", "train.epochs=1", "train.batch_size=500")
FAULTS.recipe("batches larger than the data", "batch-exceeds-data", "train.batch_size=5000", "train.epochs=100")
FAULTS.recipe(
    "squared error on digits",
    "regression-on-labels",
    layers(FLAT, affine(64), RELU, affine(1), '"Squeeze"'),
    "model.loss=SquaredError",
)
FAULTS.recipe("test accuracy reported from validation rows", "validation-as-test", "data.test=0")
FAULTS.recipe("ten validation rows", "small-validation", "data.val=10")
FAULTS.recipe("pixels from 0 to 255", "unscaled-inputs", "data.normalize=none", base="mnist-mlp-600", data="mnist")


@FAULTS.plant("regularised biases", "decayed-biases")
def _() -> Report:
    net = network(reg=1e-3)
    net.decay[...] = 1
    return lint(solver_for(arrays(), net))
