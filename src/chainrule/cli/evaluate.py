"""`chainrule evaluate`: a run's best weights on the test set."""

from __future__ import annotations

import math
import sys
from typing import Annotated, Any

from cyclopts import App, Parameter

from chainrule.data import FACTS, Dataset
from chainrule.engines import make_engine
from chainrule.ensembles import Member, Views, paired_difference, parse_views, usual_ensemble
from chainrule.recipes.experiment import load_splits, test_part
from chainrule.recipes.run import Run, load_run, plain_json
from chainrule.report.metrics import class_table
from chainrule.report.tables import class_rows_table, console

app = App(
    name="evaluate",
    help_epilogue="""Examples:
  chainrule evaluate runs/digits-mlp-1
  chainrule evaluate digits-mlp-1 --json
  chainrule evaluate runs/cifar-vgg-default-1 --tta flip,crop:4

Views for --tta: flip (2 views), crop:P (5: the image moved by P pixels),
rotate:D (3: turned by D degrees); several give every combination.""",
)


@app.default
def evaluate(run: str, /, *, tta: str | None = None, json: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Evaluate a run on the test set of its recipe.

    Parameters
    ----------
    run
        A run folder, or its name in runs/.
    tta
        Test-time augmentation: average over these views of each image, and show what it gains.
    json
        Print one JSON object instead of a table.
    """
    loaded = load_run(run)
    views = () if tta is None else parse_views(tta)
    part, rows = test_part(load_splits(loaded.recipe)[1])
    engine = make_engine(loaded.network, loaded.recipe.rule)
    x = loaded.rows(rows.X)  # normalised batch by batch
    score, loss = engine.evaluate(x, rows.y)
    results: dict[str, Any] = {
        "run": str(loaded.folder),
        "recipe": loaded.recipe.name,
        f"{part}_accuracy": score,
        f"{part}_loss": loss,
        "count": len(rows),
    }
    if views:
        results["tta"] = {"views": tta} | _with_views(loaded, rows, views)
    names = loaded.extra.class_names
    predicted = None if names is None else loaded.network.loss_function.predict(engine.predict(x))
    classes = [] if names is None else class_table(rows.y, predicted, names)
    if json:
        print(plain_json(results | {"classes": [row._asdict() for row in classes]}))
        return
    out = console()
    if classes:
        out.print(class_rows_table(classes))
    claimed = getattr(loaded.recipe.reported, f"{part}_accuracy")
    beside = "" if claimed is None else f"  (reported {claimed:g})"
    out.print(f"{part} accuracy {score:.4f}  loss {loss:.4f}  on {len(rows):,} rows{beside}")
    if views:
        gain = results["tta"]
        out.print(
            f"with {gain['count_of_views']} views {gain['score']:.4f}: "
            f"{gain['difference']:+.4f} ± {gain['standard_error']:.4f} (standard error, paired over rows)"
        )


def _with_views(loaded: Run, rows: Dataset, views: tuple[Views, ...]) -> dict[str, Any]:
    """The score over `views`, and how much that is above the score without."""
    member = Member(loaded.network, loaded.normalizer)
    plain, seen = (usual_ensemble([member], views=v).row_scores(rows.X, rows.y) for v in ((), views))
    known = None if loaded.recipe.data.name is None else FACTS.get(loaded.recipe.data.name)
    if known is not None and known.characters and any(view.mirrors for view in views):
        print(f"warning: --tta flip mirrors the characters of {loaded.recipe.data.name}", file=sys.stderr)
    difference, error = paired_difference(seen, plain)
    return {
        "count_of_views": math.prod(len(view.changes) for view in views),
        "score": float(seen.mean()),
        "difference": difference,
        "standard_error": error,
    }
