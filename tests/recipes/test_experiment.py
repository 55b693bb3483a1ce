"""What `build` makes of a recipe, and the exact historical numbers."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.data import LegacyBatches
from chainrule.errors import ConfigError
from chainrule.recipes import apply_overrides, build, load_recipe


def digits(*overrides):
    return build(apply_overrides(load_recipe("digits-mlp"), overrides))


def test_parts_are_disjoint_stratified_and_normalised():
    experiment = digits()
    splits = experiment.splits
    sizes = [len(part) for part in (splits.train, splits.val, splits.test)]
    assert sizes == [1797 - 179 - 359, 179, 359]
    shares = splits.test.class_counts() / 359 - splits.train.class_counts() / sizes[0]
    assert np.abs(shares).max() < 0.01
    x = experiment.data["X_train"]
    assert x.dtype == np.float32
    assert (x.min(), x.max()) == (0.0, 1.0)
    np.testing.assert_array_equal(x, splits.train.X / 16)


def test_the_seed_changes_weights_and_batches_but_not_the_split():
    one, other = digits("seed=1"), digits("seed=2")
    np.testing.assert_array_equal(one.splits.test.X, other.splits.test.X)
    assert not np.array_equal(one.network.params["W1"], other.network.params["W1"])
    assert not np.array_equal(one.solver().batches.indices(0), other.solver().batches.indices(0))
    assert not np.array_equal(digits("data.seed=1").splits.test.X, one.splits.test.X)


def test_statistics_come_from_the_training_rows_alone():
    experiment = digits("data.normalize=standard")
    np.testing.assert_allclose(experiment.normalizer.mean, experiment.splits.train.X.mean(axis=0), rtol=1e-6)
    assert abs(experiment.data["X_train"].mean()) < 1e-5 < abs(experiment.data["X_test"].mean())


def test_the_solver_gets_what_the_recipe_says():
    solver = digits(
        "train.batch_size=7",
        "train.epochs=4",
        "train.lr_decay=0.5",
        'train.schedule={ schedule = "step", every = 2 }',
        "train.lr_decay=1.0",
        "train.sampling=replacement",
        "train.num_train_samples=all",
        "train.early_stopping.patience=2",
        "seed=5",
        "model.reg=0.25",
    ).solver()
    assert (solver.batch_size, solver.num_epochs, solver.seed, solver.num_train_samples) == (7, 4, 5, None)
    assert solver.schedule.every == 2
    assert type(solver.batches).__name__ == "ReplacementBatches"
    assert solver.callbacks[-1].patience == 2
    assert (solver.model.reg, solver.model.seed) == (0.25, 5)


def test_the_legacy_generator_draws_weights_then_batches():
    experiment = digits("generator=legacy", "train.sampling=replacement", "seed=7", "dtype=float64")
    rng = np.random.RandomState(7)
    he = np.sqrt(2 / 64)
    np.testing.assert_array_equal(experiment.network.params["W1"], rng.normal(0, he, (64, 512)))
    np.testing.assert_array_equal(experiment.network.params["W2"], rng.normal(0, np.sqrt(2 / 512), (512, 10)))
    batches = experiment.solver().batches
    assert isinstance(batches, LegacyBatches)
    np.testing.assert_array_equal(batches.indices(0), rng.choice(1259, 64))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["data.val=0"], "data.val must be more than 0"),
        (["data.val=1700", "data.test=300"], "[data] of recipe digits-mlp"),
        (["data.name=digit"], "did you mean 'digits'"),
        (["data.input_shape=[64]"], "data.input_shape must be [1, 8, 8] for digits"),
    ],
)
def test_recipes_that_do_not_fit_their_data(overrides, said):
    with pytest.raises(ConfigError) as caught:
        digits(*overrides)
    assert said in str(caught.value)


def test_a_second_test_part_is_refused(data_folder):
    with pytest.raises(ConfigError, match="test part of its own"):
        build(apply_overrides(load_recipe("mnist-softmax"), ["data.test=0.1"]))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_digits_reach_their_figure(seed):
    experiment = digits(f"seed={seed}")
    solver = experiment.solver()
    solver.train()
    assert solver.engine.evaluate(experiment.data["X_test"], experiment.data["y_test"]).score >= 0.97


def test_symmetric_inputs_reach_from_minus_one_to_one():
    x = digits("data.normalize=symmetric").data["X_train"]
    assert (x.min(), x.max()) == (-1.0, 1.0)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_weights_that_are_kept(keep):
    experiment = digits(
        f"train.keep={keep}",
        "train.epochs=6",
        "train.optim_config.learning_rate=0.3",
        "train.schedule={schedule='epoch_decay', decay=1.0}",
    )
    solver = experiment.solver()
    scores = [record.val_acc for record in solver.train().epochs]
    assert max(scores) > scores[-1]
    kept = scores[-1] if keep == "last" else max(scores)
    assert solver.engine.evaluate(experiment.data["X_val"], experiment.data["y_val"]).score == kept
    assert solver.best_val_acc == kept


@pytest.mark.parametrize("name", ["binary-logistic", "binary-logistic-40", "binary-hinge", "binary-hinge-20"])
def test_historical_numbers_are_exact(name, data_folder):
    recipe = load_recipe(name)
    experiment = build(recipe)
    solver = experiment.solver()
    solver.train()
    score, _ = solver.engine.evaluate(experiment.data["X_test"], experiment.data["y_test"])
    assert score == recipe.reported.test_accuracy
