"""`chainrule train`: run a recipe, show how it goes, write the run folder."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from chainrule.cli.interruption import Interruption
from chainrule.cli.options import Integer, Overrides, given
from chainrule.errors import ChainruleError, CheckpointError, ConfigError, WriteError, require_number
from chainrule.recipes import Recipe, apply_overrides, build, load_recipe
from chainrule.recipes.memory import fit_in_memory, parse_bytes
from chainrule.recipes.run import finish, new_run_folder, plain_json, resumable
from chainrule.recipes.run import train as run_training
from chainrule.report.metrics import ClassRow
from chainrule.report.progress import Progress
from chainrule.report.tables import class_rows_table, console

DEFAULT = "digits-mlp"

app = App(
    name="train",
    help_epilogue="""Examples:
  chainrule train
  chainrule train mnist-mlp-600 --seed 1 --out runs/mine
  chainrule train mine.toml --set train.lr_decay=0.9 --set model.reg=1e-4

  chainrule train --resume runs/mnist-mlp-600-1

Ctrl-C (or SIGTERM, or a closed terminal) stops after the current step,
writes a checkpoint and the best weights so far; --resume goes on from it
to the same bits as a run that was never stopped. A second Ctrl-C ends the
program at once; the last checkpoint is left, at most half a minute old
unless --checkpoint-seconds says otherwise.""",
)


@app.default
def train(
    recipe: str | None = None,
    /,
    *,
    overrides: Overrides = None,
    epochs: Integer = None,
    seed: Integer = None,
    out: str | None = None,
    resume: str | None = None,
    engine: str = "auto",
    checkpoint_seconds: float = 30.0,
    keep: Integer = None,
    on_divergence: Literal["stop", "back-off"] | None = None,
    memory: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Train a recipe and write a run folder.

    Parameters
    ----------
    recipe
        The name of a shipped recipe, or the path of a recipe file; digits-mlp if not given.
    overrides
        Entries to replace, as KEY=VALUE; may be repeated.
    epochs
        Train so many epochs; short for --set train.epochs=N.
    seed
        The seed of weights and batches; short for --set seed=N.
    out
        The run folder to make; runs/RECIPE-N if not given.
    resume
        A run that was stopped, to go on with; its own recipe is used.
    engine
        What runs the network.
    checkpoint_seconds
        Write a checkpoint whenever so many seconds have passed since the last; 0 for one as often as training looks
        up, every few hundredths of a second.
    keep
        How many of the last checkpoints to keep, after training too; short for --set train.keep_checkpoints=K.
        The best weights are kept in any case.
    on_divergence
        What follows when a number is not finite: stop, or back-off, which goes back to the last good state and
        halves the learning rate; short for --set train.on_divergence=..., and allowed with --resume.
    memory
        Refuse to train where more memory than this would be needed, such as 800MB or 2GiB; rows are normalised
        batch by batch where that is enough, which changes no number.
    json
        Print the results as one JSON object; all else goes to standard error.
    quiet
        Show neither progress nor tables.
    """
    require_number("chainrule train", "--checkpoint-seconds", checkpoint_seconds, low=0)
    if resume is None:
        short = {"train.epochs": epochs, "seed": seed, "train.keep_checkpoints": keep}
        chosen = _resolve(recipe, given(overrides), short | {"train.on_divergence": on_divergence})
    else:
        _refuse_beside_resume(recipe=recipe, set=given(overrides), epochs=epochs, seed=seed, out=out, keep=keep)
        folder, chosen = resumable(resume)
        if on_divergence is not None:
            chosen = apply_overrides(chosen, [f"train.on_divergence={on_divergence}"])
    lazily = False
    if memory is not None:
        estimate, lazily = fit_in_memory(chosen, engine, parse_bytes(memory))
        if not quiet:
            print(f"memory: {estimate.total / 1e6:,.0f} MB expected, {memory} allowed", file=sys.stderr)
    experiment = build(chosen, lazily=lazily)
    interruption, progress = Interruption(), Progress(console(stderr=True))
    solver = experiment.solver([interruption] if quiet else [interruption, progress], engine)
    with interruption:
        if resume is None:
            folder = new_run_folder(chosen, out)  # only now: what is wrong with the recipe leaves no folder behind
        try:
            started = time.perf_counter()
            with progress:
                notes = run_training(
                    experiment, solver, folder, resume=resume is not None, seconds_between=checkpoint_seconds
                )
            seconds = time.perf_counter() - started
            interruption.waits = False
            results = finish(
                experiment,
                folder,
                solver,
                seconds=seconds,
                status=interruption.described(),
                prompt=interruption.happened,
            )
        except BaseException as error:
            if interruption.ended_by(error):
                interruption.words += _how_to_go_on(folder)
                raise
            if not isinstance(error, (WriteError, CheckpointError)):
                raise
            unwritten = isinstance(error, WriteError) or isinstance(error.__cause__, OSError)
            raise type(error)(f"{error}{_how_to_go_on(folder) if unwritten else ''}") from error
    if not quiet:
        _show(results, to_stderr=json)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if interruption.happened:
        where = f"the best weights so far are in {folder}"
        if not interruption.stopped:
            where = f"the run in {folder} is finished, but for its figures"
        print(f"interrupted; {where}", file=sys.stderr)
        if "val_accuracy" not in results:
            say = f"not measured, which would have taken long: chainrule evaluate {shlex.quote(str(folder))}"
            print(say, file=sys.stderr)
        if interruption.stopped:
            print(f"to go on: chainrule train --resume {shlex.quote(str(folder))}", file=sys.stderr)
    if json:
        print(plain_json(results))
    return interruption.status


