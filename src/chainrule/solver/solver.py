"""The solver: mini-batches in, a trained model out. The loop is `Solver.train`, and fits on one screen."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.arrays import Array, Shape, Stream, generator
from chainrule.data.augment import Transform
from chainrule.data.augment.augmentation import check_transforms
from chainrule.data.batches import Batches, checked_rows, make_batches
from chainrule.data.loader import Loader
from chainrule.data.normalized import NormalizedRows
from chainrule.engines import Evaluation, make_engine
from chainrule.engines.finite import guarded_step, is_tame, require_finite
from chainrule.engines.one_thread import one_thread
from chainrule.errors import (
    ConfigError,
    DivergenceError,
    DTypeError,
    ShapeError,
    describe,
    require_bool,
    require_number,
    unknown,
)
from chainrule.network import Network
from chainrule.optim import RULES, Schedule, UpdateRule, When
from chainrule.optim.schedules import EpochDecay
from chainrule.require import as_numbers
from chainrule.solver.callbacks import Callback
from chainrule.solver.ctrl_c import CtrlC
from chainrule.solver.divergence import (
    STOP,
    BackOff,
    GoodState,
    depends_on_rate,
    go_back,
    good_state,
    has_exploded,
    is_good,
    make_back_off,
)
from chainrule.solver.history import Epoch, History, Rollback
from chainrule.typed import typed

SECONDS_AT_ONCE = 0.03  # of training between two looks at what else there is to do
PROMPT_SECONDS = 1.0  # what takes longer is left out where training is interrupted


class Solver:
    """Trains any object with `params` and `loss(X, y)` by mini-batches; the best parameters are put back at the end.

    model: a `Network`, or an object with a dictionary `params` whose `loss(X, y)` returns (loss, gradients) and whose
    `loss(X)` returns scores. data: a dictionary with X_train, y_train, X_val, y_val; inputs that are `NormalizedRows`
    stay as they are and are normalised batch by batch.

    update_rule: a name ("sgd", "adam", ...), an `UpdateRule`, or a function f(w, dw, config) -> (w, config).
    optim_config: the rule's hyperparameters, when it is given by name or as a function. lr_decay: factor on the
    learning rate after each epoch; schedule: a `Schedule` instead of it. batch_size, num_epochs: as they say.
    num_train_samples: how many training examples accuracy is measured on; num_val_samples: None for all.
    print_every, verbose: print the loss every so many steps, and the accuracies. checkpoint_name: a checkpoint
    NAME_epoch_N is written after each epoch. engine: "auto" or an engine's name. callbacks: see `Callback`.
    sampling: "shuffled" (each example once an epoch) or "replacement" (the classic solver's), or a `Batches`.
    augment: transforms of the training images, drawn anew in every epoch. workers: threads that prepare batches where
    they are augmented or normalised on the way; their number changes no result. on_divergence: "stop" raises
    `DivergenceError` at a number that is not finite; "back-off", or a `BackOff`, goes back to the last good state with
    a lower learning rate first.

    Ctrl-C, or a notebook's stop button, lets the step end and callbacks save; then `KeyboardInterrupt` says how to go
    on. The solver stays as the last step left it, and `train()` takes the steps that remain, to the same bits.

    Attributes: epoch, best_val_acc, best_params, loss_history, train_acc_history, val_acc_history, history.
    """

    def __init__(
        self,
        model: Any,
        data: Mapping[str, Array],
        *,
        update_rule: str | UpdateRule | Callable[..., Any] = "sgd",
        optim_config: Mapping[str, Any] | None = None,
        lr_decay: float = 1.0,
        batch_size: int = 100,
        num_epochs: int = 10,
        print_every: int = 10,
        verbose: bool = True,
        num_train_samples: int | None = 1000,
        num_val_samples: int | None = None,
        checkpoint_name: str | Path | None = None,
        schedule: Schedule | None = None,
        callbacks: Sequence[Callback] = (),
        engine: str = "auto",
        seed: int = 0,
        sampling: str | Batches = "shuffled",
        augment: Sequence[Transform] = (),
        workers: int = 1,
        on_divergence: str | BackOff = STOP,
    ) -> None:
        for argument, value in (("batch_size", batch_size), ("print_every", print_every)):
            require_number("Solver", argument, value, integer=True, low=1)
        require_number("Solver", "num_epochs", num_epochs, integer=True, low=0)
        require_number("Solver", "seed", seed, integer=True, low=0)
        require_number("Solver", "lr_decay", lr_decay, low=0)
        require_bool("Solver", "verbose", verbose)
        if schedule is not None and lr_decay != 1.0:
            raise ConfigError(f"Solver: lr_decay must be 1 where a schedule is given, got {lr_decay!r}")
        if checkpoint_name is not None and not isinstance(checkpoint_name, (str, Path)):
            raise DTypeError(f"Solver: checkpoint_name must be a string or a path, got {describe(checkpoint_name)}")
        if checkpoint_name == "":
            raise ConfigError("Solver: checkpoint_name must be a name, got ''")
        for argument, count in (("num_train_samples", num_train_samples), ("num_val_samples", num_val_samples)):
            if count is not None:
                require_number("Solver", argument, count, integer=True, low=1)
        if schedule is not None and not isinstance(schedule, Schedule):
            raise DTypeError(f"Solver: schedule must be a schedule, got {describe(schedule)}")
        given: Any = callbacks
        strangers = [c for c in given if not isinstance(c, Callback)] if isinstance(given, (list, tuple)) else [given]
        if strangers:
            raise DTypeError(f"Solver: callbacks must be a list of callbacks, got {describe(strangers[0])}")
        if optim_config is not None and not isinstance(optim_config, Mapping):
            raise DTypeError(f"Solver: optim_config must be a dictionary, got {describe(optim_config)}")
        self.model, self.seed = model, seed
        self.X_train, self.y_train = _pair(data, "train")
        self.X_val, self.y_val = _pair(data, "val")
        self.update_rule = make_rule(update_rule, optim_config)
        self.optim_config = dict(optim_config or {})
        self.lr_decay, self.schedule = lr_decay, EpochDecay(lr_decay) if schedule is None else schedule
        self.batch_size, self.num_epochs = batch_size, num_epochs
        self.print_every, self.verbose, self.checkpoint_name = print_every, verbose, checkpoint_name
        self.num_train_samples, self.num_val_samples = num_train_samples, num_val_samples
        self.callbacks = list(callbacks)
        self.engine = make_engine(model, self.update_rule, engine, optim_config)
        self.batches = make_batches(sampling, len(self.X_train), batch_size, seed)
        require_number("Solver", "workers", workers, integer=True, low=0)
        needed = check_transforms("Solver: augment", augment) or isinstance(self.X_train, NormalizedRows)
        options: dict[str, Any] = {"augment": augment, "seed": seed, "workers": workers}
        self.loader = make_loader(model, self.X_train, self.y_train, self.batches, **options) if needed else None
        self.back_off = make_back_off(on_divergence)
        self.good: GoodState | None = None  # to go back to; kept where training backs off
        self.history = History()
        self.epoch, self.stop = 0, False
        self._at_once = 1  # steps in one call of the engine
        self._ctrl_c, self.interrupted, self.torn = CtrlC(), False, False  # torn: within a step, by a second Ctrl-C
        self.seconds_per_row = 0.0  # of measuring, as it was the last time
        self.best_val_acc, self.best_params = -np.inf, self.engine.weights()

    # -- the loop ---------------------------------------------------------------------------------------------------

    def train(self) -> History:
        """Run the steps that remain of `num_epochs`, measure after each epoch, and put the best weights back.

        Raises `DivergenceError` before a number that is not finite is used; `KeyboardInterrupt` after a Ctrl-C.
        """
        per_epoch, total = self.batches.steps_per_epoch, self.num_epochs * self.batches.steps_per_epoch
        with CtrlC() as self._ctrl_c, one_thread():
            self._begin(per_epoch, total)
            while self._continues(total):
                try:
                    require_finite(self.engine)
                    self._run_epochs(per_epoch, total)
                except DivergenceError as error:
                    self._go_back(error)
                    self._begin_again(per_epoch, total)
        if self._ctrl_c.happened and self.engine.step_number < total:
            raise KeyboardInterrupt(self._how_to_go_on(total))
        self.engine.load_weights(self.best_params)
        self._tell("on_train_end")
        return self.history

    def _run_epochs(self, per_epoch: int, total: int) -> None:
        with self._feed(self.engine.step_number, total) as ready:
            while self._continues(total):
                started, first = time.perf_counter(), self.engine.step_number
                seen = 0
                end = (first // per_epoch + 1) * per_epoch
                while self.engine.step_number < end and self._continues(total):
                    rows, factor = self._advance(ready, end, per_epoch, total)
                    seen += rows
                seconds = time.perf_counter() - started
                self.epoch = self.engine.step_number // per_epoch
                if not self._leaves_out_measuring(per_epoch):
                    self._end_epoch(self.engine.step_number - first // per_epoch * per_epoch, seen, seconds, factor)

    def _advance(
        self, ready: Iterator[tuple[Array, Array]] | None, end: int, per_epoch: int, total: int
    ) -> tuple[int, float]:
        """One step, or several where nothing has to happen in between; the examples seen and the last factor."""
        first = self.engine.step_number
        steps = range(first, min(first + self._at_once, end))
        factors = [self._factor(When(step, per_epoch, total, self._epoch_scores())) for step in steps]
        try:
            x, y = (self.X_train, self.y_train) if ready is None else next(ready)
            tame = self._is_tame(max(map(abs, factors)))
            if not tame:
                steps, factors = steps[:1], factors[:1]
            if ready is None:
                seen = self._take(steps, factors, tame)
            else:
                self.history.loss_history.append(self._step(x, y, factors[0], tame))
                seen = len(x)
        except KeyboardInterrupt:
            self.torn = True
            raise
        for step in steps:
            if self.verbose and step % self.print_every == 0:
                loss = self.history.loss_history[step - self.engine.step_number]
                print(f"(Iteration {step + 1} / {total}) loss: {loss:f}")
        if first == 0:
            self._measure()
        self.stop = self.stop or self._ctrl_c.happened
        self._tell("on_step_end")
        return seen, factors[-1]

    def _take(self, steps: range, factors: list[float], tame: bool) -> int:
        """Steps in one call of the engine, next time so many that they take some hundredths of a second."""
        rows = [checked_rows("Solver: sampling", self.batches, step, len(self.X_train)) for step in steps]
        started = time.perf_counter()
        if len(rows) == 1:
            x, y = self.X_train[rows[0]], self.y_train[rows[0]]
            self.history.loss_history.append(self._step(x, y, factors[0], tame))
        else:
            self.engine.steps(self.X_train, self.y_train, rows, factors, self.history.loss_history)
        if not any(_needs_every_step(callback) for callback in self.callbacks):
            pace = (time.perf_counter() - started) / len(rows)
            self._at_once = int(np.clip(SECONDS_AT_ONCE / max(pace, 1e-6), 1, 2 * self._at_once))
        return sum(map(len, rows))

    def _step(self, x: Array, y: Array, factor: float, tame: bool) -> float:
        return self.engine.step(x, y, factor) if tame else guarded_step(self.engine, x, y, factor)

    def _is_tame(self, factor: float) -> bool:
        """Whether the engine's own checks before an update are enough; other models' engines look after it too."""
        return not isinstance(self.model, Network) or is_tame(self.model, self.update_rule, factor)

    def _begin(self, per_epoch: int, total: int) -> None:
        """Begin, or begin again; training may have been stopped half-way."""
        if self.torn:
            raise ConfigError(
                "Solver: training was interrupted within a step; load a checkpoint, or start again with a new solver"
            )
        self.stop = self.interrupted = False
        self._begin_again(per_epoch, total)

    def _begin_again(self, per_epoch: int, total: int) -> None:
        """Forget the record of an epoch that was stopped half-way and will be finished now; tell the callbacks."""
        done, self._at_once = self.engine.step_number // per_epoch, 1
        if self.engine.step_number < total and len(self.history.epochs) > done:
            del self.history.epochs[done:], self.train_acc_history[done + 1 :], self.val_acc_history[done + 1 :]
        if self.back_off is not None and self.good is None:
            self.good = good_state(self)
        self._tell("on_train_begin")

    def _continues(self, total: int) -> bool:
        return self.engine.step_number < total and not self.stop

    def _leaves_out_measuring(self, per_epoch: int) -> bool:
        """Whether training was interrupted within an epoch: the next `train` finishes it, and the stop is prompt."""
        if self.engine.step_number % per_epoch == 0:
            return False
        slow = self._measured_rows() * self.seconds_per_row > PROMPT_SECONDS
        return self._ctrl_c.happened or (self.interrupted and slow)

    def _measured_rows(self) -> int:
        parts = ((self.num_train_samples, self.X_train), (self.num_val_samples, self.X_val))
        return sum(len(X) if count is None else min(count, len(X)) for count, X in parts)

    def _how_to_go_on(self, total: int) -> str:
        words = [f"training stopped after step {self.engine.step_number} of {total}; solver.train() goes on from there"]
        return "; ".join(words + [said for callback in self.callbacks if (said := callback.how_to_go_on())])

    def _feed(self, first: int, total: int) -> AbstractContextManager[Iterator[tuple[Array, Array]] | None]:
        """The batches that the loader prepares from step `first` on; None where the arrays need no work."""
        return nullcontext(None) if self.loader is None else self.loader.stream(first, total)

    def _factor(self, when: When) -> float:
        try:
            factor = float(self.schedule(when)) * self.history.learning_rate_factor
        except OverflowError:
            factor = np.inf
        if not np.isfinite(factor):
            raise ConfigError(f"Solver: the schedule's factor must be finite, got {factor} in epoch {when.epoch + 1}")
        return factor

    def _go_back(self, error: DivergenceError) -> None:
        """Put the last good state back and lower the learning rate; raise `error` where that is not to be done."""
        policy, good, done = self.back_off, self.good, self.history.rollbacks
        if policy is None or good is None or len(done) >= policy.times or not depends_on_rate(error, good):
            if policy is not None and done:
                times = f"{len(done)} time{'' if len(done) == 1 else 's'}"
                tried = f"The learning rate had been lowered {times}, by {self.history.learning_rate_factor:g} in all. "
                error = DivergenceError(error.step, error.layer, error.tensor, error.value, tried)
            for callback in self.callbacks:
                callback.on_divergence(self, error)
            raise error
        factor = self.history.learning_rate_factor * policy.factor
        record = Rollback(error.step, error.layer, error.tensor, str(error.value), good.step_number, factor)
        go_back(self, good)
        self.history.rollbacks.append(record)
        if self.verbose:
            print(record.told())
        self._tell("on_rollback")

    def _end_epoch(self, steps: int, seen: int, seconds: float, factor: float) -> None:
        """Measure, record, keep the best, write the checkpoint, tell the callbacks."""
        losses, whole = self.history.loss_history, self.engine.step_number % self.batches.steps_per_epoch == 0
        loss = float(np.mean(losses[-steps:]))
        if self.back_off is not None and whole and has_exploded(losses, loss):
            raise DivergenceError(self.engine.step_number + 1, "the loss", f"its mean over epoch {self.epoch}", loss)
        try:
            train_acc, val = self._measure()
        except DivergenceError:
            if whole:
                raise
            return  # an epoch that was broken off is measured when it is finished
        self.history.epochs.append(
            Epoch(self.epoch, loss, train_acc, val.score, val.loss, factor, seconds, seen / max(seconds, 1e-9))
        )
        if self.verbose:
            print(f"(Epoch {self.epoch} / {self.num_epochs}) train acc: {train_acc:f}; val_acc: {val.score:f}")
        self.stop = self.stop or self._ctrl_c.happened
        self._tell("on_epoch_end", saving=False)
        if self.back_off is not None and whole and is_good(losses, loss):
            self.good = good_state(self)  # before what is saved, which holds it
        self._tell("on_epoch_end", saving=True)
        if self.checkpoint_name is not None:  # now, as it holds what callbacks keep of this epoch
            self.save_checkpoint(f"{self.checkpoint_name}_epoch_{self.epoch}")

    def _measure(self) -> tuple[float, Evaluation]:
        """Accuracy on a part of the training set and on the validation set; the best weights are kept."""
        started = time.perf_counter()
        train_acc = self.check_accuracy(self.X_train, self.y_train, self.num_train_samples)
        X, y = self._subset(self.X_val, self.y_val, self.num_val_samples)
        val = self.engine.evaluate(X, y)
        self.seconds_per_row = (time.perf_counter() - started) / self._measured_rows()
        for part, score in (("training", train_acc), ("validation", val.score)):
            if not np.isfinite(score):  # the last update may leave finite weights that overflow in the next forward
                raise DivergenceError(self.engine.step_number + 1, f"the {part} set", "a score", score)
        self.history.train_acc_history.append(train_acc)
        self.history.val_acc_history.append(val.score)
        if val.score > self.best_val_acc:
            self.best_val_acc, self.best_params = val.score, self.engine.weights()
        return train_acc, val

    # -- around the loop --------------------------------------------------------------------------------------------

    def check_accuracy(self, X: Array, y: Array, num_samples: int | None = None, batch_size: int = 1000) -> float:
        """The fraction of (X, y) predicted right (R² for a regression), on `num_samples` random rows if given."""
        require_number("check_accuracy", "batch_size", batch_size, integer=True, low=1)
        if num_samples is not None:
            require_number("check_accuracy", "num_samples", num_samples, integer=True, low=1)
        X, y = _numbers("X", X), _numbers("y", y)
        if X.ndim == 0 or len(X) == 0 or y.ndim == 0 or len(X) != len(y):
            raise ShapeError(f"check_accuracy: X and y must have equally many rows (>= 1), got {X.shape} and {y.shape}")
        X, y = self._subset(X, y, num_samples)
        return self.engine.evaluate(X, y, batch_size).score

    @property
    def loss_history(self) -> list[float]:
        """The training loss of every step."""
        return self.history.loss_history

    @property
    def train_acc_history(self) -> list[float]:
        """Accuracy on the training subset: at the first step, then after each epoch."""
        return self.history.train_acc_history

    @property
    def val_acc_history(self) -> list[float]:
        """Accuracy on the validation set, measured together with the training subset."""
        return self.history.val_acc_history

    @typed
    def save_checkpoint(self, folder: str | Path) -> None:
        """Write weights, slots and history into `folder`, all or nothing."""
        from chainrule.solver.checkpoint import save_training

        save_training(folder, self)

    def _subset(self, X: Array, y: Array, count: int | None) -> tuple[Array, Array]:
        if count is None or count >= len(X):
            return X, y
        rows = generator(self.seed, Stream.SUBSET, self.epoch).choice(len(X), count, replace=False)
        return X[rows], y[rows]

    def _epoch_scores(self) -> list[float]:
        return [record.val_acc for record in self.history.epochs]

    def _tell(self, moment: str, saving: bool | None = None) -> None:
        for callback in sorted(self.callbacks, key=lambda c: c.saves):
            if saving is None or callback.saves == saving:
                getattr(callback, moment)(self)


def _needs_every_step(callback: Callback) -> bool:
    return callback.every_step and type(callback).on_step_end is not Callback.on_step_end


def make_loader(model: Any, X: Any, y: Array, batches: Batches, augment: Sequence[Transform], **options: Any) -> Loader:
    """The loader that trains `model`: mixed labels become probabilities of as many classes as it scores."""
    scores: Shape = getattr(model, "output_shape", ())  # of one row
    classes = scores[0] if len(scores) == 1 and scores[0] > 1 else None
    return Loader(X, y, batches, augment, classes=classes, **options)


def make_rule(rule: str | UpdateRule | Callable[..., Any], config: Mapping[str, Any] | None) -> Any:
    """The update rule that `rule` and `optim_config` mean; a function is returned as it is.

    >>> make_rule("sgd", {"learning_rate": 0.5})
    SGD(learning_rate=0.5)
    """
    if isinstance(rule, UpdateRule):
        if config:
            raise ConfigError("Solver: optim_config goes with a rule given by name; this rule has its numbers already")
        return rule
    if isinstance(rule, str):
        known = {r.key: r for r in RULES}
        if rule not in known:
            raise unknown("update rule", rule, known)
        fields = [f.name for f in dataclasses.fields(known[rule])]  # type: ignore[arg-type]
        for name in config or {}:
            if name not in fields:
                raise unknown(f"optim_config entry of {rule}", name, fields)
        return known[rule](**dict(config or {}))
    if callable(rule) and not isinstance(rule, type):
        return rule
    raise DTypeError(f"Solver: update_rule must be a name, an update rule or a function, got {describe(rule)}")


def _pair(data: Any, part: str) -> tuple[Array, Array]:
    if not isinstance(data, Mapping):
        raise DTypeError(f"Solver: data must be a dictionary with X_train, y_train, X_val, y_val, got {describe(data)}")
    for key in (f"X_{part}", f"y_{part}"):
        if key not in data:
            raise ConfigError(f"Solver: data must hold {key!r}, got {sorted(map(str, data))}")
    X, y = (_numbers(f"data[{key!r}]", data[key]) for key in (f"X_{part}", f"y_{part}"))
    if X.ndim == 0 or len(X) == 0 or y.ndim == 0 or len(X) != len(y):
        raise ShapeError(
            f"Solver: X_{part} and y_{part} must hold the same number (>= 1) of rows, got {X.shape} and {y.shape}"
        )
    return X, y


def _numbers(what: str, value: Any) -> Array:
    return value if isinstance(value, NormalizedRows) else as_numbers("Solver", what, value)
