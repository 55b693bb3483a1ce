"""A recipe: one experiment as a typed TOML file, and how such a file is read, changed and written.

A recipe is data: it names only registered data sets, layers, losses and rules, and reading one executes nothing.
Every entry is checked when the recipe is read, so a misspelt key is an error on the first line, not after training.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from chainrule.config import from_config, layers_from_config
from chainrule.data.augment import Transform
from chainrule.data.augment.augmentation import Augmentation, require_deterministic
from chainrule.errors import ChainruleError, ConfigError, DTypeError, describe, unknown
from chainrule.layers import Layer, Softmax
from chainrule.losses import Loss, SoftmaxCrossEntropy
from chainrule.optim import Chain, Schedule, UpdateRule
from chainrule.recipes.search_part import SearchPart
from chainrule.solver import EMA, SWA, BackOff, WeightAveraging
from chainrule.solver.callbacks import EarlyStopping
from chainrule.solver.solver import make_rule

Count: TypeAlias = Annotated[int, Meta(ge=1)]
Part: TypeAlias = Annotated[int, Meta(ge=0)] | Annotated[float, Meta(ge=0, le=1)]  # rows, or a fraction of them
Scalar: TypeAlias = bool | int | float | str
Declaration: TypeAlias = str | dict[str, Any]  # what `config.from_config` reads
Seed: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Reported(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The figures that the source of the setting claims."""

    train_accuracy: float | None = None
    val_accuracy: float | None = None
    test_accuracy: float | None = None
    train_loss: float | None = None
    val_loss: float | None = None
    test_loss: float | None = None


