"""Faults in the backward pass of dropout; the mask is read off the derivatives by differences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.arrays import Array
from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis, Match, Prediction
from chainrule.check.diagnosis.sample import Sample


def mask_of(s: Sample, name: str) -> Array | None:
    """∂out/∂x entry by entry: 0 where dropped, the scale where kept."""
    if s.kind is None or s.kind.name != "dropout" or s.out.shape != s.values[name].shape:
        return None
    return np.diag(s.jacobian(name)).reshape(s.out.shape)


class MaskNotApplied(Hypothesis):
    """dout goes through as if nothing had been dropped."""

    name, title = "dropout-mask-not-applied", "dropout: the mask is not applied to dout"
    kinds = ("dropout",)

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """dout, or dout times the scale everywhere."""
        mask = mask_of(s, name)
        if mask is not None and np.any(mask == 0):
            scale = float(mask.max())
            for label, array in (("plain", s.dout), ("scaled", s.dout * scale), ("unscaled", s.dout / scale)):
                yield Prediction(array, label, "entries that forward dropped still get a gradient", "dx = dout * mask")


class RescaledTwice(Hypothesis):
    """The scale 1/keep is in the mask and is applied once more."""

    name, title = "dropout-rescaled-twice", "dropout: rescaled twice"
    kinds = ("dropout",)

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """The right gradient times the scale."""
        mask = mask_of(s, name)
        if mask is not None and abs(mask.max() - 1) > 1e-6:
            scale = float(mask.max())
            words = f"dx is {scale:.4g} times too large: the mask already holds the scale"
            yield Prediction(
                s.dout * mask * scale, "", words, "dx = dout * mask (no second division by the keep probability)"
            )


class NotRescaled(Hypothesis):
    """The scale is missing, or another one than forward's is used."""

    name, title = "dropout-not-rescaled", "dropout: the scale of forward is missing"
    kinds = ("dropout",)

    def examine(self, s: Sample) -> Iterator[Match]:
        """The right entries are zero, the others are off by one factor."""
        for name in s.wrong:
            mask, got = mask_of(s, name), s.got.get(name)
            if mask is None or got is None or got.shape != mask.shape or s.failure:
                continue
            ratio = got[mask != 0] / (s.dout * mask)[mask != 0]
            dropped_right = not np.any(got[mask == 0])
            constant = ratio.size and np.ptp(ratio) < 1e-6 * abs(ratio).max()
            if not dropped_right or not constant or abs(ratio[0] - 1) < 1e-6:
                continue
            if not np.any(mask == 0):
                continue  # test mode, which has a hypothesis of its own
            scale = float(mask.max())
            if abs(float(ratio[0]) - scale) < 1e-6 and abs(scale - 1) > 1e-6:
                continue
            words = (
                f"the kept entries of dx are {float(ratio[0]):.4g} times the right ones: forward scales by {scale:.4g}"
            )
            yield Match((name,), "unscaled" if abs(ratio[0] * scale - 1) < 1e-6 else "other", words,
                        "dx = dout * mask, with the scale of forward", 0.0)  # fmt: skip


class AnotherMask(Hypothesis):
    """The mask is drawn anew in backward, or is its own inverse."""

    name, title = "dropout-other-mask", "dropout: backward uses another mask than forward"
    kinds = ("dropout",)

    def examine(self, s: Sample) -> Iterator[Match]:
        """Some dropped entries get a gradient and some kept ones get none."""
        for name in s.wrong:
            mask, got = mask_of(s, name), s.got.get(name)
            if mask is None or got is None or got.shape != mask.shape or s.failure:
                continue
            zero = got == 0
            if np.any(zero & (mask != 0)) and np.any(zero):
                inverted = np.array_equal(zero, mask != 0)
                words = (
                    "the mask is inverted"
                    if inverted
                    else "other entries are dropped than in forward: the mask is drawn anew"
                )
                if not np.any(mask == 0):
                    words = "forward drops nothing here (test mode), backward applies a mask"
                yield Match(
                    (name,), "inverted" if inverted else "other", words, "keep the mask of forward in the cache", None
                )


class TestModeScaled(Hypothesis):
    """In test mode, where forward is the identity (or a plain scale), backward scales otherwise."""

    name, title = "dropout-test-mode", "dropout: test mode is scaled differently"
    kinds = ("dropout",)

    def examine(self, s: Sample) -> Iterator[Match]:
        """No entry is dropped and the gradient is off by a factor."""
        for name in s.wrong:
            mask, got = mask_of(s, name), s.got.get(name)
            if mask is None or got is None or got.shape != mask.shape or np.any(mask == 0) or np.any(got == 0):
                continue
            ratio = got / (s.dout * mask)
            if np.ptp(ratio) < 1e-6 * abs(ratio).max():
                words = f"in test mode dx is {float(ratio.flat[0]):.4g} times the right one"
                yield Match((name,), "", words, "dx = dout in test mode", 0.0)
