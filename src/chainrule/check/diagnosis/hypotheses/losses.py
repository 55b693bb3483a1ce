"""Faults in the gradients of softmax cross-entropy and of the multi-class hinge.

The gradient is read with respect to the scores. Where the loss takes weights W and data X, scores = X W, and dW = Xᵀ
dscores; dscores is then found by least squares if X allows it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.arrays import Array
from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis, Match, Prediction, right_equation
from chainrule.check.diagnosis.sample import Sample

SOFTMAX = ("softmax loss", "softmax classifier")
HINGE = ("svm loss", "svm classifier")


class Scores:
    """Scores, labels, and how a gradient with respect to the scores becomes that of the argument."""

    def __init__(self, s: Sample, name: str) -> None:
        x, w, y = s.value("x"), s.value("w"), s.value("y")
        self.weighted = s.kind is not None and "classifier" in s.kind.name
        self.scores = x @ w if self.weighted else x
        self.x = x
        self.y = np.argmax(y, axis=1) if np.ndim(y) == 2 else y
        self.rows = np.arange(len(self.scores))
        self.one_hot = np.zeros_like(self.scores)
        self.one_hot[self.rows, self.y] = 1
        self.n = len(self.scores)

    def back(self, dscores: Array) -> Array:
        """The argument's gradient."""
        return self.x.T @ dscores if self.weighted else dscores


def scores_of(s: Sample, name: str, kinds: tuple[str, ...]) -> Scores | None:
    """The scores, where the kind is one of these and the argument the scores or the weights."""
    if s.kind is None or s.kind.name not in kinds or s.roles.get(name) not in ("x", "w"):
        return None
    x, w, y = s.value("x"), s.value("w"), s.value("y")
    if np.ndim(x) != 2 or y is None or (w is not None and np.ndim(w) != 2):
        return None
    found = Scores(s, name)
    return found if found.y.dtype.kind in "iu" or np.ndim(y) == 2 else None


def softmax(scores: Array) -> Array:
    """Probabilities, row by row."""
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def regulariser(s: Sample, name: str, data: Array) -> Array:
    """What the derivatives have beyond those of the data loss."""
    return s.numeric(name) - data


