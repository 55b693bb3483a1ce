"""Inputs far larger or smaller than one.

Initialisers and learning rates are made for inputs of a size of about one. Bytes from 0 to 255 make scores and
gradients of the first layer a hundred times as large; numbers of 1e-4 make them vanish.
Source: LeCun, Bottou, Orr & Müller, "Efficient backprop", 1998, section 4.3.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.layers import BatchNorm, LayerNorm
from chainrule.lint.chains import WEIGHTED, chains
from chainrule.lint.examples import parts, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.probe import Probe
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

HIGH, LOW = 20.0, 0.01


class UnscaledInputs(Rule):
    """Inputs whose root mean square is above 20 or below 0.01."""

    key = "unscaled-inputs"
    needs = ("data",)
    mend = 'scale the inputs: data.normalize = "unit", "standard" or "channel", or Normalizer.fit on the training rows'

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The size over the sample. A network that normalises first may have any; so may one with weights to match."""
        if subject.layers is not None and normalizes_first(subject):
            return
        x = subject.sample[0].astype(np.float64)
        size = root_mean_square(x)
        if subject.start is not None and LOW < first_output(subject.start) < HIGH:
            return
        if size > HIGH or (0 < size < LOW):
            yield self.finding(
                "X_train", f"inputs reach from {x.min():.4g} to {x.max():.4g} (root mean square {size:.3g})"
            )

    @classmethod
    def bad(cls) -> Subject:
        """A hundred times too large."""
        return with_data(data=parts(X_train=100 * parts()["X_train"]))

    @classmethod
    def good(cls) -> Subject:
        """Of a size of about one."""
        return with_data()


def root_mean_square(x: np.ndarray) -> float:
    """√(mean x²)."""
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def first_output(probe: Probe) -> float:
    """The root mean square of what the first layer with weights makes; infinite where there is none."""
    return next((root_mean_square(o.out) for o in probe.outputs if isinstance(o.layer, WEIGHTED)), np.inf)


def normalizes_first(subject: Subject) -> bool:
    """Whether a normalisation comes before any activation, so that scale and mean of the inputs do not matter."""
    assert subject.layers is not None
    for _, layer in chains(subject.layers)[0]:
        if isinstance(layer, (BatchNorm, LayerNorm)):
            return True
        if not isinstance(layer, WEIGHTED) and type(layer).__name__ not in ("Flatten", "Pad"):
            return False
    return False
