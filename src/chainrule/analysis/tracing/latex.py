"""A trace as LaTeX: one `align*` environment with every step forward and the chain rule back."""

from __future__ import annotations

import functools

from chainrule.analysis.tracing.term import Term, number, plus, times, variable
from chainrule.analysis.tracing.trace import Step, Trace


def latex(trace: Trace, digits: int = 4) -> str:
    """The environment, ready to be pasted into a document that loads amsmath."""
    return "\\begin{align*}\n" + " \\\\\n".join(lines(trace, digits)) + "\n\\end{align*}"


def lines(trace: Trace, digits: int = 4) -> list[str]:
    """The lines of the environment, each `left &= right`."""
    backward = [_backward(trace, s, digits) for s in trace.backward_steps if s.name != trace.output]
    return [_forward(trace, s, digits) for s in trace.steps] + backward


def _forward(trace: Trace, step: Step, digits: int) -> str:
    parts = [number(step.value, digits).latex]
    if step.tree is not None:
        in_numbers = step.tree.written(lambda name: number(trace[name].value, digits))
        parts = [step.tree.written(variable).latex, in_numbers.latex, *parts]
    return f"{variable(step.name).latex} &= {_chain(parts)}"


def _backward(trace: Trace, step: Step, digits: int) -> str:
    output = trace.output
    rules, formulas, numbers = list[Term](), list[Term](), list[Term]()
    for s, p in trace.consumers(step.name):
        value = number(p.value, digits)
        if s.name == output:  # ∂L/∂L = 1 is not written
            rules.append(_direct(output, step.name, alone=len(trace.consumers(step.name)) == 1))
            formulas.append(p.formula)
            numbers.append(value)
            continue
        above = number(s.gradient, digits)
        rules.append(times(derivative(output, s.name), derivative(s.name, step.name)))
        formulas.append(times(above, p.formula))
        numbers.append(times(above, value))
    sums = [functools.reduce(plus, terms).latex for terms in (rules, formulas, numbers)]
    left = derivative(output, step.name).latex
    parts = [part for part in sums if part != left]
    return f"{left} &= {_chain([*parts, number(step.gradient, digits).latex])}"


def _direct(of: str, by: str, *, alone: bool) -> Term:
    """The derivative along the edge to the output, marked where there are other ways."""
    term = derivative(of, by)
    return term if alone else Term(term.text, rf"\left. {term.latex} \right|_{{\mathrm{{direct}}}}")


def _chain(parts: list[str]) -> str:
    """a = b = c, without what repeats the part before it."""
    return " = ".join(part for i, part in enumerate(parts) if i == 0 or part != parts[i - 1])


def derivative(of: str, by: str) -> Term:
    """∂of/∂by."""
    top, bottom = variable(of), variable(by)
    return Term(f"∂{of}/∂{by}", rf"\frac{{\partial {top.latex}}}{{\partial {bottom.latex}}}")
