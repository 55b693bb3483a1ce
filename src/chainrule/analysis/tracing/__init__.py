"""Arithmetic by hand: numbers followed through a graph forward, and gradients back, as tables, graphs and LaTeX."""

from __future__ import annotations

from chainrule.analysis.tracing.trace import Trace as Trace
from chainrule.analysis.tracing.trace import trace as trace
from chainrule.analysis.tracing.trace import trace_text as trace_text
