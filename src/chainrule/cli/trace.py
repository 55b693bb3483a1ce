"""`chainrule trace`: follow numbers through equations by hand, forward and back."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from chainrule.analysis.tracing.parse import parse_value
from chainrule.analysis.tracing.tables import tables
from chainrule.analysis.tracing.trace import By, trace_text
from chainrule.cli.options import Integer, Overrides, given
from chainrule.errors import ConfigError, require_number
from chainrule.files import write_atomically
from chainrule.recipes.run import plain_json

app = App(
    name="trace",
    help_epilogue="""Examples:
  chainrule trace "L = (w*x + b - t)^2" --set w=2 x=1 b=0.5 t=1
  chainrule trace "z = w*x; a = sigmoid(z)" --set w=1/3 x=3 --by equation
  chainrule trace "z = w*x; a = tanh(z)" --set w=2 x=1 --svg graph.svg
  chainrule trace "z = w*x; a = tanh(z)" --set w=2 x=1 --latex

Functions: sigmoid (or σ), tanh, relu, softplus, exp, log (or ln), sqrt,
sin, cos, tan, abs, max, min; powers with ^ or **; pi and e.""",
)


@app.default
def trace(
    equations: str,
    /,
    *,
    values: Overrides = None,
    of: str | None = None,
    by: By = "operation",
    digits: Integer = None,
    svg: str | None = None,
    latex: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Compute equations step by step, and the gradient back through every step.

    Parameters
    ----------
    equations
        NAME = FORMULA, parted by semicolons, in any order.
    values
        The values of the other names, as NAME=NUMBER; may be repeated.
    of
        The name whose gradient is wanted; the last equation's if not given.
    by
        Make a step of every operation, or of every equation.
    digits
        How many significant digits are shown; 4 if not given.
    svg
        Write the graph, with values and gradients at its edges, to this file.
    latex
        Print the steps as a LaTeX align* environment instead of tables.
    json
        Print all values, local derivatives and gradients as one JSON object.
    """
    shown = 4 if digits is None else digits
    require_number("trace", "--digits", shown, integer=True, low=1, high=17)
    if latex and json:
        raise ConfigError("trace: --latex and --json exclude each other; give one of them")
    pairs = [parse_value(text) for text in given(values)]
    doubled = {name for i, (name, _) in enumerate(pairs) if name in [n for n, _ in pairs[:i]]}
    if doubled:
        raise ConfigError(f"trace: {sorted(doubled)[0]} is set twice")
    result = trace_text(equations, dict(pairs), of=of, by=by)
    if svg is not None:
        write_atomically(svg, result.svg(shown))
    if json:
        print(plain_json(result.as_dict()))
    else:
        print(result.latex(shown) if latex else tables(result, shown))
