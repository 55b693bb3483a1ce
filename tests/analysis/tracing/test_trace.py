"""Traces: the worked example, gradients of random formulas, formulas that say what the numbers do, and bad input."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.analysis import functions as fn
from chainrule.analysis.tracing.operations import OPERATIONS
from chainrule.analysis.tracing.trace import trace, trace_text
from chainrule.check import check_gradient
from chainrule.cli import main
from chainrule.errors import ConfigError, DataError, DTypeError

# The source gives z1, z2, w6, x3 and the target; the other inputs are chosen so that all its figures come out.
EXAMPLE = "z1 = w1*x1 + w2*x2; z2 = w3*x3 + w4*x4; z3 = σ(z1); z4 = σ(z2); z5 = w5*z3 + w6*z4; ŷ = σ(z5); L = (ŷ-0.5)^2"
INPUTS = ["x1=0.83", "w1=0.81", "x2=1.2", "w2=0.58", "x3=-0.3", "w3=0.24", "x4=1.7", "w4=-0.8", "w5=0.8", "w6=-0.2"]
VALUES = {"z1": "1.368", "z2": "-1.432", "z3": "0.7971", "z4": "0.1928", "z5": "0.5991", "ŷ": "0.6455"}
GRADIENTS = {"ŷ": "0.291", "z5": "0.0666", "z4": "-0.0133", "z2": "-0.0021", "w3": "0.0006"}


def rounded(number, like):
    return f"{number:.{len(like.partition('.')[2])}f}"


@pytest.mark.parametrize("by", ["operation", "equation"])
def test_the_worked_example_from_the_command_line(by, capsys):
    assert main(["trace", EXAMPLE, "--set", *INPUTS, "--by", by, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    values = {step["name"]: step["value"] for step in found["steps"]}
    assert {n: rounded(values[n], v) for n, v in VALUES.items()} == VALUES
    assert {n: rounded(found["gradients"][n], v) for n, v in GRADIENTS.items()} == GRADIENTS


def test_the_worked_example_in_tables_and_latex(capsys):
    assert main(["trace", EXAMPLE, "--set", *INPUTS, "--by", "equation"]) == 0
    out = capsys.readouterr().out
    for shown in ("0.7971", "0.1928", "0.5991", "0.6455", "0.2909", "0.06657", "-0.01331", "-0.002072", "0.0006216"):
        assert shown in out
    assert "∂z3/∂z1 = z3·(1 - z3)" in out
    assert main(["trace", EXAMPLE, "--set", *INPUTS, "--by", "equation", "--latex"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("\\begin{align*}\n")
    assert (
        r"z_{5} &= w_{5} \, z_{3} + w_{6} \, z_{4} = 0.8 \cdot 0.7971 + \left(-0.2\right) \cdot 0.1928 = 0.5991" in out
    )
    step = r"\frac{\partial L}{\partial z_{5}} &= \frac{\partial L}{\partial \hat{y}} \, \frac{\partial \hat{y}}"
    assert step + r"{\partial z_{5}} = 0.2909 \, \hat{y} \, \left(1 - \hat{y}\right) = 0.2909 \cdot 0.2288" in out


def test_the_worked_example_in_python():
    def loss(w, x):
        z1, z2 = w[0] * x[0] + w[1] * x[1], w[2] * x[2] + w[3] * x[3]
        y = fn.sigmoid(w[4] * fn.sigmoid(z1) + w[5] * fn.sigmoid(z2))
        return {"z1": z1, "z2": z2, "y": y, "L": (y - 0.5) ** 2}

    pairs = dict(p.split("=") for p in INPUTS)
    w = [float(pairs[f"w{i}"]) for i in range(1, 7)]
    x = [float(pairs[f"x{i}"]) for i in range(1, 5)]
    traced = cr.trace(loss, {"w": w, "x": x})
    assert rounded(traced.values["y"], "0.6455") == "0.6455"
    assert rounded(traced.gradients["w3"], "0.0006") == "0.0006"
    text = trace_text(EXAMPLE, {n: float(v) for n, v in pairs.items()})
    assert traced.gradients["x4"] == pytest.approx(text.gradients["x4"], rel=1e-14)


# -- random formulas ---------------------------------------------------------------------------------------------------

NAMES = ("a", "b", "c")


def formulas(functions=("sigmoid", "tanh", "exp", "sin", "cos", "softplus")):
    leaves = st.sampled_from([*NAMES, "0.5", "2", "1", "3"])

    def grown(inner):
        pairs = st.tuples(inner, inner)
        return st.one_of(
            pairs.map(lambda p: f"({p[0]} + {p[1]})"),
            pairs.map(lambda p: f"({p[0]} - {p[1]})"),
            pairs.map(lambda p: f"({p[0]})*({p[1]})"),
            pairs.map(lambda p: f"({p[0]})/({p[1]})"),
            st.tuples(inner, st.sampled_from(["2", "3", "-1"])).map(lambda p: f"({p[0]})^({p[1]})"),
            st.tuples(st.sampled_from(functions), inner).map(lambda p: f"{p[0]}({p[1]})"),
            inner.map(lambda t: f"-({t})"),
        )

    return st.recursive(leaves, grown, max_leaves=8)


points = st.fixed_dictionaries({n: st.floats(0.3, 1.7) for n in NAMES})


def python_function(text):
    """The formula as NumPy computes it: an evaluation that shares nothing with the tracer."""
    names = {"sigmoid": lambda v: 1 / (1 + np.exp(-v)), "softplus": lambda v: np.log(1 + np.exp(v))}
    names |= {n: getattr(np, n) for n in ("tanh", "exp", "sin", "cos")}
    code = compile(text.replace("^", "**"), "formula", "eval")
    return lambda x: eval(code, {"__builtins__": {}, **names}, dict(zip(NAMES, x, strict=True)))


@settings(max_examples=60)
@given(formulas(), points, st.sampled_from(["operation", "equation"]))
def test_gradients_of_random_formulas(text, at, by):
    traced = _traced(text, at, by)
    x = np.array([at[n] for n in NAMES])
    gradients = np.array([traced.gradients.get(n, 0.0) for n in NAMES])
    assume(np.abs(gradients).max() < 1e4)
    assert check_gradient(python_function(text), x, gradients, tolerance=1e-6).ok
    assert traced.values[traced.output] == pytest.approx(float(python_function(text)(x)), rel=1e-12, abs=1e-12)


@settings(max_examples=60)
@given(formulas(("sigmoid", "tanh", "exp", "sin")), points, st.sampled_from(["operation", "equation"]))
def test_formulas_say_what_the_numbers_do(text, at, by):
    """Every formula that is shown, read again as an equation, gives the number that stands beside it."""
    traced = _traced(text, at, by)
    values = traced.values
    for step in traced.steps:
        if step.formula is None:
            continue
        for formula, value in [(step.formula, step.value), *((p.formula, p.value) for p in step.partials)]:
            read = python_function(_as_python(formula.text, values))([at[n] for n in NAMES])
            assert read == pytest.approx(value, rel=1e-9, abs=1e-9)


def _as_python(text, values):
    text = text.replace("·", "*").replace("²", "**2").replace("³", "**3").replace("σ(", "sigmoid(")
    names = sorted((n for n in values if n not in NAMES), key=len, reverse=True)
    for name in names:
        text = text.replace(name, f"({values[name]!r})") if name.startswith("v") or name == "out" else text
    return text


def _traced(text, at, by):
    used = {n: v for n, v in at.items() if n in _names_in(text)}
    assume(used)
    try:
        return trace_text(text, used, by=by)
    except DataError:  # a division by zero, an overflow
        assume(False)
    except ConfigError as error:
        assume("does not depend" not in str(error))
        raise


def _names_in(text):
    return set(re.findall(r"[a-z]+", text))


@settings(max_examples=30)
@given(formulas(), points)
def test_both_ways_of_parting_give_the_same_gradients(text, at):
    fine, coarse = (_traced(text, at, by) for by in ("operation", "equation"))
    assert len(coarse.steps) <= len(fine.steps)
    for name in NAMES:
        if name in fine.gradients:
            assert coarse.gradients[name] == pytest.approx(fine.gradients[name], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "value", "gradient"),
    [
        ("relu(x)", 0.7, 1.0),
        ("relu(-x)", 0.0, 0.0),
        ("relu(x - 0.7)", 0.0, 0.0),
        ("abs(-x)", 0.7, 1.0),
        ("max(x, 2*x, 0)", 1.4, 2.0),
        ("max(x, x)", 0.7, 1.0),
        ("min(x, 2*x)", 0.7, 1.0),
        ("min(3, x^2)", 0.49, 1.4),
        ("ln(x)", math.log(0.7), 1 / 0.7),
        ("sqrt(x)", math.sqrt(0.7), 0.5 / math.sqrt(0.7)),
        ("tan(x)", math.tan(0.7), 1 / math.cos(0.7) ** 2),
        ("2^x", 2**0.7, 2**0.7 * math.log(2)),
        ("x^x", 0.7**0.7, 0.7**0.7 * (math.log(0.7) + 1)),
        ("e^x + pi", math.exp(0.7) + math.pi, math.exp(0.7)),
        ("x·x − x²", 0.0, 0.0),
        ("+x", 0.7, 1.0),
        ("sigma(1000*x)", 1.0, 0.0),
        ("softplus(-900*x)", 0.0, 0.0),
    ],
)
@pytest.mark.parametrize("by", ["operation", "equation"])
def test_single_operations(text, value, gradient, by):
    traced = trace_text(f"y = {text}", {"x": 0.7}, by=by)
    assert traced.values["y"] == pytest.approx(value, abs=1e-15)
    assert traced.gradients["x"] == pytest.approx(gradient, abs=1e-15)


def test_every_operation_is_reached_from_text():
    names = {"add": "x+x", "sub": "x-1", "mul": "x*x", "div": "1/x", "neg": "-x", "pow": "x^2", "identity": "z; z = x"}
    for key in OPERATIONS:
        others = f"{key}(x, 1)" if key in ("max", "min") else f"{key}(x)"
        steps = trace_text(f"y = {names.get(key, others)}", {"x": 0.7}, of="y").steps
        assert any(s.tree is not None and s.tree.operation.key == key for s in steps), key


def test_equations_may_stand_in_any_order_and_over_lines():
    text = "L = a^2  # the loss\na = w*x\n"
    assert trace_text(text, {"w": 2, "x": 3}, of="L").gradients["w"] == 36
    assert trace_text(text, {"w": 2, "x": 3}).output == "a"
    assert trace_text("a = 3*w; b = a + w; w = 4", {}, of="b").gradients["w"] == 4


def test_a_sum_is_one_step_and_what_is_used_twice_is_not_hidden():
    fine = trace_text("L = a + b + a*b - c", {"a": 2, "b": 3, "c": 1})
    assert [s.formula.text for s in fine.steps if s.formula is not None] == ["a·b", "a + b + v1 - c"]
    twice = trace(lambda x: (lambda s: s * s + s)(x * 3), {"x": 2.0}, by="equation")
    assert [s.name for s in twice.steps] == ["x", "v1", "out"]
    assert twice.gradients["x"] == 2 * 6 * 3 + 3


def test_numpy_traces_too():
    W, x = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([2.0, -1.0])

    def loss(W, x):
        h = np.maximum(W @ x, 0)
        bounded = np.sum(np.sqrt(np.abs(W)) * np.array([0.5, 2.0])) + np.minimum(x.max(), W.T[0])[1]
        return np.square(np.tanh(h).sum() - np.exp(-h)[0]) / np.float64(2) + np.float64(0.1) * bounded

    traced = trace(loss, {"W": W, "x": x})
    report = check_gradient(lambda v: loss(v.reshape(2, 2), x), W.ravel(), _column(traced, "W", W.shape))
    assert report.ok, report
    assert check_gradient(lambda v: loss(W, v), x, _column(traced, "x", x.shape)).ok


def _column(traced, name, shape):
    return np.array([traced.gradients[name + "".join(str(i + 1) for i in ix)] for ix in np.ndindex(*shape)])


def test_branches_follow_the_values():
    def f(x):
        return -2 * x if x < 0 else 3 * x

    assert trace(f, -4.0).gradients["x"] == -2
    assert trace(f, {"x": 4.0}).gradients["x"] == 3
    larger = trace(lambda a, b: max(a, b) * 2, {"a": 1.0, "b": 5.0}).gradients
    assert (larger["a"], larger["b"]) == (0, 2)


def test_unused_arguments_and_names_have_gradient_zero():
    traced = trace(lambda a, b: a * 2, {"a": 1.0, "b": 5.0})
    assert traced.gradients["b"] == 0
    assert not [line for line in str(traced).split("backward")[1].splitlines() if line.startswith("b ")]
    side = trace_text("L = w^2; m = w*5", {"w": 3}, of="L")
    assert (side.gradients["w"], side.gradients["m"]) == (6, 0)


# -- bad input ---------------------------------------------------------------------------------------------------------

WRONG = [
    ("", "got none"),
    ("L = (w*x + 1", "was never closed, at column 5 (the caret): L = ^(w*x + 1"),
    ("L = w * * x", "cannot be read here, at column 9 (the caret): L = w * ^* x"),
    ("L = 2x*w", "write 2*x for a product, at column 5"),
    ("L = w*x + y9", "unknown name 'y9'; give its value with --set y9=NUMBER, at column 11 (the caret): L = w*x + ^y9"),
    ("ŷ = w; L = ŷ*q*x", "at column 7 (the caret): L = ŷ*^q*x"),
    ("L = w/(x-1)", "division by zero, in L = w/(x-1)"),
    ("L = log(x-2)*w", "ln needs an argument > 0, in L = log(x-2)*w"),
    ("L = sqrt(x-2)*w", "needs an argument >= 0"),
    ("L = sqrt(x-1)*w", "no finite derivative"),
    ("L = (-x)^0.5*w", "needs a base >= 0, or a whole exponent"),
    ("L = (x-1)^(-1)*w", "division by zero"),
    ("L = (x-1)^0.5*w", "no finite derivative"),
    ("L = exp(w*1000*x)", "too large for a float"),
    ("L = 1e200*w*1e200*x", "too large for a float"),
    ("L = w*x + 1e999", "the number is too large, at column 11"),
    ("a = b; b = a*w*x", "a cycle: a needs b needs a"),
    ("a = a + w*x", "a cycle: a needs a"),
    ("L = w*x; L = 3", "L is defined twice"),
    ("a = b = w*x", "the left side must be one name"),
    ("L += w*x", "expected NAME = FORMULA"),
    ("w + x = 3", "the left side must be one name"),
    ("w = 2*x", "w is both set and defined"),
    ("exp = w*x", "exp is the name of a function"),
    ("L = exp + w*x", "exp is a function and needs an argument"),
    ("L = exp(x, w)", "exp takes one argument, got 2"),
    ("L = max(w)*x", "max takes two or more arguments, got 1"),
    ("L = sigmod(x)*w", "unknown function 'sigmod'; did you mean 'sigmoid'?"),
    ("w*x; L = w", "only the last formula may do without a name"),
    ("L = w", "x is set, but stands in no equation"),
    ("L = " + "-(" * 400 + "w*x" + ")" * 400, "nested"),
    ("L = w*x" + "+1" * 3000, "nested"),
    ("; ".join(f"a{i} = w*x" for i in range(500)), "2,000 parts at most"),
    ("L = w*x" + " " * 30_000, "20,000 characters at most"),
    *((f"L = {bad}", "can be traced") for bad in ("w if x else 1", "x.real*w", "[w,x]", "w*x*'a'", "w @ x", "w < x")),
    *((f"L = {bad}", "can be traced") for bad in ("True*w*x", "(lambda: w*x)()", "exp(x=w)", "w[x]", "(a := w)*x")),
    *((f"L = w*x*{bad}", "unknown function") for bad in ("__import__('os')", "eval('1')", "open('f')")),
    ("import os", "expected NAME = FORMULA"),
    ("L = w*x\x00", "null"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[t[:25] for t, _ in WRONG])
def test_what_cannot_be_traced_is_one_line(text, said, capsys):
    assert main(["trace", text, "--set", "w=2", "x=1"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["w"], "--set needs NAME=NUMBER"),
        (["w="], "--set w needs a number"),
        (["2=3"], "--set needs NAME=NUMBER"),
        (["w=two"], "unknown name 'two'"),
        (["w=1/0"], "division by zero"),
        (["w=2", "w=3"], "w is set twice"),
        (["w=2", "--of", "q"], "unknown name to differentiate 'q'"),
        (["w=2", "--digits", "0"], "--digits must be an integer >= 1"),
        (["w=2", "--latex", "--json"], "exclude each other"),
        (["w=2", "--svg", "no/such/folder/a.svg"], "No such file or directory"),
        (["w=2", "--by", "step"], "operation"),
    ],
)
def test_wrong_options_are_one_line(words, said, capsys):
    assert main(["trace", "L = w^2", "--set", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: trace("L = w", {"w": 1}), DTypeError, "call trace_text for equations"),
        (lambda: trace(lambda w: w * 2, {"w": "one"}), DTypeError, "w must be a number or an array"),
        (lambda: trace(lambda w: w * 2, {"w": math.inf}), DataError, "finite"),
        (lambda: trace(lambda w, x: w * x, {"w": 1.0}), ConfigError, "got none of x"),
        (lambda: trace(lambda w, x: w * x, {"w": 1.0, "x": 1.0, "y": 2.0}), ConfigError, "unknown argument of f 'y'"),
        (lambda: trace(lambda w, x: w * x, [1.0, 2.0]), DTypeError, "values must be given by name, w, x"),
        (lambda: trace(lambda *w: w[0], [1.0]), DTypeError, "must have names"),
        (lambda: trace(lambda w: 3.0, 1.0), ConfigError, "does not depend on the arguments"),
        (lambda: trace(lambda w: {}, 1.0), ConfigError, "got none"),
        (lambda: trace(lambda w: "w", 1.0), DTypeError, "expected a number"),
        (lambda: trace(lambda w: w, [1.0, 2.0]), DTypeError, "must return one number"),
        (lambda: trace(lambda w: math.exp(w), 1.0), DTypeError, "history would be lost"),
        (lambda: trace(lambda w: np.arctan2(w, 1), 1.0), ConfigError, "numpy.arctan2 cannot be traced"),
        (lambda: trace(lambda w: w + "a", 1.0), DTypeError, "expected a number or a traced variable"),
        (lambda: trace(lambda w: w + None, 1.0), DTypeError, "got NoneType"),
        (lambda: trace(lambda w: w * w, 1.0, by="line"), ConfigError, "unknown way to part a trace 'line'"),
        (lambda: trace(lambda w: {"2a": w * w}, 1.0), ConfigError, "must be an identifier"),
        (lambda: trace_text(3, {}), DTypeError, "must be a string"),
        (lambda: trace_text("L = w", {"w": "1"}), DTypeError, "expected a number"),
        (lambda: trace_text("L = w^2", {"w": 1})["q"], ConfigError, "unknown step of the trace 'q'"),
        (lambda: fn.log(-1.0), DataError, "needs an argument > 0"),
    ],
)
def test_bad_input_in_python(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_functions_of_plain_numbers_are_plain():
    assert type(fn.sigmoid(0.3)) is float
    assert fn.maximum(1, 2) == 2.0
    assert [fn.sqrt(4), fn.cos(0), fn.sin(0), fn.tan(0), fn.exp(0), fn.log(1)] == [2, 1, 0, 0, 1, 0]
    assert [fn.minimum(1, 2), fn.relu(-1), fn.tanh(0), fn.softplus(0)] == [1, 0, 0, math.log(2)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a - (b - c)", "a - (b - c)"),
        ("a - (b + c)", "a - (b + c)"),
        ("(a - b) - c", "a - b - c"),
        ("a - (-b)*c", "a - (-b·c)"),
        ("a/(b*c)", "a/(b·c)"),
        ("a/(b/c)", "a/(b/c)"),
        ("(a + b)/c", "(a + b)/c"),
        ("-(a + b)*c", "-(a + b)·c"),
        ("a*(-b) + c", "a·(-b) + c"),
        ("(a*b)^2 - c", "(a·b)² - c"),
        ("(a^b)^c", "(a^b)^c"),
        ("(-a)^2*b*c", "(-a)²·b·c"),
        ("a^(b - c)", "a^(b - c)"),
        ("sqrt(a + b)*c", "√(a + b)·c"),
        ("2*a - 3*b*c", "2·a - 3·b·c"),
    ],
)
def test_brackets_stand_where_they_are_needed(text, shown):
    step = trace_text(f"y = {text}", {"a": 2, "b": 3, "c": 5}, by="equation")["y"]
    assert step.formula.text == shown


@pytest.mark.parametrize("function", ["max", "min"])
def test_of_equal_numbers_the_first_gets_the_gradient(function):
    gradients = trace_text(f"y = {function}(a, b, c)", {"a": 2, "b": 2, "c": 2}).gradients
    assert [gradients[n] for n in "abc"] == [1, 0, 0]
