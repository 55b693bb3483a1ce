"""The solver that the four course code bases share, down to the order of its random draws and what it prints.

It trains any model with a dictionary `params` and `loss(X, y)`; `chainrule.solver.Solver` is the one to use otherwise.
Every mini-batch and every subset on which accuracy is measured comes from NumPy's legacy global generator, so a
notebook that calls np.random.seed gets the numbers it always got.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from chainrule.courses.common import optim
from chainrule.courses.common.faces import as_float
from chainrule.errors import (
    ConfigError,
    DataError,
    DTypeError,
    ShapeError,
    describe,
    require_mapping,
    require_number,
    unknown,
)
from chainrule.files import write_atomically
from chainrule.require import as_numbers
from chainrule.typed import typed

#: Keyword arguments and their defaults, in the order in which they are documented.
OPTIONS: Mapping[str, Any] = {
    "update_rule": "sgd",
    "optim_config": {},
    "lr_decay": 1.0,
    "batch_size": 100,
    "num_epochs": 10,
    "num_train_samples": 1000,
    "num_val_samples": None,
    "checkpoint_name": None,
    "print_every": 10,
    "verbose": True,
}

RULES = SimpleNamespace(sgd=optim.sgd, sgd_momentum=optim.sgd_momentum, rmsprop=optim.rmsprop, adam=optim.adam)


class Solver:
    """Train `model` on data["X_train"], data["y_train"], watch data["X_val"], data["y_val"], keep the best parameters.

    Keyword arguments: update_rule (the name of a function in `rules`), optim_config (copied for each parameter),
    lr_decay (factor on every learning rate at the end of each epoch), batch_size (drawn with replacement),
    num_epochs, num_train_samples and num_val_samples (None: all), checkpoint_name, print_every, verbose.
    Raises `ConfigError` (a ValueError) for any other argument and for an unknown rule.

    Attributes: model, update_rule (the function), optim_config, optim_configs (one dictionary a parameter), lr_decay,
    batch_size, num_epochs, epoch, best_val_acc, best_params, loss_history, train_acc_history, val_acc_history.
    """

    #: Where update rules are looked up: a module or any object with functions f(w, dw, config).
    rules: ClassVar[Any] = RULES

    X_train: Any
    y_train: Any
    X_val: Any
    y_val: Any
    update_rule: Any
    optim_config: Mapping[str, Any]
    lr_decay: float
    batch_size: int
    num_epochs: int
    num_train_samples: int | None
    num_val_samples: int | None
    checkpoint_name: str | None
    print_every: int
    verbose: bool

    def __init__(self, model: Any, data: Mapping[str, Any], **kwargs: Any) -> None:
        if not isinstance(getattr(model, "params", None), Mapping) or not callable(getattr(model, "loss", None)):
            raise DTypeError(f"Solver: model must have a dictionary params and a method loss, got {describe(model)}")
        require_mapping("Solver", "data", data, "arrays")
        self.model = model
        for name in ("X_train", "y_train", "X_val", "y_val"):
            if name not in data:
                raise DataError(f"Solver: data must have the keys X_train, y_train, X_val, y_val, got {sorted(data)}")
            setattr(self, name, as_numbers("Solver", f"data[{name!r}]", data[name]))
        options = {**OPTIONS, "optim_config": {}, **kwargs}
        strange = [name for name in kwargs if name not in OPTIONS]
        if strange:
            raise ConfigError("Unrecognized arguments " + ", ".join(f'"{name}"' for name in strange))
        for name, value in options.items():
            setattr(self, name, value)
        for name in ("batch_size", "print_every"):
            require_number("Solver", name, options[name], integer=True, low=1)
        self.update_rule = self._rule(options["update_rule"])
        self._reset()

    def _rule(self, name: Any) -> Any:
        rule = getattr(self.rules, name, None) if isinstance(name, str) and not name.startswith("_") else None
        if not callable(rule):
            raise ConfigError(f'Invalid update_rule "{name}": {unknown("update rule", name, _rule_names(self.rules))}')
        return rule

    def _reset(self) -> None:
        """Forget all training: histories, best parameters and the state of the update rule."""
        self.epoch = 0
        self.best_val_acc = 0
        self.best_params: dict[str, np.ndarray] = {}
        self.loss_history: list[Any] = []
        self.train_acc_history: list[Any] = []
        self.val_acc_history: list[Any] = []
        self.optim_configs = {p: copy.deepcopy(dict(self.optim_config)) for p in self.model.params}

    def _step(self) -> None:
        """One update of every parameter from one mini-batch drawn with replacement."""
        rows = np.random.choice(self.X_train.shape[0], self.batch_size)
        loss, grads = self.model.loss(self.X_train[rows], self.y_train[rows])
        self.loss_history.append(loss)
        for p, w in self.model.params.items():
            self.model.params[p], self.optim_configs[p] = self.update_rule(w, grads[p], self.optim_configs[p])

    def _save_checkpoint(self) -> None:
        """Write NAME_epoch_N.pkl, if `checkpoint_name` is given; this package never reads one."""
        if self.checkpoint_name is None:
            return
        names = (
            "model update_rule lr_decay optim_config batch_size num_train_samples num_val_samples epoch "
            "loss_history train_acc_history val_acc_history"
        )
        checkpoint = {name: getattr(self, name) for name in names.split()}
        filename = f"{self.checkpoint_name}_epoch_{self.epoch}.pkl"
        if self.verbose:
            print(f'Saving checkpoint to "{filename}"')
        write_atomically(filename, pickle.dumps(checkpoint))

    @typed
    def check_accuracy(self, X: Any, y: Any, num_samples: int | None = None, batch_size: int = 100) -> Any:
        """The fraction of rows predicted right, on `num_samples` rows drawn with replacement if there are more.

        Scores (N, C) predict the highest class, scores (N,) the label 1 where they are positive, else 0.
        """
        X, y = as_float(X, "check_accuracy: X"), as_numbers("check_accuracy", "y", y)
        require_number("check_accuracy", "batch_size", batch_size, integer=True, low=1)
        if num_samples is not None:
            require_number("check_accuracy", "num_samples", num_samples, integer=True, low=1)
        if X.ndim == 0 or y.ndim != 1 or len(X) == 0 or len(X) != len(y):
            raise ShapeError(f"check_accuracy: X and y must hold equally many rows, got {X.shape} and {y.shape}")
        N = X.shape[0]
        if num_samples is not None and num_samples < N:
            rows = np.random.choice(N, num_samples)
            N, X, y = num_samples, X[rows], y[rows]
        predicted = [_labels(self.model.loss(X[start : start + batch_size])) for start in range(0, N, batch_size)]
        return np.mean(np.hstack(predicted) == y)

    def train(self) -> None:
        """Run `num_epochs` epochs of max(N // batch_size, 1) steps, then put the best parameters into the model."""
        per_epoch = max(self.X_train.shape[0] // self.batch_size, 1)
        total = self.num_epochs * per_epoch
        for t in range(total):
            self._step()
            if self.verbose and t % self.print_every == 0:
                print(f"(Iteration {t + 1} / {total}) loss: {float(self.loss_history[-1]):f}")
            epoch_end = (t + 1) % per_epoch == 0
            if epoch_end:
                self.epoch += 1
                for config in self.optim_configs.values():
                    config["learning_rate"] *= self.lr_decay
            if t == 0 or epoch_end or t == total - 1:
                self._measure()
        if self.best_params:  # empty only where no accuracy was ever above zero
            self.model.params = self.best_params

    def _measure(self) -> None:
        """Accuracies, checkpoint, report, and a copy of the parameters if they are the best so far."""
        train_acc = self.check_accuracy(self.X_train, self.y_train, num_samples=self.num_train_samples)
        val_acc = self.check_accuracy(self.X_val, self.y_val, num_samples=self.num_val_samples)
        self.train_acc_history.append(train_acc)
        self.val_acc_history.append(val_acc)
        self._save_checkpoint()
        if self.verbose:
            print(f"(Epoch {self.epoch} / {self.num_epochs}) train acc: {train_acc:f}; val_acc: {val_acc:f}")
        if val_acc > self.best_val_acc:
            self.best_val_acc = val_acc
            self.best_params = {p: w.copy() for p, w in self.model.params.items()}


def _labels(scores: Any) -> np.ndarray:
    scores = np.asarray(scores)
    return (scores > 0).astype(int) if scores.ndim == 1 else np.argmax(scores, axis=1)


def _rule_names(rules: Any) -> list[str]:
    return [n for n, v in vars(rules).items() if not n.startswith("_") and callable(v) and not isinstance(v, type)]