def _refuse_beside_resume(**options: Any) -> None:
    for name, value in options.items():
        if value not in (None, []):
            what = "a recipe" if name == "recipe" else f"--{name}"
            raise ConfigError(f"--resume goes on with a run's own recipe and folder; leave {what} out")


def _how_to_go_on(folder: Path) -> str:
    """The end of a message about a run that can be resumed."""
    try:
        resumable(folder)
    except ChainruleError:
        return ""
    return f"; to go on: chainrule train --resume {shlex.quote(str(folder))}"


def _resolve(recipe: str | None, overrides: list[str], short: dict[str, Any]) -> Recipe:
    """The recipe with its overrides; a word without "=" that --set swallowed is the recipe's name."""
    words = [o for o in overrides if "=" not in o]
    if len(words) == 1 and recipe is None:
        recipe, overrides = words[0], [o for o in overrides if "=" in o]
    names = {"train.keep_checkpoints": "keep", "train.on_divergence": "on-divergence"}
    for key, value in short.items():
        if value is not None and any(o.partition("=")[0].strip() == key for o in overrides):
            raise ConfigError(
                f"--{names.get(key, key.split('.')[-1])} and --set {key}=... exclude each other; give one of them"
            )
    return apply_overrides(
        load_recipe(DEFAULT if recipe is None else recipe),
        [*overrides, *(f"{k}={v}" for k, v in short.items() if v is not None)],
    )


def _show(results: dict[str, Any], *, to_stderr: bool) -> None:
    out = console(stderr=to_stderr)
    if "classes" in results:
        out.print(class_rows_table([ClassRow(**row) for row in results["classes"]]))
    reported = results["reported"]
    for part in ("train", "val", "test"):
        key = f"{part}_accuracy"
        if key in results:
            beside = f"  (reported {reported[key]:g})" if key in reported else ""
            out.print(f"{part:5} accuracy {results[key]:.4f}  loss {results[f'{part}_loss']:.4f}{beside}")
    speed = results["images_per_second"]
    pace = "" if speed is None else f", {speed:,.0f} images/s"
    out.print(f"{results['seconds']:.1f} s of training{pace}; run folder {results['run']}", soft_wrap=True)
