"""Faults of max and average pooling."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.arrays import Array
from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis, Prediction, right_equation
from chainrule.check.diagnosis.sample import Sample

POOLS = ("max pool", "average pool")


class Windows:
    """The windows of one pooling in the layout (N, C, H, W)."""

    def __init__(self, s: Sample) -> None:
        o = s.options
        self.x = s.value("x")
        self.height = int(o.get("pool_height", o.get("size", o.get("f", 2))))
        self.width = int(o.get("pool_width", o.get("size", o.get("f", 2))))
        self.stride = int(o.get("stride", self.height))
        self.dout = s.dout

    def scatter(self, share: object, *, stride: int | None = None, assign: bool = False) -> Array:
        """Σ dout · share(window), where share maps (N, C, h, w) to weights of that shape."""
        dx = np.zeros_like(self.x)
        step = self.stride if stride is None else stride
        for i, j in np.ndindex(self.dout.shape[2:]):
            window = (..., slice(i * step, i * step + self.height), slice(j * step, j * step + self.width))
            part = self.x[window]
            if part.size == 0:
                continue
            value = share(part) * self.dout[:, :, i : i + 1, j : j + 1]  # type: ignore[operator]
            dx[window] = value if assign else dx[window] + value
        return dx


def highest(part: Array) -> Array:
    """1 at the first maximum of each window."""
    flat = part.reshape(*part.shape[:2], -1)
    return np.asarray(np.arange(flat.shape[-1]) == flat.argmax(axis=-1)[..., None]).reshape(part.shape).astype(float)


def windows_of(s: Sample, kinds: tuple[str, ...]) -> Windows | None:
    """The windows, where the kind is one of these and forward has the usual layout."""
    if s.kind is None or s.kind.name not in kinds or np.ndim(s.value("x")) != 4 or s.out.ndim != 4:
        return None
    x = s.value("x")
    found = Windows(s)
    rows = (x.shape[2] - found.height) // found.stride + 1
    return found if s.out.shape[:2] == x.shape[:2] and s.out.shape[2] == rows else None


class SpreadOverWindow(Hypothesis):
    """dout goes to every entry of the window, not to the maximum."""

    name, title = "max-pool-not-routed", "max pool: dout does not go to the maximum alone"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """All entries, equal shares, the first entry, the minimum, the centre."""
        found = windows_of(s, ("max pool",))
        if found is None or s.roles.get(name) != "x":
            return

        def at(index: int) -> object:
            def share(part: Array) -> Array:
                weights = np.zeros(part.shape)
                weights.reshape(*part.shape[:2], -1)[..., index] = 1
                return weights

            return share

        forms = {
            "all entries of the window get all of dout": np.ones_like,
            "all entries of the window get an equal share": lambda part: (
                np.ones(part.shape) / (part.shape[2] * part.shape[3])
            ),
            "the first entry of the window gets it": at(0),
            "the last entry of the window gets it": at(-1),
            "the minimum of the window gets it": lambda part: highest(-part),
            "it is multiplied by the maximum itself": lambda part: part * highest(part),
        }
        for words, share in forms.items():
            yield Prediction(found.scatter(share), words, words, right_equation(s, name))


class AverageNotDivided(Hypothesis):
    """The share 1/(h w) of average pooling is missing or another one."""

    name, title = "average-pool-share", "average pool: the share 1/(HH * WW) is wrong"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """No division, division by a side only, or twice."""
        found = windows_of(s, ("average pool",))
        if s.kind is not None and s.kind.name == "global average pool" and s.out.ndim in (2, 4):
            x = s.values[name]
            area, side = x.shape[2] * x.shape[3], x.shape[2]
            n = s.numeric(name)
            for word, k in (("1", area), (f"1/H = 1/{side}", area / side), ("1/(H W) squared", 1 / area)):
                yield Prediction(
                    n * k, word.split(" ")[0], f"each pixel gets the share {word}", right_equation(s, name)
                )
            return
        if found is None or s.roles.get(name) != "x":
            return
        h, w = found.height, found.width
        for word, share in (
            ("1", 1.0),
            ("1/HH", 1 / h),
            ("1/WW", 1 / w),
            ("1/(HH * WW) squared", 1 / (h * w) ** 2),
            ("HH * WW", h * w),
        ):
            words = f"each entry of a window gets the share {word}"
            yield Prediction(
                found.scatter(lambda part, share=share: np.full(part.shape, share)),
                word,
                words,
                right_equation(s, name),
            )


class PoolingStride(Hypothesis):
    """Windows are placed elsewhere than in forward."""

    name, title = "pooling-stride", "pooling: backward places its windows elsewhere than forward"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Other strides; the window's height as the stride."""
        for kinds, share in (
            (("max pool",), highest),
            (("average pool",), lambda part: np.ones(part.shape) / part[0, 0].size),
        ):
            found = windows_of(s, kinds)
            if found is None or s.roles.get(name) != "x":
                continue
            for stride in {1, 2, 3, found.height, found.width} - {found.stride}:
                words = f"the windows move by {stride}; forward's stride is {found.stride}"
                yield Prediction(found.scatter(share, stride=stride), "", words, "rows i * stride to i * stride + HH")


class PoolingOverwritten(Hypothesis):
    """Windows overlap, and each one overwrites what the others left."""

    name, title = "overwritten", "contributions overwrite each other instead of adding up"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Whole windows assigned."""
        for kinds, share in (
            (("max pool",), highest),
            (("average pool",), lambda part: np.ones(part.shape) / part[0, 0].size),
        ):
            found = windows_of(s, kinds)
            if found is not None and s.roles.get(name) == "x":
                words = "where windows overlap, the last one overwrites what the others wrote"
                equation = "dx[window] += ... in the place of dx[window] = ..."
                yield Prediction(found.scatter(share, assign=True), "last", words, equation)
