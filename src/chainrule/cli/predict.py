"""`chainrule predict`: what a run, or several together, make of image files, of a table, or of their test rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from cyclopts import App, Parameter

from chainrule.arrays import Array
from chainrule.cli import FAILED, OK
from chainrule.cli.options import Integer
from chainrule.data.inputs import holds_rows, read_inputs
from chainrule.ensembles import Member, Views, ensemble_of, load_runs, parse_views, usual_ensemble
from chainrule.ensembles.runs import shared_test_part
from chainrule.ensembles.submission import parse_header, write_submission
from chainrule.errors import ConfigError, DataError
from chainrule.recipes.images import image_paths, read_image, usual_fit
from chainrule.recipes.run import Run, plain_json

TOP = 3
BATCH = 256  # images decoded before they are predicted together

app = App(
    name="predict",
    help_epilogue="""Examples:
  chainrule predict runs/digits-mlp-1 photo.png
  chainrule predict runs/digits-mlp-1 scans/ --invert --json
  chainrule predict runs/digits-mlp-ensemble-1 --csv submission.csv
  chainrule predict runs/mnist-mlp-600-1 test.csv --csv out.csv --header ImageId,Label

PNG, JPEG, BMP, GIF, WEBP, TIFF and PPM are read; a folder stands for the
images in it; a table (.csv, .tsv, .parquet) or .npz file holds a row of
inputs an example. Without files, --csv predicts the recipe's test rows.
Images keep their proportions, unless the run's training images did not.
A file that cannot be read is named, the others are still predicted, and the
exit status is 1; a CSV is only written where every file could be read.""",
)

Ids = Literal["number", "name", "stem", "path"]
Fit = Literal["pad", "crop", "stretch"]


@app.default
def predict(
    run: str,
    /,
    *files: str,
    with_runs: Annotated[list[str] | None, Parameter(name="--with", negative="", consume_multiple=True)] = None,
    votes: Annotated[bool, Parameter(negative="")] = False,
    tta: str | None = None,
    invert: Annotated[bool, Parameter(negative="")] = False,
    fit: Fit | None = None,
    csv: str | None = None,
    header: str = "Id,Category",
    ids: Ids | None = None,
    first_id: Integer = None,
    id_column: str | None = None,
    names: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Say what a run sees in image files, or write a CSV of its predictions.

    Parameters
    ----------
    run
        A run folder, or its name in runs/; a folder of runs for the ensemble of them.
    files
        Image files, folders of them, or one table of inputs.
    with_runs
        More runs, whose probabilities are averaged with those of the first.
    votes
        With several runs, count their decisions instead.
    tta
        Views of each image to average over, as in evaluate.
    invert
        Swap dark and bright: for dark writing on light paper, where the data set has light on dark.
    fit
        How images get the network's shape: pad shows all of one, crop its middle, stretch distorts it.
    csv
        Write the predictions to this file, one row an example.
    header
        The two names in the first line of the CSV.
    ids
        What identifies an example: its number (rows), its file's name (files), the name without its ending, its path.
    first_id
        The first number; 1 if not given.
    id_column
        The column of a table that holds the ids.
    names
        Write the names of classes in the CSV, not their numbers.
    json
        Print one JSON object instead of lines.
    """
    loaded = load_runs([run, *(with_runs if with_runs is not None else [])])
    model = _Model(loaded, votes=votes, views=() if tta is None else parse_views(tta))
    columns, numbering = parse_header(header), 1 if first_id is None else first_id
    table = next((path for path in files if holds_rows(path)), None)
    if table is not None and len(files) > 1:
        raise ConfigError(f"a table is predicted alone, got {len(files)} files")
    if csv is None and (table is not None or not files):
        raise ConfigError("give image files, or --csv FILE for the predictions of a table or of the test rows")
    if csv is None and model.names is None:
        raise ConfigError(f"{loaded[0].folder} is a regression; predict names classes, or writes values with --csv")
    if table is not None or not files:
        if ids not in (None, "number"):
            raise ConfigError(f"--ids must be number for rows, got {ids!r}")
        x, own = (shared_test_part(loaded)[1].X, None) if table is None else read_inputs(table, model.shape, id_column)
        keys = range(numbering, numbering + len(x)) if own is None else own
        records, failed, answers = [], False, model.answers(x)
    else:
        if id_column is not None:
            raise ConfigError(f"--id-column goes with a table, got {id_column!r} with image files")
        paths = [path for given in files for path in image_paths(given)]
        read = _Reading(model, usual_fit(loaded[0].recipe) if fit is None else fit, invert=invert)
        parts = []
        for answered in read.answers(paths):
            parts.append(answered)
            if not json and csv is None:
                for record in read.fresh:
                    print(f"{record['image']}: " + ", ".join(_words(entry) for entry in record["top"]))
        records, failed = read.records, any("error" in record for record in read.records)
        keys = _keys([r["image"] for r in records if "error" not in r], "name" if ids is None else ids, numbering)
        answers = _joined(parts)
    if csv is not None and not failed:
        write_submission(csv, list(keys), model.categories(answers, names=names), header=columns)
        if not json:
            print(f"{len(keys):,} predictions written to {csv}")
    if json:
        written = {} if csv is None else {"csv": None if failed else csv, "rows": len(keys)}
        print(plain_json({"run": str(loaded[0].folder), "predictions": records} | written))
    return FAILED if failed else OK


