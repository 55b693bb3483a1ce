"""A trace as two tables: the steps forward with their local derivatives, then the gradient back to every value."""

from __future__ import annotations

from chainrule.analysis.tracing.term import format_number
from chainrule.analysis.tracing.trace import Step, Trace
from chainrule.summary import aligned


def tables(trace: Trace, digits: int = 4) -> str:
    """Both tables as text, numbers to `digits` significant digits."""
    forward = [row for step in trace.steps for row in _forward(step, digits)]
    backward = [row for step in trace.backward_steps for row in _backward(trace, step, digits)]
    output = trace.output
    return "\n".join(
        [
            aligned(("forward", "formula", "value", "local derivatives", ""), forward, text_columns=5),
            "",
            aligned(("backward", "by the chain rule", "in numbers", f"∂{output}/∂·"), backward, text_columns=3),
        ]
    )


def _forward(step: Step, digits: int) -> list[tuple[str, ...]]:
    formula = "given" if step.formula is None else step.formula.text
    first = (step.name, formula, format_number(step.value, digits))
    locals_ = [
        (f"∂{step.name}/∂{p.argument} = {p.formula.text}", _value(p.formula.text, p.value, digits))
        for p in step.partials
    ]
    rows = locals_ if locals_ else [("", "")]
    return [(*(first if i == 0 else ("", "", "")), *row) for i, row in enumerate(rows)]


def _value(formula: str, value: float, digits: int) -> str:
    """The value, unless the formula is the value."""
    text = format_number(value, digits)
    return "" if text == formula else f"= {text}"


def _backward(trace: Trace, step: Step, digits: int) -> list[tuple[str, ...]]:
    output = trace.output
    if step.name == output:
        return [(step.name, "", "", "1")]
    ways = trace.consumers(step.name)
    direct = "" if len(ways) == 1 else " (direct)"
    rule = [
        f"∂{output}/∂{step.name}{direct}" if s.name == output else f"∂{output}/∂{s.name} · ∂{s.name}/∂{step.name}"
        for s, _ in ways
    ]
    numbers = [
        format_number(p.value, digits)
        if s.name == output
        else f"{format_number(s.gradient, digits)} · {_factor(p.value, digits)}"
        for s, p in ways
    ]
    rows: list[tuple[str, ...]] = []
    for i, (left, right) in enumerate(zip(rule, numbers, strict=True)):
        plus = "+ " if i else ""
        last = i == len(ways) - 1
        result = format_number(step.gradient, digits) if last else ""
        rows.append((step.name if i == 0 else "", plus + left, plus + right, result))
    return rows


def _factor(value: float, digits: int) -> str:
    text = format_number(value, digits)
    return f"({text})" if text.startswith("-") else text
