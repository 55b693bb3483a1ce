"""The frame of a page: its style, and text made safe to show."""

from __future__ import annotations

import html
import unicodedata

_STYLE = """
:root { --ink: #1b1f24; --soft: #5b6570; --line: #dfe3e8; --good: #1a7f4b; --bad: #b3261e; --bar: #3b6fb6; }
body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: var(--ink); background: #fff;
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { margin: .3rem 0; }
.soft { color: var(--soft); }
.points { font-size: 1.25rem; font-weight: 600; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: baseline;
         overflow-wrap: anywhere; }
th { font-weight: 600; color: var(--soft); font-size: .85rem; }
td .bar { margin-top: .35rem; }
tr.file th { padding-top: 1rem; color: var(--ink); font-weight: 400; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); }
code, pre { font: 13px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
pre { background: #f5f7f9; padding: .5rem .7rem; margin: .3rem 0; white-space: pre-wrap; overflow-wrap: anywhere;
      max-height: 12rem; overflow-y: auto; }
.cause { border-left: 3px solid var(--bar); padding: .1rem 0 .1rem .8rem; margin: .5rem 0; }
.bar { background: #eef1f4; height: .7rem; min-width: 6rem; border-radius: 2px; }
.bar span { display: block; height: 100%; background: var(--bar); border-radius: 2px; }
.chart { display: flex; align-items: flex-end; gap: 3px; height: 9rem; border-bottom: 1px solid var(--soft); }
.chart div { flex: 1; background: var(--bar); position: relative; border-radius: 2px 2px 0 0; }
.chart div span { position: absolute; top: -1.4rem; width: 100%; text-align: center; font-size: .8rem; }
.axis { display: flex; justify-content: space-between; font-size: .8rem; color: var(--soft); }
@media print { pre { max-height: none; } }
"""


def safe(text: object) -> str:
    """`text` for HTML: escaped, without control characters and without those that turn the direction of writing.

    >>> safe("<b>\\x1b[31m" + chr(0x202E))
    '&lt;b&gt;\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}'
    """
    kept = (c if c in "\n\t" or unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return html.escape("".join(kept))


def page(title: str, body: str) -> str:
    """A whole page that needs nothing from elsewhere, and forbids the browser to fetch or run anything."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{safe(title)}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def bar(share: float) -> str:
    """A bar that is filled to `share` of its length."""
    return f'<div class="bar"><span style="width:{100 * min(1.0, max(0.0, share)):.1f}%"></span></div>'


def number(value: float) -> str:
    """Points, with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