class SoftmaxFault(Hypothesis):
    """Base: a wrong ∂loss/∂scores, plain and with other divisors than N."""

    kinds = SOFTMAX

    def dscores(self, c: Scores, p: Array) -> Iterator[tuple[Array, str, str]]:
        """N times the wrong gradient of the scores, a label and words."""
        raise NotImplementedError

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Through the weights, with the regulariser that forward has, or without."""
        c = scores_of(s, name, SOFTMAX)
        if c is None:
            return
        p = softmax(c.scores)
        right = c.back(p - c.one_hot)
        divisor = self._divisor(s, name, c, right)
        if divisor is None:
            return
        rest = regulariser(s, name, right / divisor)
        for array, label, words in self.dscores(c, p):
            data = c.back(array)
            yield Prediction(data / divisor + rest, label, words, right_equation(s, name))
            yield Prediction(data + rest, label, f"{words}; and it is not divided by N", right_equation(s, name))

    @staticmethod
    def _divisor(s: Sample, name: str, c: Scores, right: Array) -> float | None:
        """What forward divides by: N or 1."""
        n = s.numeric(name)
        for divisor in (float(c.n), 1.0):
            rest = n - right / divisor
            k = (
                _multiple(rest, s.values[name])
                if c.weighted
                else (0.0 if s.distance(n, right / divisor) < 1e-6 else None)
            )
            if k is not None:
                return divisor
        return None


def _multiple(rest: Array, w: Array) -> float | None:
    """k with rest = k w, up to rounding."""
    k = float(np.sum(rest * w) / np.sum(w * w))
    return k if np.max(abs(rest - k * w)) < 1e-6 else None


class SoftmaxMinusOneMissing(SoftmaxFault):
    """The −1 at the right class is missing."""

    name, title = "softmax-minus-one-missing", "softmax: the -1 at the right class is missing"

    def dscores(self, c: Scores, p: Array) -> Iterator[tuple[Array, str, str]]:
        """The probabilities alone, or the labels alone, or their sum."""
        yield (
            p,
            "probabilities",
            "dx holds the probabilities only; 1 is to be taken away at the right class of each row",
        )
        yield -c.one_hot, "labels", "only the -1 at the right class is there, not the probabilities"
        yield p + c.one_hot, "plus", "1 is added at the right class, not taken away"
        yield np.where(c.one_hot > 0, p - 1, 0), "right class only", "only the right class's entries are filled"


class SoftmaxWrongIndex(SoftmaxFault):
    """The −1 stands at another index than (row, label)."""

    name, title = "softmax-wrong-index", "softmax: the 1 is taken away at the wrong index"

    def dscores(self, c: Scores, p: Array) -> Iterator[tuple[Array, str, str]]:
        """Whole columns or rows, neighbouring labels, the highest or first class."""
        n = len(p)
        whole = np.zeros_like(p)
        whole[:, np.unique(c.y)] = 1
        words = "the indexing is wrong: "
        yield (
            p - whole,
            "columns",
            words + "dx[:, y] takes 1 away in whole columns; each row has its own, dx[arange(N), y]",
        )
        rows = np.zeros_like(p)
        rows[c.y[c.y < n]] = 1
        yield p - rows, "rows", words + "dx[y] takes 1 away in whole rows; it should be dx[arange(N), y]"
        for shift in (1, -1):
            moved = np.roll(c.one_hot, shift, axis=1)
            yield p - moved, f"shift {shift}", words + f"1 is taken away at class y {shift:+d}"
        for label, index in (("highest", p.argmax(axis=1)), ("lowest", p.argmin(axis=1)), ("first", np.zeros(n, int))):
            other = np.zeros_like(p)
            other[c.rows, index] = 1
            yield p - other, label, words + f"1 is taken away at the {label} class, not at the right one"
        yield p - np.roll(c.one_hot, 1, axis=0), "row shift", words + "1 is taken away in another row"

    def examine(self, s: Sample) -> Iterator[Match]:
        """As predicted, or anywhere else: what is left of softmax are whole ones at other places."""
        found = list(super().examine(s))
        yield from found
        for name in s.wrong:
            c, got = scores_of(s, name, SOFTMAX), s.got.get(name)
            if found or s.failure or c is None or got is None or c.weighted or got.shape != c.scores.shape:
                continue
            for divisor in (c.n, 1):
                ones = softmax(c.scores) - got * divisor
                whole = np.round(ones)
                if np.max(abs(ones - whole)) < 1e-6 and whole.min() == 0 and whole.max() == 1:
                    at = [tuple(int(i) for i in index) for index in np.argwhere((whole != 0) & (c.one_hot == 0))]
                    words = f"1 is taken away at {at[0]}" if at else "1 is taken away in some of the rows only"
                    yield Match((name,), "elsewhere", words, right_equation(s, name), 0.0)
                    break


class NotNormalized(SoftmaxFault):
    """Exponentials, scores or logarithms stand for probabilities, or the sum runs over the wrong axis."""

    name, title = "softmax-not-normalised", "softmax: something else stands for the probabilities"

    def dscores(self, c: Scores, p: Array) -> Iterator[tuple[Array, str, str]]:
        """Neighbours of the softmax."""
        shifted = c.scores - c.scores.max(axis=1, keepdims=True)
        exp, plain = np.exp(shifted), np.exp(c.scores)
        forms = {
            "exponentials, not divided by their sum,": exp,
            "exponentials of the raw scores": plain,
            "exponentials divided by the sum over the batch": exp / exp.sum(axis=0, keepdims=True),
            "raw exponentials divided by the sum over the batch": plain / plain.sum(axis=0, keepdims=True),
            "exponentials divided by the sum of all": exp / exp.sum(),
            "the scores": c.scores,
            "log probabilities": np.log(p),
            "p (1 - p)": p * (1 - p),
            "a softmax of the probabilities": softmax(p),
        }
        for words, value in forms.items():
            yield value - c.one_hot, words, f"{words} stand where the probabilities belong"


class SoftmaxTermScale(Hypothesis):
    """Only one of the two terms is divided by N."""

    name, title = "softmax-part-scaled", "softmax: only one term is divided by N"
    kinds = SOFTMAX

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """p and one_hot with different divisors."""
        c = scores_of(s, name, SOFTMAX)
        if c is None or c.weighted:
            return
        p, n = softmax(c.scores), c.n
        yield Prediction(
            p / n - c.one_hot, "labels", "the 1 is taken away after the division by N", right_equation(s, name)
        )
        yield Prediction(
            p - c.one_hot / n, "probabilities", "the probabilities are not divided by N", right_equation(s, name)
        )


class HingeFault(Hypothesis):
    """Base of the faults of the multi-class hinge."""

    kinds = HINGE

    def dscores(self, c: Scores, active: Array) -> Iterator[tuple[Array, str, str]]:
        """N times the wrong gradient."""
        raise NotImplementedError

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Through the weights, with what forward has beyond the data loss."""
        c = scores_of(s, name, HINGE)
        if c is None:
            return
        right_scores = c.scores[c.rows, c.y][:, None]
        active = ((c.scores - right_scores + 1 > 0) & (c.one_hot == 0)).astype(float)
        right = c.back(active - c.one_hot * active.sum(axis=1, keepdims=True))
        divisor = SoftmaxFault._divisor(s, name, c, right)
        if divisor is None:
            return
        rest = regulariser(s, name, right / divisor)
        for array, label, words in self.dscores(c, active):
            yield Prediction(c.back(array) / divisor + rest, label, words, right_equation(s, name))
            yield Prediction(
                c.back(array) + rest, label, f"{words}; and it is not divided by N", right_equation(s, name)
            )