class DataPart(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[data]: which data set, how it is split, how its inputs are scaled.

    name: of a set in the catalogue. folder: in its place, a folder or archive of images by class; relative to the
    recipe's file. resize (height and width), channels, on_bad: for a folder, as `load_image_folder` takes them.
    train, val, test: rows (int) or fractions (float); without `train` it takes what the others leave. `test` is left
    out where the data set brings its own test part, and `val` is 0 where it brings that. seed: of the split alone, so
    that runs with different seeds are compared on the same test rows. prepare: transforms of every part, such as
    Resize. augment: transforms of the training rows, drawn anew in every epoch. bootstrap: the seed of a bootstrap
    sample that takes the place of the training rows, as in bagging. input_shape: the shape of one row, as the data set
    has it or as `prepare` leaves it, where the recipe wants it checked.
    """

    name: str | None = None
    folder: Annotated[str, Meta(min_length=1)] | None = None
    resize: Annotated[list[Count], Meta(min_length=2, max_length=2)] | None = None
    channels: Literal[1, 3] | None = None
    on_bad: Literal["skip", "raise"] | None = None
    split: Literal["ordered", "stratified", "random"] = "stratified"
    train: Part | None = None
    val: Part
    test: Part = 0
    seed: Seed = 0
    normalize: Literal["none", "unit", "symmetric", "standard", "center", "channel"] = "unit"
    prepare: list[Declaration] = []
    augment: list[Declaration] = []
    bootstrap: Seed | None = None
    input_shape: list[Count] | None = None

    @property
    def title(self) -> str:
        """What messages call the data set: its name, or its folder."""
        return str(self.name if self.folder is None else self.folder)

    def check(self) -> None:
        """Raise unless there is one source, with options that it takes."""
        if (self.name is None) == (self.folder is None):
            both = "" if self.name is None else f", got {self.name!r} and {self.folder!r}"
            raise ConfigError(f"[data] needs name or folder{', one of them' if both else ''}{both}")
        for option in ("resize", "channels", "on_bad"):
            if self.folder is None and getattr(self, option) is not None:
                raise ConfigError(f"data.{option} must be left out without data.folder, got {getattr(self, option)!r}")


class ModelPart(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[model]: the layers and the loss as declarations; reg is λ of ½ λ ‖W‖² in the loss.

    double_softmax: put a softmax layer before a loss that holds one already. It is a flaw, kept where the source of a
    recipe has it: the loss of C classes cannot fall below ln(C − 1 + e) − 1 then, 1.4612 for ten.
    """

    layers: Annotated[list[Declaration], Meta(min_length=1)]
    loss: Declaration = "SoftmaxCrossEntropy"
    reg: Annotated[float, Meta(ge=0)] = 0.0
    double_softmax: bool = False


class EarlyStoppingPart(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[train.early_stopping]: the arguments of `EarlyStopping`."""

    monitor: Literal["val_acc", "val_loss"] = "val_acc"
    patience: Count = 5
    min_delta: Annotated[float, Meta(ge=0)] = 0.0


class AveragingPart(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[train.averaging]: the average of the weights that is kept, with the arguments of `EMA` or of `SWA`."""

    method: Literal["ema", "swa"]
    decay: float | None = None
    start: float | None = None
    every: int | None = None

    def make(self) -> WeightAveraging:
        """The callback; an argument that its method does not have is an error."""
        kind, names = (EMA, ("decay",)) if self.method == "ema" else (SWA, ("start", "every"))
        given = {n: v for n in ("decay", "start", "every") if (v := getattr(self, n)) is not None}
        for name in given:
            if name not in names:
                raise unknown(f"entry of train.averaging with method {self.method!r}", name, names)
        return kind(**given)


class BackOffPart(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[train.back_off]: the arguments of `BackOff`."""

    factor: float = 0.5
    times: Count = 10


class TrainPart(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[train]: the update rule and the loop around it, under the names that `Solver` and `Chain` use.

    keep: the weights that are left after training, the "best" on the validation rows, or the "last". averaging: an
    average of the weights that is left in their place. on_divergence: what follows when a number is not finite, the
    "stop" of training or a "back-off", which goes back to the last good state with a lower learning rate.
    keep_checkpoints: how many of the last checkpoints to go on from a run keeps; two while it trains and none of a
    finished run where that is not given.
    """

    update_rule: str = "adam"
    optim_config: dict[str, Scalar] = {}
    lr_decay: Annotated[float, Meta(ge=0)] = 1.0
    schedule: Declaration | None = None
    batch_size: Count = 100
    epochs: Annotated[int, Meta(ge=0)] = 10
    sampling: Literal["shuffled", "replacement"] = "shuffled"
    clip_value: float | None = None
    clip_norm: float | None = None
    l2: float = 0.0
    weight_decay: float = 0.0
    num_train_samples: Count | Literal["all"] = 1000
    keep: Literal["best", "last"] = "best"
    keep_checkpoints: Count | None = None
    averaging: AveragingPart | None = None
    early_stopping: EarlyStoppingPart | None = None
    on_divergence: Literal["stop", "back-off"] = "stop"
    back_off: BackOffPart | None = None


class LintPart(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[lint]: rules of `chainrule lint` that do not apply to this experiment, and the reason why."""

    ignore: list[str] = []
    reason: Annotated[str, Meta(min_length=1)] | None = None

    def check(self) -> None:
        """Raise unless what is ignored is ignored for a reason."""
        if self.ignore and self.reason is None:
            raise ConfigError(f"lint.reason must say why lint.ignore holds {', '.join(self.ignore)}, got none")


class Recipe(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One experiment.

    name: also the start of the run folder's name. source: where the setting comes from. setting: whether it is the
    source's ("as reported"), the source's without what is wrong with it ("corrected"), ours for the source's
    network ("tuned"), or ours altogether ("own"). note: how and why it differs, or why its figure is not reached.
    generator: "philox", or "legacy" for settings whose exact numbers come from one `numpy.random.RandomState(seed)`
    that draws the weights, tensor after tensor, and then every batch.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    title: str
    source: str
    setting: Literal["as reported", "corrected", "tuned", "own"] = "as reported"
    note: str = ""
    seed: Seed = 0
    dtype: Literal["float32", "float64", "bfloat16"] = "float32"
    generator: Literal["philox", "legacy"] = "philox"
    reported: Reported = Reported()
    data: DataPart
    model: ModelPart
    train: TrainPart = TrainPart()
    lint: LintPart = LintPart()
    search: SearchPart | None = None

    @property
    def array_dtype(self) -> str:
        """The dtype of inputs and parameters; bfloat16 is for products alone."""
        return "float32" if self.dtype == "bfloat16" else self.dtype

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that [model] declares."""
        layers = layers_from_config(self.model.layers, "model.layers")
        return (*layers, Softmax()) if self.model.double_softmax else layers

    @property
    def prepare(self) -> tuple[Transform, ...]:
        """The transforms of every part that [data] declares."""
        return require_deterministic(_transforms(self.data.prepare, "data.prepare"))

    @property
    def augment(self) -> tuple[Transform, ...]:
        """The transforms of the training rows that [data] declares."""
        return Augmentation(_transforms(self.data.augment, "data.augment")).transforms

    @property
    def loss(self) -> Loss:
        """The loss that [model] declares."""
        loss: Loss = from_config("loss", self.model.loss, "model.loss")
        return loss

    @property
    def rule(self) -> UpdateRule:
        """The update rule, with clipping and decay around it where [train] asks for them."""
        train = self.train
        rule: UpdateRule = make_rule(train.update_rule, train.optim_config)
        around = {n: getattr(train, n) for n in ("clip_value", "clip_norm", "l2", "weight_decay")}
        return Chain(rule, **around) if any(value not in (None, 0.0) for value in around.values()) else rule

    @property
    def schedule(self) -> Schedule | None:
        """The learning-rate schedule, where it is more than `lr_decay`."""
        if self.train.schedule is None:
            return None
        schedule: Schedule = from_config("schedule", self.train.schedule, "train.schedule")
        return schedule

    @property
    def early_stopping(self) -> EarlyStopping | None:
        """The callback that [train.early_stopping] declares."""
        part = self.train.early_stopping
        return None if part is None else EarlyStopping(part.monitor, part.patience, part.min_delta)

    @property
    def on_divergence(self) -> str | BackOff:
        """What [train] wants done when a number is not finite, as the solver takes it."""
        part = self.train.back_off
        return self.train.on_divergence if part is None else BackOff(part.factor, part.times)

    @property
    def averaging(self) -> WeightAveraging | None:
        """The callback that [train.averaging] declares."""
        return None if self.train.averaging is None else self.train.averaging.make()

    def check(self, where: str) -> Recipe:
        """This recipe, if everything it declares can be made; otherwise a `ConfigError` that starts with `where`."""
        try:
            self.data.check()
            self.lint.check()
            if self.search is not None:
                self.search.check()
            _ = self.layers, self.loss, self.rule, self.schedule, self.prepare, self.augment, self.averaging
            _ = self.on_divergence
            if self.train.back_off is not None and self.train.on_divergence != "back-off":
                raise ConfigError("train.back_off must be left out unless train.on_divergence is 'back-off'")
            if self.schedule is not None and self.train.lr_decay != 1.0:
                raise ConfigError("train.lr_decay and train.schedule exclude each other; give one of them")
            if self.model.double_softmax and not isinstance(self.loss, SoftmaxCrossEntropy):
                raise ConfigError(
                    f"model.double_softmax must be false unless the loss is SoftmaxCrossEntropy, got {self.loss.name}"
                )
            if self.train.keep == "last" and self.train.early_stopping is not None:
                raise ConfigError("train.keep must be 'best' with early stopping, which puts the best weights back")
            if self.train.averaging is not None and (self.train.keep, self.train.early_stopping) != ("best", None):
                other = "keep = 'last'" if self.train.early_stopping is None else "early_stopping"
                raise ConfigError(f"train.averaging and train.{other} exclude each other; give one of them")
            if self.generator == "legacy" and self.train.sampling != "replacement":
                raise ConfigError(
                    f"train.sampling must be 'replacement' with the legacy generator, got {self.train.sampling!r}"
                )
            if self.generator == "legacy" and self.seed >= 2**32:
                raise ConfigError(f"seed must be below {2**32} with the legacy generator, got {self.seed}")
        except ChainruleError as error:
            raise ConfigError(f"{where}: {error}") from None
        return self


def _transforms(tables: list[Declaration], where: str) -> tuple[Transform, ...]:
    return tuple(from_config("transform", table, f"{where}[{i}]") for i, table in enumerate(tables))


def require_recipe(owner: str, recipe: Any) -> None:
    """Raise unless `recipe` is a recipe; a name alone is to be loaded first."""
    if not isinstance(recipe, Recipe):
        raise DTypeError(f"{owner}: recipe must be a Recipe, such as load_recipe gives, got {describe(recipe)}")


def to_plain(recipe: Recipe) -> dict[str, Any]:
    """The recipe as tables, lists and plain values; entries without a value are left out."""
    plain: dict[str, Any] = _without_none(msgspec.to_builtins(recipe))
    return plain


def to_toml(recipe: Recipe) -> str:
    """The recipe as TOML with the defaults of its entries; `parse_recipe` reads it back unchanged."""
    import tomli_w

    require_recipe("to_toml", recipe)
    return tomli_w.dumps(to_plain(recipe))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return [_without_none(v) for v in value] if isinstance(value, list) else value
