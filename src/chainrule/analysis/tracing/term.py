"""Formulas as people read them: text and LaTeX side by side, built by ordinary arithmetic.

`Term` overloads + − · / and powers, puts in the brackets that are needed, and leaves out factors of one and terms of
zero. The same Python expression thus gives a derivative's value when it is fed with numbers and its formula when it
is fed with terms: the two cannot disagree.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import TypeAlias

# How tightly the outermost operation binds; what binds less than its surroundings is put in brackets.
SUM, PRODUCT, POWER, ATOM = range(4)

# fmt: off
GREEK = frozenset((
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
    "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega",
))
# fmt: on
ACCENTS = {"\u0302": "hat", "\u0304": "bar", "\u0303": "tilde", "\u0307": "dot"}


@dataclass(frozen=True)
class Term:
    """A formula: `text` for terminals, `latex`, and how tightly it binds."""

    text: str
    latex: str
    level: int = ATOM

    def __add__(self, other: Part) -> Term:
        other = as_term(other)
        if "0" in (self.text, other.text):
            return other if self.text == "0" else self
        return plus(self, other)

    def __radd__(self, other: Part) -> Term:
        return as_term(other) + self

    def __sub__(self, other: Part) -> Term:
        other = as_term(other)
        if "0" in (self.text, other.text):
            return -other if self.text == "0" else self
        return minus(self, other)

    def __rsub__(self, other: Part) -> Term:
        return as_term(other) - self

    def __neg__(self) -> Term:
        if self.text.startswith("-") and self.level >= PRODUCT:
            return Term(self.text[1:], self.latex[1:], self.level)
        return negative(self)

    def __mul__(self, other: Part) -> Term:
        other = as_term(other)
        for one, rest in ((self, other), (other, self)):
            if one.text in ("0", "1", "-1"):
                return {"0": one, "1": rest, "-1": -rest}[one.text]
        return times(self, other)

    def __rmul__(self, other: Part) -> Term:
        return as_term(other) * self

    def __truediv__(self, other: Part) -> Term:
        other = as_term(other)
        return self if other.text == "1" else over(self, other)

    def __rtruediv__(self, other: Part) -> Term:
        return as_term(other) / self

    def __pow__(self, other: Part) -> Term:
        other = as_term(other)
        return self if other.text == "1" else power(self, other)

    def __rpow__(self, other: Part) -> Term:
        return as_term(other) ** self

    def bracketed(self, level: int) -> Term:
        """The term itself where it binds at least as tightly as `level`, else in brackets."""
        if self.level >= level and not (level == ATOM and self.text.startswith("-")):
            return self
        return Term(f"({self.text})", rf"\left({self.latex}\right)", ATOM)


# -- formulas as they are written, nothing left out ------------------------------------------------------------------


def plus(a: Term, b: Term) -> Term:
    """a + b."""
    right = b.bracketed(ATOM) if b.text.startswith("-") else b
    return Term(f"{a.text} + {right.text}", f"{a.latex} + {right.latex}", SUM)


def minus(a: Term, b: Term) -> Term:
    """a − b."""
    right = b.bracketed(ATOM if b.text.startswith("-") else PRODUCT)
    return Term(f"{a.text} - {right.text}", f"{a.latex} - {right.latex}", SUM)


def negative(a: Term) -> Term:
    """−a."""
    inner = a.bracketed(ATOM if a.text.startswith("-") else PRODUCT)
    return Term(f"-{inner.text}", f"-{inner.latex}", PRODUCT)


def times(a: Term, b: Term) -> Term:
    """a·b; in LaTeX the dot stands only in front of numbers. Of two numbers a negative one is in brackets."""
    left = a.bracketed(ATOM if a.text.startswith("-") and _is_numeral(a) and _is_numeral(b) else PRODUCT)
    right = b.bracketed(ATOM if b.text.startswith("-") else PRODUCT)
    dot = r" \cdot " if right.latex[:1].isdigit() or right.latex.startswith(r"\frac{1}") else r" \, "
    return Term(f"{left.text}·{right.text}", f"{left.latex}{dot}{right.latex}", PRODUCT)


def _is_numeral(a: Term) -> bool:
    return re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?", a.text) is not None


def over(a: Term, b: Term) -> Term:
    """a/b."""
    above, below = a.bracketed(PRODUCT), b.bracketed(POWER)
    return Term(f"{above.text}/{below.text}", rf"\frac{{{a.latex}}}{{{b.latex}}}", PRODUCT)


def power(a: Term, b: Term) -> Term:
    """a to the power b; squares and cubes with the sign of their own."""
    base, exponent = a.bracketed(ATOM), b.bracketed(ATOM)
    raised = {"2": "²", "3": "³"}.get(b.text, f"^{exponent.text}")
    return Term(f"{base.text}{raised}", f"{base.latex}^{{{b.latex}}}", POWER)


Part: TypeAlias = "Term | float"
ONE = Term("1", "1")


def as_term(value: Part) -> Term:
    """A number as a term, all its digits shown; terms stay as they are."""
    return value if isinstance(value, Term) else number(value, None)


def number(value: float, digits: int | None = 4) -> Term:
    """A number to `digits` significant digits, all of them if None.

    >>> number(-0.0133149).text, number(1.5e-7).latex
    ('-0.01331', '1.5 \\\\cdot 10^{-7}')
    """
    text = format_number(value, digits)
    mantissa, _, exponent = text.partition("e")
    latex = rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else text
    return Term(text, latex, PRODUCT if text.startswith("-") or exponent else ATOM)


def format_number(value: float, digits: int | None = 4) -> str:
    """`value` with `digits` significant digits and no trailing zeros."""
    if digits is None:
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
    text = f"{value:.{digits}g}"
    return "0" if text == "-0" else text


def variable(name: str) -> Term:
    """A name: z1 as z₁ in LaTeX, yhat and ŷ with a hat, Greek letters by name.

    >>> [variable(n).latex for n in ("z1", "w_ij", "yhat", "alpha2", "loss")]
    ['z_{1}', 'w_{ij}', '\\\\hat{y}', '\\\\alpha_{2}', '\\\\mathrm{loss}']
    """
    match = re.fullmatch(r"(?P<stem>(?:[^\W\d_][\u0300-\u036f]?)+)_?(?P<index>\w*)", unicodedata.normalize("NFC", name))
    if match is None:
        return Term(name, rf"\mathrm{{{name}}}".replace("_", r"\_"))
    stem, index = match["stem"], match["index"]
    if index == "hat":
        stem, index = f"{stem}hat", ""
    latex = _letters(stem)
    below = index.strip("_").replace("_", ",")
    return Term(name, f"{latex}_{{{below}}}" if below else latex)


def _letters(stem: str) -> str:
    for ending in ("hat", "bar", "tilde"):
        if stem.endswith(ending) and len(stem) - len(ending) == 1:
            return rf"\{ending}{{{stem[: -len(ending)]}}}"
    letter, accent = unicodedata.normalize("NFD", stem)[:1], unicodedata.normalize("NFD", stem)[1:]
    if accent in ACCENTS:
        return rf"\{ACCENTS[accent]}{{{_letters(letter)}}}"
    if stem in GREEK:
        return rf"\{stem}"
    greek = unicodedata.name(stem, "") if len(stem) == 1 else ""
    if greek.startswith("GREEK") and greek.split()[-1].lower() in GREEK:
        word = greek.split()[-1].lower()
        return rf"\{word.capitalize() if 'CAPITAL' in greek else word}"
    return stem if len(stem) == 1 else rf"\mathrm{{{stem}}}"


def call(name: str, latex: str, *arguments: Term) -> Term:
    """A function of terms: `exp(-z)`; `latex` is the function's own, such as `\\exp`."""
    listed = ", ".join(a.text for a in arguments)
    return Term(f"{name}({listed})", rf"{latex}\left({', '.join(a.latex for a in arguments)}\right)", ATOM)


def is_number(value: object) -> bool:
    """Whether `value` is a finite real number, and not a truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