class HingeCountMissing(HingeFault):
    """The right class does not get minus the number of violated margins."""

    name, title = "hinge-right-class", "svm: the right class's entry is wrong"

    def dscores(self, c: Scores, active: Array) -> Iterator[tuple[Array, str, str]]:
        """0, −1, + the number, one too many."""
        count = active.sum(axis=1, keepdims=True)
        words = "the right class's entry must be minus the number of the row's positive margins; "
        yield active, "missing", words + "it is 0"
        yield active - c.one_hot, "one", words + "it is -1 whatever their number"
        yield active - c.one_hot * (count > 0), "one if any", words + "it is -1 if there are any"
        yield active + c.one_hot * count, "sign", words + "it has the wrong sign"
        yield active - c.one_hot * (count + 1), "one more", words + "the right class itself is counted as well"
        yield (
            active + c.one_hot * (1 - count),
            "own margin",
            words + "the right class's own margin of 1 is counted as positive",
        )
        yield (
            active + c.one_hot,
            "own only",
            words + "it is 1: its own margin counts as positive and the number is missing",
        )
        yield -c.one_hot * count, "others missing", "the entries of the other classes are missing"


class HingeMargin(HingeFault):
    """Margins themselves stand where their indicator belongs, or the condition is another one."""

    name, title = "hinge-indicator", "svm: the indicator of positive margins is wrong"

    def dscores(self, c: Scores, active: Array) -> Iterator[tuple[Array, str, str]]:
        """Margins for ones; a margin without its 1; scores > 0."""
        right_scores = c.scores[c.rows, c.y][:, None]
        margins = (c.scores - right_scores + 1) * active
        forms = {
            "the margins themselves stand where their indicator (margin > 0) belongs": margins,
            "the condition leaves out the margin's 1": ((c.scores > right_scores) & (c.one_hot == 0)).astype(float),
            "the condition looks at the scores, not at the margins": ((c.scores > 0) & (c.one_hot == 0)).astype(float),
            "every class counts, whatever its margin": 1 - c.one_hot,
        }
        for words, value in forms.items():
            yield value - c.one_hot * value.sum(axis=1, keepdims=True), words, words
