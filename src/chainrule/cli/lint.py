"""`chainrule lint`: silent faults of a recipe, a run or a saved network, and how to mend them."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from chainrule.cli import FAILED, OK
from chainrule.cli.options import Overrides, given
from chainrule.errors import ConfigError
from chainrule.lint import Report, lint
from chainrule.lint.subjects import resolve
from chainrule.recipes import Recipe, apply_overrides
from chainrule.recipes.run import plain_json
from chainrule.report.tables import console

STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}

app = App(
    name="lint",
    help_epilogue="""Examples:
  chainrule lint digits-mlp
  chainrule lint mine.toml --static
  chainrule lint runs/digits-mlp-1 --json
  chainrule lint mine.toml --ignore class-imbalance --ignore too-few-steps

The exit status is 1 where there is an error or a warning, 0 where there
are at most notes. docs/lint.md explains every rule.""",
)


@app.default
def check(
    subject: str,
    /,
    *,
    overrides: Overrides = None,
    ignore: Annotated[list[str] | None, Parameter(negative="")] = None,
    static: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Find silent faults before or after training, and say how to mend each.

    Of a recipe, the declaration, the data, and the untrained network on a batch are looked at; of a run, its curve and
    its trained network too. A saved network is looked at without data.

    Parameters
    ----------
    subject
        The name of a shipped recipe, the path of a recipe file, a run folder or its name in runs/, or a checkpoint.
    overrides
        Entries of a recipe to replace, as KEY=VALUE; may be repeated.
    ignore
        A rule to leave out, beside those that the recipe names under [lint]; may be repeated.
    static
        Look at what is declared only: no data is loaded.
    json
        Print one JSON object.
    """
    changes = given(overrides)
    found = resolve(subject)
    if changes and not isinstance(found, Recipe):
        raise ConfigError(f"--set changes recipes; {subject} is a run or a checkpoint, which is what it is")
    looked_at = apply_overrides(found, changes) if isinstance(found, Recipe) else found
    report = lint(looked_at, ignore=[] if ignore is None else ignore, static=static)
    if json:
        print(plain_json(report.to_dict()))
    else:
        _show(report)
    return OK if report.ok else FAILED


def _show(report: Report) -> None:
    from rich.text import Text

    out = console()
    for finding in report.findings:
        head = Text.assemble((finding.severity, STYLES[finding.severity]), f"  {finding.where}: {finding.why}")
        out.print(head.append(f"  [{finding.rule}]", style="dim"))
        out.print(Text(f"    mend: {finding.mend}"))
    for rule, reason in report.ignored.items():
        out.print(Text(f"ignored: {rule} ({reason})", style="dim"))
    out.print(report.summary)
