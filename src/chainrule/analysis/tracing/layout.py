"""Where the nodes of a graph go: layers from left to right, few crossings, straight edges.

    layers     the longest path from the inputs; inputs move to just before their first use
    order      within layers by the mean place of the neighbours, sweeping to and fro; the best order found is kept
    places     each node as near to the mean of its neighbours as the order and the gaps allow (isotonic regression)

An edge that spans several layers goes through a bend in each of them, which takes part in all this like a node.
Source: Sugiyama, Tagawa & Toda, "Methods for visual understanding of hierarchical system structures", 1981.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SWEEPS = 24


@dataclass(frozen=True)
class Layout:
    """Column by node, centre (vertical) by node and bend, and by edge the nodes and bends that it goes through."""

    columns: Mapping[str, int]
    centres: Mapping[str, float]
    routes: Mapping[tuple[str, str], tuple[str, ...]]


def lay_out(edges: Sequence[tuple[str, str]], heights: Mapping[str, float], bend: float) -> Layout:
    """Places for the nodes of `heights`, which stand in an order in which no edge points back.

    heights: the vertical room of every node; bend: that of an edge passing by.
    """
    nodes = list(heights)
    columns = _columns(nodes, edges)
    routes, layers, links = _with_bends(nodes, edges, columns)
    layers = _ordered(layers, links)
    room = {n: heights.get(n, bend) for layer in layers for n in layer}
    return Layout(columns, _centres(layers, links, room), routes)


def _columns(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    before: dict[str, list[str]] = {n: [] for n in nodes}
    after: dict[str, list[str]] = {n: [] for n in nodes}
    for a, b in edges:
        before[b].append(a)
        after[a].append(b)
    columns: dict[str, int] = {}
    for n in nodes:
        columns[n] = max((columns[m] + 1 for m in before[n]), default=0)
    for n in nodes:
        if not before[n] and after[n]:
            columns[n] = min(columns[m] for m in after[n]) - 1
    return columns


def _with_bends(
    nodes: Sequence[str], edges: Sequence[tuple[str, str]], columns: Mapping[str, int]
) -> tuple[dict[tuple[str, str], tuple[str, ...]], list[list[str]], dict[str, list[str]]]:
    """The routes of all edges, the layers with their bends, and the neighbours of every node and bend."""
    layers: list[list[str]] = [[] for _ in range(max(columns.values(), default=0) + 1)]
    routes: dict[tuple[str, str], tuple[str, ...]] = {}
    links: dict[str, list[str]] = {}
    # Depth first from the results: what belongs together starts side by side.
    for n in _depth_first(nodes, edges):
        layers[columns[n]].append(n)
    for a, b in dict.fromkeys(edges):
        bends = [f"{a}→{b}@{column}" for column in range(columns[a] + 1, columns[b])]
        for column, name in enumerate(bends, start=columns[a] + 1):
            layers[column].append(name)
        route = (a, *bends, b)
        routes[a, b] = route
        for left, right in itertools.pairwise(route):
            links.setdefault(left, []).append(right)
            links.setdefault(right, []).append(left)
    return routes, layers, links


def _depth_first(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[str]:
    before: dict[str, list[str]] = {n: [] for n in nodes}
    for a, b in edges:
        before[b].append(a)
    order: dict[str, None] = {}
    for root in reversed(nodes):
        stack = [root]
        while stack:
            n = stack.pop()
            if n not in order:
                order[n] = None
                stack.extend(reversed(before[n]))
    return list(order)


def _ordered(layers: list[list[str]], links: Mapping[str, list[str]]) -> list[list[str]]:
    best, fewest = [list(layer) for layer in layers], _crossings(layers, links)
    layers = [list(layer) for layer in layers]
    for sweep in range(SWEEPS):
        numbers = range(1, len(layers)) if sweep % 2 == 0 else range(len(layers) - 2, -1, -1)
        for i in numbers:
            fixed = layers[i - 1] if sweep % 2 == 0 else layers[i + 1]
            at = {n: float(place) for place, n in enumerate(fixed)}
            layers[i] = _by_mean(layers[i], links, at)
        crossings = _crossings(layers, links)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _by_mean(layer: list[str], links: Mapping[str, list[str]], at: Mapping[str, float]) -> list[str]:
    means = {}
    for place, n in enumerate(layer):
        near = [at[m] for m in links.get(n, []) if m in at]
        means[n] = sum(near) / len(near) if near else float(place)
    return sorted(layer, key=lambda n: means[n])  # stable: equals keep their order


def _crossings(layers: list[list[str]], links: Mapping[str, list[str]]) -> int:
    total = 0
    for left, right in itertools.pairwise(layers):
        at = {n: place for place, n in enumerate(right)}
        ends = [sorted(at[m] for m in links.get(n, []) if m in at) for n in left]
        flat = [end for group in ends for end in group]
        total += sum(a > b for i, a in enumerate(flat) for b in flat[i + 1 :])
    return total


def _centres(layers: list[list[str]], links: Mapping[str, list[str]], room: Mapping[str, float]) -> dict[str, float]:
    """Vertical places: repeatedly the mean of the neighbours, as near as order and room allow."""
    centres: dict[str, float] = {}
    for layer in layers:
        top = 0.0
        for n in layer:
            centres[n] = top + room[n] / 2
            top += room[n]
    for sweep in range(SWEEPS):
        order = layers if sweep % 2 == 0 else layers[::-1]
        for layer in order:
            wanted = []
            for n in layer:
                near = [centres[m] for m in links.get(n, [])]
                wanted.append(sum(near) / len(near) if near else centres[n])
            for n, centre in zip(layer, _spread(wanted, [room[n] for n in layer]), strict=True):
                centres[n] = centre
    top = min((centres[n] - room[n] / 2 for n in centres), default=0.0)
    return {n: centre - top for n, centre in centres.items()}


def _spread(wanted: list[float], rooms: list[float]) -> list[float]:
    """The places nearest to `wanted`, in the mean square, that keep the order and leave each node its room.

    With the rooms taken off this is isotonic regression; its solution joins neighbours that are out of order into
    blocks with a common mean (pool adjacent violators).
    """
    offsets, total = [], 0.0
    for i, room in enumerate(rooms):
        total += (rooms[i - 1] + room) / 2 if i else 0.0
        offsets.append(total)
    blocks: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        mean, count = want - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, more = blocks.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        blocks.append((mean, count))
    means = [mean for mean, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
