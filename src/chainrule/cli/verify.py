"""`chainrule verify`: check that a run is whole, and say the SHA-256 of its weights."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from chainrule.cli import FAILED, OK
from chainrule.recipes.run import plain_json
from chainrule.recipes.verification import verify_run
from chainrule.report.tables import console

app = App(
    name="verify",
    help_epilogue="""Examples:
  chainrule verify runs/digits-mlp-1
  chainrule verify runs/digits-mlp-1 --json""",
)


@app.default
def verify(
    run: str,
    /,
    *,
    data: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Check every file of a run against its checksums and its meaning.

    Prints the SHA-256 of the weights: names, shapes, dtypes and bytes. The exit status is 1 where something is damaged.
    Notes say what is different on this machine and would change the bits of the same training.

    Parameters
    ----------
    run
        A run's folder, or its name in runs/.
    data
        Read the data set too, and compare its rows with those that the run recorded.
    json
        Print the findings as one JSON object.
    """
    found = verify_run(run, data=data)
    if json:
        print(plain_json({"run": str(found.folder), "ok": not found.problems, "weights_sha256": found.weights_sha256,
                          "checked": found.checked, "problems": found.problems, "notes": found.notes}))  # fmt: skip
    else:
        out = console()
        for line in found.checked:
            out.print(f"ok       {line}", soft_wrap=True, highlight=False, markup=False)
        for line in found.problems:
            out.print(f"damaged  {line}", soft_wrap=True, highlight=False, markup=False)
        for line in found.notes:
            out.print(f"note     {line}", soft_wrap=True, highlight=False, markup=False)
        if found.weights_sha256 is not None:
            out.print(f"weights  SHA-256 {found.weights_sha256}", soft_wrap=True, highlight=False, markup=False)
    return FAILED if found.problems else OK
