"""`chainrule evaluate`: a run's best weights on the test set."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from chainrule.engines import make_engine
from chainrule.recipes.experiment import load_splits, test_part
from chainrule.recipes.run import load_run, plain_json
from chainrule.report.metrics import class_table
from chainrule.report.tables import class_rows_table, console

app = App(
    name="evaluate",
    help_epilogue="""Examples:
  chainrule evaluate runs/digits-mlp-1
  chainrule evaluate digits-mlp-1 --json""",
)


@app.default
def evaluate(run: str, /, *, json: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Evaluate a run on the test set of its recipe.

    Parameters
    ----------
    run
        A run folder, or its name in runs/.
    json
        Print one JSON object instead of a table.
    """
    loaded = load_run(run)
    part, rows = test_part(load_splits(loaded.recipe)[1])
    network = loaded.network
    x = loaded.normalize(rows.X)
    score, loss = make_engine(network, loaded.recipe.rule).evaluate(x, rows.y)
    results: dict[str, Any] = {
        "run": str(loaded.folder),
        "recipe": loaded.recipe.name,
        f"{part}_accuracy": score,
        f"{part}_loss": loss,
        "count": len(rows),
    }
    names = loaded.extra.class_names
    classes = [] if names is None else class_table(rows.y, network.predict(x), names)
    if json:
        print(plain_json(results | {"classes": [row._asdict() for row in classes]}))
        return
    out = console()
    if classes:
        out.print(class_rows_table(classes))
    claimed = getattr(loaded.recipe.reported, f"{part}_accuracy")
    beside = "" if claimed is None else f"  (reported {claimed:g})"
    out.print(f"{part} accuracy {score:.4f}  loss {loss:.4f}  on {len(rows):,} rows{beside}")
