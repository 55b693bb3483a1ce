"""The figures of a search: trials as lines through parallel coordinates, the importance of each space."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.recipes.spaces import Space
from chainrule.report.plots import BLUE, GREY, ORANGE, new_figure
from chainrule.search.binding import short, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from chainrule.search.results import Results

MAX_TICKS = 8  # of values that have names


def parallel_figure(results: Results) -> Figure:
    """A line a trial of the last stage, from axis to axis, coloured by its figure; the best one drawn last."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    plan, ranking = results.plan, results.ranking
    spaces = plan.spaces
    figures = np.array([row.outcome.value for row in ranking], dtype=float)  # (trials,) best first
    figure = new_figure((2.2 * (len(spaces) + 1) + 1.2, 4.6))
    axes = figure.subplots()
    low, high = float(figures.min()), float(figures.max())
    margin = (high - low) * 0.02 if high > low else 0.5
    scale = Normalize(low - margin, high + margin)
    colors = _colors(plan.sign)
    width = 0.16  # of the shares of a value, over which its lines are spread so that each can be followed
    places = {row.place: (i + 0.5) / len(ranking) - 0.5 for i, row in enumerate(sorted(ranking, key=lambda r: r.place))}
    for rank in range(len(ranking) - 1, -1, -1):
        row = ranking[rank]
        heights = [
            _height(space, row.outcome.values[name], places[row.place] * width) for name, space in spaces.items()
        ]
        heights.append(float(scale(figures[rank])))
        best = rank == 0
        axes.plot(
            *_curve(heights),
            color=ORANGE if best else colors(scale(figures[rank])),
            linewidth=2.4 if best else 1.1,
            alpha=1.0 if best else 0.75,
            zorder=3 if best else 2,
        )
    for x, (name, space) in enumerate(spaces.items()):
        _axis(axes, x, name, _ticks(space))
    bar = figure.colorbar(ScalarMappable(scale, colors), ax=axes, fraction=0.05, pad=0.02)
    bar.set_label(plan.part.monitor)
    _axis(axes, len(spaces), plan.part.monitor, [])
    axes.set(xlim=(-0.35, len(spaces) + 0.03), ylim=(-0.03, 1.03), yticks=[])
    axes.set_xticks(range(len(spaces) + 1), [short(n) for n in (*spaces, plan.part.monitor)])
    axes.tick_params(axis="x", length=0, pad=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.suptitle(f"{plan.recipe.name}: {len(ranking)} trials, the best in orange")
    return figure


def importance_figure(importance: Mapping[str, float], title: str) -> Figure:
    """A bar a space: the share of the variance between trials that it explains."""
    figure = new_figure((7, 1.4 + 0.45 * len(importance)))
    axes = figure.subplots()
    names = list(importance)[::-1]
    shares = [importance[name] for name in names]
    bars = axes.barh([short(n) for n in names], shares, color=BLUE, height=0.6)
    axes.bar_label(bars, [f"{share:.0%}" for share in shares], padding=4)
    axes.set(xlim=(0, max(shares) * 1.15), xlabel="share of the variance explained", title=title)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    return figure


def _colors(sign: int) -> Any:
    """From dark for bad to green for good; the yellow end of the scale is hardly seen on white."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    colors = ListedColormap(colormaps["viridis"](np.linspace(0, 0.85, 256)))
    return colors if sign > 0 else colors.reversed()


def _height(space: Space, value: Any, shift: float) -> float:
    """The height of a value; where many trials share one, they are spread by `shift` around it."""
    if space.name in ("choice", "range"):
        return space.position(value) + shift / max(len(space.ends()) if space.name == "choice" else space.count, 1)  # type: ignore[attr-defined]
    return space.position(value)


def _curve(heights: list[float]) -> tuple[list[float], list[float]]:
    """A smooth line through heights at 0, 1, 2, ..., level at each of them."""
    xs, ys = [], []
    t = np.linspace(0, 1, 25)
    for i, (a, b) in enumerate(itertools.pairwise(heights)):
        xs += (i + t).tolist()
        ys += (a + (b - a) * t * t * (3 - 2 * t)).tolist()
    return xs, ys


def _ticks(space: Space) -> list[tuple[float, str]]:
    """Heights and words of the marks on an axis."""
    if space.name in ("choice", "range"):
        ends = space.ends()
        values = space.grid() if space.name == "choice" or space.count <= MAX_TICKS else ends  # type: ignore[attr-defined]
        return [(space.position(v), shown(v)[:18]) for v in values]
    values = [space.draw(u) for u in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return [(space.position(v), f"{v:.2g}") for v in values]


def _axis(axes: Any, x: int, name: str, ticks: list[tuple[float, str]]) -> None:
    axes.plot([x, x], [0, 1], color=GREY, linewidth=1, zorder=1)
    for height, words in ticks:
        axes.plot([x - 0.02, x + 0.02], [height, height], color="black", linewidth=0.8, zorder=4)
        axes.text(
            *(x - 0.04, height, words),
            ha="right",
            va="center",
            fontsize=8.5,
            zorder=5,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8},
        )
