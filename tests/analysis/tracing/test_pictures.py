"""What a trace looks like: LaTeX that can be typeset, and graphs in which nothing covers anything."""

import itertools
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.mathtext import MathTextParser

from chainrule.analysis.tracing.latex import lines
from chainrule.analysis.tracing.layout import lay_out
from chainrule.analysis.tracing.term import number, variable
from chainrule.analysis.tracing.trace import trace_text
from chainrule.cli import main

SVG = "{http://www.w3.org/2000/svg}"
TEXTS = [
    "z = w*x + b; a = σ(z); L = (a - t)^2",
    "L = max(x, w)/sqrt(b) - relu(-t)*abs(x) + ln(b)^3 + e^(-x/2)*tanh(sin(t)*cos(w)) + 1e-7*min(x, w) - softplus(t)",
    "L_reg = L + alpha_1*w12^2; L = -(ŷ*ln(b))*x*t; ŷ = sigma(w*b); loss = L_reg + w12; alpha_1 = 0.3; w12 = -1.5e-7",
]
VALUES = {"w": 0.5, "x": -2.0, "b": 3.0, "t": 1.5}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("by", ["operation", "equation"])
def test_latex_can_be_typeset(text, by):
    parser = MathTextParser("path")
    trace = trace_text(text, VALUES, by=by)
    written = lines(trace)
    assert len(written) == len(trace.steps) + len(trace.backward_steps) - 1
    for line in written:
        assert line.count("&=") == 1
        assert line.count(r"\left") == line.count(r"\right")
        parser.parse(f"${line.replace('&', '')}$")
    assert trace.latex() == "\\begin{align*}\n" + " \\\\\n".join(written) + "\n\\end{align*}"


def test_a_way_beside_others_is_marked():
    trace = trace_text("p = w*x; L = p + w", {"w": 2, "x": 3})
    (line,) = [one for one in lines(trace) if one.startswith(r"\frac{\partial L}{\partial w}")]
    assert r"\right|_{\mathrm{direct}}" in line
    assert "∂L/∂w (direct)" in str(trace)


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("z1", "z_{1}"),
        ("w_ij", "w_{ij}"),
        ("ŷ", r"\hat{y}"),
        ("yhat", r"\hat{y}"),
        ("y_hat", r"\hat{y}"),
        ("x̄2", r"\bar{x}_{2}"),
        ("alpha", r"\alpha"),
        ("β1", r"\beta_{1}"),
        ("Δ", r"\Delta"),
        ("loss", r"\mathrm{loss}"),
        ("_a", r"\mathrm{\_a}"),
        ("h1_2", "h_{1,2}"),
    ],
)
def test_names_in_latex(name, latex):
    assert variable(name).latex == latex
    MathTextParser("path").parse(f"${latex}$")


@pytest.mark.parametrize(("value", "text"), [(-0.0, "0"), (2.0, "2"), (1234567.0, "1.235e+06"), (-1e-9, "-1e-09")])
def test_numbers(value, text):
    assert number(value).text == text


# -- graphs ------------------------------------------------------------------------------------------------------------


def drawn(svg):
    """Rectangles of nodes, and the texts with their places."""
    root = ElementTree.fromstring(svg)
    nodes = []
    for group in root.iter(f"{SVG}g"):
        box = group.find(f"{SVG}rect")
        nodes.append([float(box.get(k)) for k in ("x", "y", "width", "height")])
    return root, nodes, root.findall(f"{SVG}text")


def overlap(a, b):
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    return across > 0 and min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]) > 0


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("by", ["operation", "equation"])
def test_graphs_show_every_value_and_cover_nothing(text, by):
    trace = trace_text(text, VALUES, by=by)
    root, nodes, texts = drawn(trace.svg())
    width, height = float(root.get("width")), float(root.get("height"))
    assert len(nodes) == len(trace.steps)
    assert not any(overlap(a, b) for a, b in itertools.combinations(nodes, 2))
    assert all(x >= 0 and y >= 0 and x + w <= width and y + h <= height for x, y, w, h in nodes)
    edges = sum(len(s.partials) for s in trace.steps)
    assert len(root.findall(f"{SVG}path")) == edges
    assert len(texts) == 2 * edges + 1
    labels = [_extent(t) for t in texts[:-1]]
    assert not any(overlap(label, node) for label in labels for node in nodes)
    covered = sum(overlap(a, b) for a, b in itertools.combinations(labels, 2))
    assert covered == 0
    shown = {t.text for t in texts}
    for step in trace.steps:
        for partial in step.partials:
            assert f"{trace[partial.argument].value:.4g}".replace("-0.0", "-0.0") in shown
            assert f"{step.gradient * partial.value + 0.0:.4g}" in shown


