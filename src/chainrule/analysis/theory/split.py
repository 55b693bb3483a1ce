"""Split criteria of decision trees for given counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.analysis.impurity import CRITERIA, entropy, gini, misclassification, parent_of, split_impurity
from chainrule.analysis.theory.topic import Finding, Topic
from chainrule.errors import ConfigError
from chainrule.summary import aligned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The two splits of 400 + 400 rows that the misclassification rate cannot tell apart.
EXAMPLE = ("300,100/100,300", "200,400/200,0")


def run(*, split: tuple[str, ...] = EXAMPLE) -> Finding:
    """Compare splits by misclassification rate, entropy and Gini index.

    Parameters
    ----------
    split
        The class counts of the children, such as 300,100/100,300; may be repeated to compare splits of one parent.
    """
    splits = [(f"{chr(65 + i)}: {text}" if i < 26 else text, _parsed(text)) for i, text in enumerate(split)]
    if not splits:
        raise ConfigError("split: expected counts of the children such as 300,100/100,300, got none")
    parent = parent_of(splits[0][1])
    for _, children in splits:
        if parent_of(children) != parent:
            raise ConfigError(f"split: all splits must part the same rows, {parent}, got {parent_of(children)}")
    before = {name: criterion(parent) for name, criterion in CRITERIA.items()}
    after = {text: {n: split_impurity(c, children) for n, c in CRITERIA.items()} for text, children in splits}
    rows = [(f"parent: {','.join(map(str, parent))}", *(f"{v:.4f}" for v in before.values()), "")]
    rows += [
        (text, *(f"{v:.4f}" for v in found.values()), f"{before['entropy'] - found['entropy']:.4f}")
        for text, found in after.items()
    ]
    text = aligned(("counts", *CRITERIA, "information gain"), rows)
    best = {name: _preferred({t: found[name] for t, found in after.items()}) for name in CRITERIA}
    if len(splits) > 1:
        text += "\n" + "\n".join(f"{name} prefers {which}" for name, which in best.items())
    data = {
        "parent": {"counts": parent, **before},
        "splits": [
            {"children": children, **after[t], "gain": {n: before[n] - after[t][n] for n in CRITERIA}}
            for t, children in splits
        ],
        "preferred": best,
    }
    two_classes = len(parent) == 2
    return Finding(text, data, (lambda: _figure(parent, splits)) if two_classes else None)


def _parsed(text: str) -> list[list[int]]:
    try:
        children = [[int(n) for n in child.split(",")] for child in re.sub("[ ()]", "", text).split("/")]
    except ValueError:
        raise ConfigError(f"split: expected counts of the children such as 300,100/100,300, got {text!r}") from None
    parent_of(children)
    for child in children:
        if any(n < 0 for n in child):
            raise ConfigError(f"split: counts must be >= 0, got {text!r}")
    if sum(map(sum, children)) == 0:
        raise ConfigError(f"split: counts must hold at least one row, got {text!r}")
    return children


def _preferred(found: dict[str, float]) -> str:
    least = min(found.values())
    best = [text for text, value in found.items() if value - least < 1e-12]
    return (
        best[0]
        if len(best) == 1
        else "none of " + " and ".join(best)
        if len(best) == len(found)
        else " and ".join(best)
    )


def _figure(parent: list[int], splits: list[tuple[str, Any]]) -> Figure:
    from chainrule.report.plots import BLUE, ORANGE, new_figure

    figure = new_figure((7.5, 4.8))
    axes = figure.subplots()
    shares = np.linspace(0, 1, 501)
    styles = (
        ("entropy", entropy, BLUE, "-"),
        ("Gini", gini, ORANGE, "-"),
        ("misclassification", misclassification, "#444444", "--"),
    )
    for name, criterion, color, line in styles:
        values = [criterion([round(1e6 * p), 1_000_000 - round(1e6 * p)]) for p in shares]
        axes.plot(shares, values, line, color=color, label=name)
    for (text, children), marker in zip(splits, "osD^v<>ph*" * 3, strict=False):
        for k, child in enumerate(c for c in children if sum(c)):
            p = child[0] / sum(child)
            axes.plot(
                p, entropy(child), marker, color=BLUE, markersize=8, label=f"children of {text}" if k == 0 else None
            )
    p = parent[0] / sum(parent)
    axes.plot(p, entropy(parent), "x", color="black", markersize=9, label=f"parent {','.join(map(str, parent))}")
    axes.set(xlabel="share of the first class", ylabel="impurity", title="Split criteria", ylim=(-0.03, 1.08))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    return figure


TOPIC = Topic("split", "Entropy and Gini tell splits apart that the misclassification rate does not.", run)
