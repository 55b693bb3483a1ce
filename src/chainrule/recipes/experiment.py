"""From a recipe to what a training run needs: the data in its parts, the normaliser, the network, the solver."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.arrays import Shape
from chainrule.data import (
    FACTS,
    Dataset,
    LegacyBatches,
    NormalizedRows,
    Normalizer,
    ShuffledBatches,
    Source,
    Splits,
    load,
    load_image_folder,
    ordered_split,
    random_split,
    stratified_split,
)
from chainrule.data.augment.augmentation import prepared
from chainrule.data.bootstrap import bootstrap_rows
from chainrule.data.mapped import stays_on_disk
from chainrule.errors import ChainruleError, ConfigError, require_bool, require_instance, require_list
from chainrule.losses.loss import check as check_scores
from chainrule.network import Network
from chainrule.recipes.recipe import Recipe, require_recipe
from chainrule.solver import Callback, KeepLast, Solver
from chainrule.solver.solver import make_loader


@dataclass(frozen=True, eq=False)
class Experiment:
    """A recipe with everything it declares made: `splits` hold raw inputs, `data` the normalised arrays."""

    recipe: Recipe
    source: Source
    splits: Splits
    normalizer: Normalizer
    data: dict[str, Any]  # X_train, y_train, X_val, ..., as the solver takes them: arrays or `NormalizedRows`
    network: Network
    solver_options: dict[str, Any]

    def solver(self, callbacks: Sequence[Callback] = (), engine: str = "auto") -> Solver:
        """The solver that trains the network, silent unless a callback reports."""
        require_list("Experiment", "callbacks", callbacks, "callbacks")
        early = self.recipe.early_stopping
        together = [*callbacks] if early is None else [*callbacks, early]
        if self.recipe.train.keep == "last":
            together.append(KeepLast())
        if (averaging := self.recipe.averaging) is not None:
            together.append(averaging)
        return Solver(self.network, self.data, callbacks=together, engine=engine, verbose=False, **self.solver_options)


def build(recipe: Recipe, source: Source | None = None, *, lazily: bool = False) -> Experiment:
    """Load and split the data, fit the normaliser on the training rows, draw the weights.

    source: the data set that [data] names, where it has been opened before (by `open_source`). lazily: normalise the
    training rows batch by batch, which takes less memory and gives the same numbers; augmented ones always are.
    Raises a typed error where the recipe does not fit its data: `ConfigError`, `DataError`, `ShapeError`, `DTypeError`.
    Warns where training images of characters are mirrored.

    >>> from chainrule.recipes import load_recipe
    >>> experiment = build(load_recipe("digits-mlp"))
    >>> experiment.network.input_shape, len(experiment.splits.test)
    ((1, 8, 8), 359)
    """
    require_recipe("build", recipe)
    require_instance("build", "source", source, (Source, type(None)), "a Source or None")
    require_bool("build", "lazily", lazily)
    _warn_of_mirrored_characters(recipe)
    source, splits = load_splits(recipe, source)
    scale = source.scale if recipe.data.normalize in ("unit", "symmetric") else None
    normalizer = Normalizer.fit(recipe.data.normalize, splits.train.X, scale)
    data = normalized(splits, normalizer, recipe.array_dtype, lazily=lazily or bool(recipe.augment))
    train, seed = recipe.train, recipe.seed
    rng = np.random.RandomState(seed) if recipe.generator == "legacy" else None
    network = make_network(recipe, splits.train.input_shape, rng)
    _check_fit(recipe, network, data)
    options: dict[str, Any] = {
        "update_rule": recipe.rule,
        "lr_decay": train.lr_decay,
        "schedule": recipe.schedule,
        "batch_size": train.batch_size,
        "num_epochs": train.epochs,
        "num_train_samples": None if train.num_train_samples == "all" else train.num_train_samples,
        "seed": seed,
        # One legacy generator serves weights and batches, in this order: that is what the numbers depend on.
        "augment": recipe.augment,
        "on_divergence": recipe.on_divergence,
        "sampling": train.sampling if rng is None else LegacyBatches(len(splits.train), train.batch_size, rng),
    }
    return Experiment(recipe, source, splits, normalizer, data, network, options)


def _warn_of_mirrored_characters(recipe: Recipe) -> None:
    mirroring = [transform.name for transform in recipe.augment if transform.mirrors]
    known = None if recipe.data.name is None else FACTS.get(recipe.data.name)
    if mirroring and known is not None and known.characters:
        warnings.warn(
            f"recipe {recipe.name}: data.augment has {mirroring[0]}, but {recipe.data.name} shows characters, whose "
            "mirror images are other characters or none",
            stacklevel=3,
        )


def _check_fit(recipe: Recipe, network: Network, data: dict[str, Any]) -> None:
    """Raise unless the loss takes the scores with the targets of every part, and two rows can be trained on."""
    try:
        for part in ("train", "val", "test"):
            if (y := data.get(f"y_{part}")) is not None:
                scores = np.broadcast_to(network.dtype.type(0), (len(y), *network.output_shape))  # takes no memory
                check_scores(network.loss_function, scores, y)
        x, y = data["X_train"][:2], data["y_train"][:2]
        if recipe.augment:
            two = ShuffledBatches(len(data["y_train"]), 2, recipe.seed)
            x, y = make_loader(network, data["X_train"], data["y_train"], two, recipe.augment).batch(0)
        with np.errstate(all="ignore"):  # what is not finite is divergence, which training reports
            network.loss(x, y)
    except ChainruleError as error:
        raise type(error)(f"recipe {recipe.name}: {error}") from None


def make_network(recipe: Recipe, input_shape: Shape, rng: np.random.RandomState | None = None) -> Network:
    """The network that [model] declares, for rows of `input_shape`."""
    model = recipe.model
    return Network(recipe.layers, recipe.loss, input_shape, recipe.seed, recipe.dtype, reg=model.reg, rng=rng)


def load_splits(recipe: Recipe, source: Source | None = None) -> tuple[Source, Splits]:
    """The data set of the recipe, opened unless it is given, and its parts, inputs as they come from the files."""
    part = recipe.data
    source = _prepared(open_source(recipe) if source is None else source, recipe)
    if part.input_shape is not None and tuple(part.input_shape) != source.train.input_shape:
        raise ConfigError(
            f"data.input_shape must be {list(source.train.input_shape)} for {part.title}, got {part.input_shape}"
        )
    if source.test is not None and part.test != 0:
        raise ConfigError(f"data.test must be left out: {part.title} has a test part of its own, got {part.test!r}")
    if source.val is not None and part.val != 0:
        raise ConfigError(f"data.val must be 0: {part.title} has a validation part of its own, got {part.val!r}")
    sizes: dict[str, Any] = {"train": part.train, "val": part.val, "test": part.test}
    try:
        if part.split == "ordered":
            splits = ordered_split(source.train, **sizes)
        else:
            split = stratified_split if part.split == "stratified" else random_split
            splits = split(source.train, **sizes, seed=part.seed)
    except ChainruleError as error:
        raise type(error)(f"[data] of recipe {recipe.name}: {error}") from None
    val = splits.val if source.val is None else source.val
    test = splits.test if source.test is None else source.test
    if val is None:
        raise ConfigError("data.val must be more than 0: the weights that are best on it are kept, got 0")
    train = splits.train
    if part.bootstrap is not None:
        train = train.take(bootstrap_rows(len(train), part.bootstrap))
    return source, Splits(train, val, test)


def open_source(recipe: Recipe) -> Source:
    """The data set that [data] names: of the catalogue, or the images in a folder."""
    part = recipe.data
    if part.folder is None:
        return load(str(part.name))
    resize = None if part.resize is None else (part.resize[0], part.resize[1])
    on_bad = "skip" if part.on_bad is None else part.on_bad
    return load_image_folder(part.folder, resize=resize, channels=part.channels, on_bad=on_bad)


def _prepared(source: Source, recipe: Recipe) -> Source:
    """The data set after the transforms of every part."""
    if not recipe.prepare:
        return source
    try:
        parts: dict[str, Any] = {
            part: dataclasses.replace(data, X=prepared(data.X, recipe.prepare)) for part, data in source.parts.items()
        }
    except ChainruleError as error:
        raise type(error)(f"data.prepare of recipe {recipe.name}: {error}") from None
    return dataclasses.replace(source, **parts)


def normalized(splits: Splits, normalizer: Normalizer, dtype: str, lazily: bool = False) -> dict[str, Any]:
    """The arrays of all parts, inputs normalised and of the network's dtype.

    Bytes are left as they are and normalised when they are taken; those for training only if `lazily`, as a set of
    floats that lies ready serves its batches faster. What lies in a large mapped file stays there too.
    """
    arrays: dict[str, Any] = splits.as_dict()
    for name in [n for n in arrays if n.startswith("X_")]:
        rows = NormalizedRows(arrays[name], normalizer, np.dtype(dtype))
        stays = lazily if name == "X_train" else rows.X.dtype == np.uint8
        arrays[name] = rows if stays or stays_on_disk(rows.X) else normalizer.apply(rows.X, rows.dtype)
    return arrays


def declared_shape(recipe: Recipe) -> Shape:
    """The shape of one input row: as the recipe states it, otherwise as the data set has it and `prepare` leaves it."""
    stated = recipe.data.input_shape
    if stated is not None:
        return tuple(stated)
    return prepared(open_source(recipe).train.X[:1], recipe.prepare).shape[1:]


def test_part(splits: Splits) -> tuple[str, Dataset]:
    """The part that figures are reported on: the test rows, or the validation rows where there are none."""
    if splits.test is not None:
        return "test", splits.test
    assert splits.val is not None  # `load_splits` requires it
    return "val", splits.val
