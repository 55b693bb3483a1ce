"""A trace as a picture: one node a value, the value above every edge and the gradient that comes back below it."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from html import escape

from chainrule.analysis.tracing.layout import Layout, lay_out
from chainrule.analysis.tracing.term import format_number
from chainrule.analysis.tracing.trace import Step, Trace

# Okabe & Ito's colours, told apart with any colour vision.
FORWARD, BACKWARD, LINE, INPUT, RESULT = "#0072B2", "#C24A00", "#9A9A9A", "#F3F3F3", "#E6F2FA"
FONT = 14  # px
LABEL = 12
LETTER = 0.62  # the width of a letter in units of the font size, generously
NODE_HEIGHT, ROW, BEND, GAP, MARGIN = 42.0, 64.0, 36.0, 118.0, 24.0
PER_EDGE = 30.0
INDICES = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
LONGEST = 26  # letters of a formula in a node; longer ones end in an ellipsis and are whole in the tooltip


@dataclass(frozen=True)
class Box:
    """A rectangle on the page, by its centre."""

    x: float
    y: float
    width: float
    height: float

    def overlap(self, other: Box) -> float:
        """The area that both cover."""
        across = min(self.x + self.width / 2, other.x + other.width / 2) - max(
            self.x - self.width / 2, other.x - other.width / 2
        )
        down = min(self.y + self.height / 2, other.y + other.height / 2) - max(
            self.y - self.height / 2, other.y - other.height / 2
        )
        return max(across, 0.0) * max(down, 0.0)


def svg(trace: Trace, digits: int = 4) -> str:
    """The graph as a self-contained SVG document."""
    steps = {s.name: s for s in trace.steps}
    edges = [(p.argument, s.name) for s in trace.steps for p in s.partials]
    layout = lay_out(edges, _heights(trace), BEND)
    boxes = _boxes(steps, layout)
    width = max(_right_end(name, box, trace, digits) for name, box in boxes.items()) + MARGIN
    height = max([*(box.y + box.height / 2 for box in boxes.values()), *_bends(layout)]) + MARGIN + 34
    lines, labels = _edges(trace, layout, boxes, digits)
    nodes = [_node(steps[name], box, trace, digits) for name, box in boxes.items() if name in steps]
    legend = (
        f'<text x="{MARGIN:.0f}" y="{height - 12:.0f}" font-size="{LABEL}"><tspan fill="{FORWARD}">value</tspan> '
        f'above, <tspan fill="{BACKWARD}">gradient of {_text(trace.output)}</tspan> below the edges</text>'
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="DejaVu Sans, Verdana, sans-serif" '
            f'font-size="{FONT}" role="img">',
            f"<title>{escape(trace.output)} and its gradients</title>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{LINE}"/></marker></defs>',
            '<rect width="100%" height="100%" fill="white"/>',
            *lines,
            *nodes,
            *labels,
            legend,
            "</svg>\n",
        ]
    )


def _heights(trace: Trace) -> dict[str, float]:
    """The room of every node: more where many edges meet, so that their labels find places."""
    return {
        step.name: max(ROW, PER_EDGE * len(step.partials), 0.7 * PER_EDGE * len(trace.consumers(step.name)))
        for step in trace.steps
    }


def _gaps(layout: Layout) -> list[float]:
    """The distance of neighbouring columns: more where many edges lie between them."""
    count = max(layout.columns.values())
    between = [0] * count
    for a, b in layout.routes:
        for column in range(layout.columns[a], layout.columns[b]):
            between[column] += 1
    return [GAP + min(PER_EDGE / 3 * max(edges - 8, 0), 1.5 * GAP) for edges in between]


def _boxes(steps: dict[str, Step], layout: Layout) -> dict[str, Box]:
    """Every node's rectangle: columns as wide as their widest node, with room for labels between them."""
    widths = {name: _width(step) for name, step in steps.items()}
    count = max(layout.columns.values()) + 1
    columns = [max(w for n, w in widths.items() if layout.columns[n] == c) for c in range(count)]
    gaps = _gaps(layout)
    left = [MARGIN + sum(columns[:c]) + sum(gaps[:c]) for c in range(count)]
    centres = [x + w / 2 for x, w in zip(left, columns, strict=True)]
    boxes = {n: Box(centres[layout.columns[n]], MARGIN + layout.centres[n], widths[n], NODE_HEIGHT) for n in steps}
    for (a, _), route in layout.routes.items():
        for i, bend in enumerate(route[1:-1], start=1):
            column = layout.columns[a] + i
            boxes[bend] = Box(centres[column], MARGIN + layout.centres[bend], columns[column], 0.0)
    return boxes


def _right_end(name: str, box: Box, trace: Trace, digits: int) -> float:
    """Where a node ends; the output has its value and the 1 of its own gradient beside it."""
    beside = 8 + len(format_number(trace[name].value, digits)) * LETTER * FONT if name == trace.output else 0.0
    return box.x + box.width / 2 + beside


def _bends(layout: Layout) -> list[float]:
    return [MARGIN + layout.centres[n] for route in layout.routes.values() for n in route]


def _width(step: Step) -> float:
    longest = max(len(step.name), len(_formula(step)))
    return max(44.0, longest * LETTER * FONT + 18)