def _extent(text):
    x, y, size = (float(text.get(k)) for k in ("x", "y", "font-size"))
    wide = 0.58 * size * len(text.text)
    return [x - wide / 2, y - 0.75 * size, wide, 0.8 * size]


def test_names_that_look_like_markup_stay_text():
    svg = trace_text("L = w*x", {"w": 1, "x": 2}).svg()
    assert "z₁" in trace_text("z1 = w*x", {"w": 1, "x": 2}).svg()
    assert "<script" not in svg
    assert not re.search(r"href|url\((?!#tip\))", svg)  # nothing from outside


def test_the_command_writes_the_graph(tmp_path, capsys):
    path = tmp_path / "graph.svg"
    assert main(["trace", TEXTS[0], "--set", *(f"{k}={v}" for k, v in VALUES.items()), "--svg", str(path)]) == 0
    _, nodes, _ = drawn(path.read_text())
    assert len(nodes) == 9
    assert "by the chain rule" in capsys.readouterr().out


@st.composite
def graphs(draw):
    count = draw(st.integers(2, 25))
    names = [f"n{i}" for i in range(count)]
    edges = [
        (names[draw(st.integers(0, i - 1))], names[i])
        for i in range(1, count)
        for _ in range(draw(st.integers(0, min(i, 3))))
    ]
    return names, list(dict.fromkeys(edges))


@settings(max_examples=40)
@given(graphs())
def test_layouts_keep_nodes_apart_and_edges_forward(graph):
    names, edges = graph
    layout = lay_out(edges, dict.fromkeys(names, 60.0), bend=30.0)
    assert set(layout.columns) == set(names)
    assert all(layout.columns[a] < layout.columns[b] for a, b in edges)
    for edge, route in layout.routes.items():
        assert (route[0], route[-1]) == edge
        assert len(route) == layout.columns[edge[1]] - layout.columns[edge[0]] + 1
    columns = dict(layout.columns)
    for (a, _), route in layout.routes.items():
        columns.update({bend: layout.columns[a] + i for i, bend in enumerate(route[1:-1], start=1)})
    for a, b in itertools.combinations(columns, 2):
        if columns[a] == columns[b]:
            room = sum(30.0 if n in layout.columns else 15.0 for n in (a, b))
            assert abs(layout.centres[a] - layout.centres[b]) >= room - 1e-6
    assert min(layout.centres.values()) >= 0


def test_a_tree_has_no_crossings():
    names = [f"x{i}" for i in range(8)] + [f"a{i}" for i in range(4)] + ["b0", "b1", "root"]
    edges = [(f"x{(3 * i) % 8}", f"a{(3 * i) % 8 // 2}") for i in range(8)]
    edges += [(f"a{i}", f"b{i // 2}") for i in (2, 0, 3, 1)] + [("b1", "root"), ("b0", "root")]
    layout = lay_out(edges, dict.fromkeys(names, 60.0), bend=30.0)
    for (a, b), (c, d) in itertools.combinations(layout.routes, 2):
        if layout.columns[a] == layout.columns[c] and b != d:
            up = layout.centres[a] < layout.centres[c]
            assert up == (layout.centres[b] < layout.centres[d])


def test_inputs_stand_just_before_their_first_use():
    edges = [("x", "a"), ("a", "b"), ("b", "c"), ("w", "c"), ("u", "b"), ("u", "c")]
    columns = lay_out(edges, dict.fromkeys("xwuabc", 60.0), bend=30.0).columns
    assert dict(columns) == {"x": 0, "a": 1, "u": 1, "b": 2, "w": 2, "c": 3}