class _Answers(NamedTuple):
    """For each row the decision (N,), or value, and what classes are ranked by (N, C)."""

    decisions: Array
    ranking: Array | None


class _Model:
    """One run, or several as an ensemble."""

    def __init__(self, runs: list[Run], *, votes: bool, views: tuple[Views, ...]) -> None:
        self.run, self.names, self.shape = runs[0], runs[0].extra.class_names, runs[0].network.input_shape
        self.alone = len(runs) == 1
        members = [Member(run.network, run.normalizer) for run in runs]
        self.ensemble = (
            ensemble_of(runs, votes=votes, views=views) if not self.alone else usual_ensemble(members, views=views)
        )
        self.has_probabilities = self.ensemble.has_probabilities and not self.ensemble.votes

    def answers(self, x: Array) -> _Answers:
        """What the rows x, as they come from files, are taken for."""
        if self.ensemble.is_regression:
            return _Answers(self.ensemble.predict(x), None)
        if self.alone and not self.has_probabilities and not self.ensemble.views:
            scores = self.run.network.scores(self.run.rows(x))
            return _Answers(self.run.network.loss_function.predict(scores), _class_scores(scores))
        decisions, shares = self.ensemble.answers(x)
        return _Answers(decisions, shares)

    def top(self, ranking: Array) -> list[dict[str, Any]]:
        """The best classes of one row, with probabilities where the loss defines them."""
        assert self.names is not None  # a regression is refused before
        order = np.argsort(-ranking, kind="stable")[:TOP]
        known = self.has_probabilities
        return [{"class": self.names[i], "probability": float(ranking[i]) if known else None} for i in order]

    def categories(self, answers: _Answers, *, names: bool) -> Array:
        """What a CSV says of each row: the number of its class, its name, or the value of a regression."""
        values = answers.decisions
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if names and self.names is None:
            raise ConfigError(f"--names goes with classes; {self.run.folder} is a regression")
        return np.array(self.names, dtype=object)[values] if names else values


class _Reading:
    """Image files, decoded and predicted some at a time; `records` says what became of each, `fresh` of the latest."""

    def __init__(self, model: _Model, fit: str, *, invert: bool) -> None:
        self.model, self.fit, self.invert = model, fit, invert
        self.records: list[dict[str, Any]] = []
        self.fresh: list[dict[str, Any]] = []

    def answers(self, paths: Sequence[str]) -> Iterator[_Answers]:
        """The answers for each batch of files that could be read; the others are named on standard error."""
        for start in range(0, len(paths), BATCH):
            self.fresh, images = [], []
            for path in paths[start : start + BATCH]:
                try:
                    images.append(self._read(path))
                except DataError as error:
                    self.records.append({"image": path, "error": str(error)})
                    print(f"error: {error}", file=sys.stderr)
                    continue
                self.fresh.append({"image": path})
                self.records.append(self.fresh[-1])
            if images:
                answered = self.model.answers(np.stack(images))
                if answered.ranking is not None and self.model.names is not None:
                    for record, ranking in zip(self.fresh, answered.ranking, strict=True):
                        top = self.model.top(ranking)
                        record |= {"class": top[0]["class"], "top": top}
                yield answered

    def _read(self, path: str) -> Array:
        scale = self.model.run.extra.input_scale
        return read_image(path, self.model.shape, scale, invert=self.invert, fit=self.fit)


def _joined(parts: list[_Answers]) -> _Answers:
    if not parts:
        return _Answers(np.zeros(0, np.int64), None)
    return _Answers(np.concatenate([part.decisions for part in parts]), None)


def _keys(paths: list[str], kind: Ids, first: int) -> list[Any]:
    if kind == "number":
        return list(range(first, first + len(paths)))
    return list(paths) if kind == "path" else [getattr(Path(path), kind) for path in paths]  # its name or stem


def _class_scores(scores: Array) -> Array:
    """Scores (N, C); those of a binary classifier as two columns."""
    return scores if scores.ndim == 2 else np.stack([-scores, scores], axis=1)


def _words(entry: dict[str, Any]) -> str:
    probability = entry["probability"]
    return entry["class"] if probability is None else f"{entry['class']} {probability:.1%}"