def _formula(step: Step) -> str:
    if step.formula is None:
        return ""
    text = step.formula.text
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _node(step: Step, box: Box, trace: Trace, digits: int) -> str:
    left, top = box.x - box.width / 2, box.y - box.height / 2
    fill = INPUT if step.formula is None else RESULT if step.name == trace.output else "white"
    stroke = FORWARD if step.name == trace.output else "#333333"
    whole = "given" if step.formula is None else step.formula.text
    note = f"{step.name} = {whole} = {step.value!r}; gradient {step.gradient!r}"
    parts = [
        f"<g><title>{escape(note)}</title>",
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{box.height:.0f}" rx="7" fill="{fill}" '
        f'stroke="{stroke}"/>',
    ]
    if step.formula is None:
        parts.append(_label(box.x, box.y + 5, _text(step.name), "#111111", bold=True))
    else:
        parts.append(_label(box.x, box.y - 4, _text(step.name), "#111111", bold=True))
        parts.append(_label(box.x, box.y + 14, _text(_formula(step)), "#444444"))
    if step.name == trace.output:
        x = box.x + box.width / 2 + 8
        parts.append(_label(x, box.y - 5, format_number(step.value, digits), FORWARD, anchor="start"))
        parts.append(_label(x, box.y + 14, format_number(step.gradient, digits), BACKWARD, anchor="start"))
    return "".join([*parts, "</g>"])


def _edges(trace: Trace, layout: Layout, boxes: dict[str, Box], digits: int) -> tuple[list[str], list[str]]:
    """Every edge as a curve, and its two labels where they cover least."""
    lines, labels = [], []
    taken = [box for name, box in boxes.items() if box.height]
    ports = _ports(layout, boxes)
    for (a, b), route in layout.routes.items():
        step = trace[b]
        partial = next(p for p in step.partials if p.argument == a)
        points = _points(route, boxes, ports[a, b])
        lines.append(
            f'<path d="{_curve(points)}" fill="none" stroke="{LINE}" stroke-width="1.4" marker-end="url(#tip)"/>'
        )
        value = format_number(trace[a].value, digits)
        gradient = format_number(step.gradient * partial.value, digits)
        spot = _free_spot(points, max(len(value), len(gradient)) * LETTER * LABEL, taken)
        taken.append(spot)
        labels.append(
            f'<rect x="{spot.x - spot.width / 2:.1f}" y="{spot.y - 13:.1f}" width="{spot.width:.1f}" height="28" '
            'fill="white" fill-opacity="0.8"/>'
        )
        labels.append(_label(spot.x, spot.y - 3, value, FORWARD, size=LABEL))
        labels.append(_label(spot.x, spot.y + 11, gradient, BACKWARD, size=LABEL))
    return lines, labels


def _ports(layout: Layout, boxes: dict[str, Box]) -> dict[tuple[str, str], float]:
    """Where each edge meets its node: side by side in the order in which the edges come."""
    ports: dict[tuple[str, str], float] = {}
    arriving: dict[str, list[tuple[str, str]]] = {}
    for edge in layout.routes:
        arriving.setdefault(edge[1], []).append(edge)
    for node, edges in arriving.items():
        edges.sort(key=lambda edge: boxes[layout.routes[edge][-2]].y)
        distance = min(10.0, (NODE_HEIGHT - 14) / max(len(edges) - 1, 1))
        for i, edge in enumerate(edges):
            ports[edge] = boxes[node].y + distance * (i - (len(edges) - 1) / 2)
    return ports


def _points(route: tuple[str, ...], boxes: dict[str, Box], port: float) -> list[tuple[float, float]]:
    """From the right side of the first node, along every bend, to the left side of the last node."""
    first, last = boxes[route[0]], boxes[route[-1]]
    points = [(first.x + first.width / 2, first.y)]
    for name in route[1:-1]:
        bend = boxes[name]
        points += [(bend.x - bend.width / 2, bend.y), (bend.x + bend.width / 2, bend.y)]
    return [*points, (last.x - last.width / 2 - 1, port)]


def _curve(points: list[tuple[float, float]]) -> str:
    """Level pieces joined by S-shaped ones."""
    path = [f"M{points[0][0]:.1f},{points[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        middle = (x0 + x1) / 2
        path.append(
            f"L{x1:.1f},{y1:.1f}"
            if abs(y0 - y1) < 0.5
            else f"C{middle:.1f},{y0:.1f} {middle:.1f},{y1:.1f} {x1:.1f},{y1:.1f}"
        )
    return " ".join(path)


def _free_spot(points: list[tuple[float, float]], width: float, taken: list[Box]) -> Box:
    """Of places along the first piece of an edge, and then along the others, the one that covers least."""
    best, least = None, float("inf")
    for piece, ((x0, y0), (x1, y1)) in enumerate(itertools.pairwise(points)):
        for t in (k / 100 for k in range(20, 81, 3)):
            rise = t * t * (3 - 2 * t)  # the height of the S-shaped curve, nearly
            spot = Box(x0 + (x1 - x0) * t, y0 + (y1 - y0) * rise, width, 2.3 * LABEL)
            covered = sum(spot.overlap(box) for box in taken) + 4 * piece + 6 * abs(t - 0.4)
            if covered < least:
                best, least = spot, covered
    assert best is not None
    return best


def _label(
    x: float, y: float, text: str, color: str, *, anchor: str = "middle", size: int = FONT, bold: bool = False
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {where} font-size="{size}" fill="{color}"{weight}>{text}</text>'


def _text(text: str) -> str:
    """Escaped, with the numbers of names as indices: z₁."""
    return escape(
        re.sub(r"(?<![\w.])([^\W\d_]+)_?(\d+)(?![^\W²³]|[.(])", lambda m: m[1] + m[2].translate(INDICES), text)
    )
