import copy
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.arrays import Stream, generator
from chainrule.data import LegacyBatches, ReplacementBatches, ShuffledBatches, make_batches
from chainrule.errors import ConfigError, DTypeError

sizes = st.integers(1, 60)


@given(n=sizes, batch_size=sizes, seed=st.integers(0, 2**63), drop_last=st.booleans(), epoch=st.integers(0, 3))
def test_an_epoch_is_one_order_of_all_rows(n, batch_size, seed, drop_last, epoch):
    batches = ShuffledBatches(n, batch_size, seed, drop_last)
    steps = batches.steps_per_epoch
    assert steps == (max(n // batch_size, 1) if drop_last else int(np.ceil(n / batch_size)))
    drawn = [batches.indices(epoch * steps + i) for i in range(steps)]
    assert all(len(b) == min(batch_size, n) for b in (drawn if drop_last else drawn[:-1]))
    order = generator(seed, Stream.BATCHES, epoch).permutation(n)
    used = np.concatenate(drawn)
    np.testing.assert_array_equal(used, order[: len(used)])
    assert len(used) == (min(steps * batch_size, n) if drop_last else n)


@given(
    make=st.sampled_from([ShuffledBatches, ReplacementBatches]),
    n=sizes,
    batch_size=sizes,
    seed=st.integers(0, 2**63),
    steps=st.lists(st.integers(0, 500), min_size=1, max_size=20),
)
def test_batches_do_not_depend_on_what_was_asked_before(make, n, batch_size, seed, steps):
    batches = make(n, batch_size, seed)
    for step in steps:
        np.testing.assert_array_equal(batches.indices(step), make(n, batch_size, seed).indices(step))


def test_epochs_and_seeds_differ():
    batches = ShuffledBatches(100, 100, 7)
    assert batches.indices(0).tolist() != batches.indices(1).tolist()
    assert batches.indices(0).tolist() != ShuffledBatches(100, 100, 8).indices(0).tolist()
    drawn = ReplacementBatches(100, 100, 7)
    assert drawn.indices(0).tolist() != drawn.indices(1).tolist()
    assert drawn.indices(0).tolist() != ReplacementBatches(100, 100, 8).indices(0).tolist()


def test_batches_cannot_be_corrupted_through_what_was_returned():
    batch = ShuffledBatches(10, 5, 0).indices(0)
    with pytest.raises(ValueError, match="read-only"):
        batch[0] = 1


def test_values_compare_and_copy():
    used, fresh = ShuffledBatches(10, 5, 0), ShuffledBatches(10, 5, 0)
    used.indices(3)
    assert used == fresh
    assert repr(used) == "ShuffledBatches(n=10, batch_size=5, seed=0, drop_last=True)"
    assert copy.deepcopy(used).indices(4).tolist() == fresh.indices(4).tolist()


def test_order_of_the_first_epoch_is_fixed():
    """A change of these numbers breaks every resumed run and recorded result."""
    assert ShuffledBatches(10, 10, 0).indices(0).tolist() == [7, 0, 8, 3, 2, 9, 4, 6, 1, 5]
    assert ReplacementBatches(10, 6, 0).indices(2).tolist() == [3, 2, 0, 0, 5, 3]


@given(n=sizes, batch_size=sizes, step=st.integers(0, 1000))
def test_replacement_draws_in_range(n, batch_size, step):
    batch = ReplacementBatches(n, batch_size, 3).indices(step)
    assert batch.shape == (batch_size,)
    assert batch.dtype == np.int64
    assert 0 <= batch.min() <= batch.max() < n


def test_replacement_repeats_and_covers():
    batches = ReplacementBatches(20, 50, 1)
    counts = np.bincount(np.concatenate([batches.indices(i) for i in range(200)]), minlength=20)
    assert counts.min() > 400  # 500 expected, standard deviation 22
    assert counts.max() < 600


@pytest.mark.parametrize(("n", "batch_size"), [(100, 32), (5, 9), (1, 1)])
def test_legacy_draws_what_the_course_solver_draws(n, batch_size):
    batches, rng = LegacyBatches(n, batch_size, np.random.RandomState(4)), np.random.RandomState(4)
    assert batches.steps_per_epoch == max(n // batch_size, 1)
    with pytest.raises(ConfigError, match="step must be 0, the one after the last drawn, got 3"):
        batches.indices(3)
    for step in range(6):
        np.testing.assert_array_equal(batches.indices(step), rng.choice(n, batch_size))


def test_legacy_refuses_steps_out_of_order():
    batches = LegacyBatches(10, 2, np.random.RandomState(0))
    batches.indices(0)
    for step in (0, 2):
        with pytest.raises(ConfigError, match=f"step must be 1, the one after the last drawn, got {step}"):
            batches.indices(step)
    batches.indices(1)


def test_streams_by_name():
    assert make_batches("shuffled", 9, 4, 1) == ShuffledBatches(9, 4, 1, drop_last=False)
    assert make_batches("replacement", 9, 4, 1) == ReplacementBatches(9, 4, 1)
    own = LegacyBatches(9, 4, np.random.RandomState(0))
    assert make_batches(own, 1, 1, 0) is own


RNG = np.random.RandomState(0)
BAD = [
    (lambda: make_batches("shufled", 9, 4, 1), ConfigError, "did you mean 'shuffled'"),
    (lambda: make_batches(None, 9, 4, 1), DTypeError, "a name or a stream of batches, got NoneType"),
    (lambda: ShuffledBatches(0, 1, 0), ConfigError, "ShuffledBatches: n must be an integer >= 1, got 0"),
    (lambda: ShuffledBatches(5, 0, 0), ConfigError, "batch_size must be an integer >= 1, got 0"),
    (lambda: ShuffledBatches(5, 2.0, 0), DTypeError, "batch_size must be an integer, got float 2.0"),
    (lambda: ShuffledBatches(5, 2, -1), ConfigError, "seed must be an integer >= 0"),
    (lambda: ShuffledBatches(5, 2, None), DTypeError, "seed must be an integer"),
    (lambda: ShuffledBatches(5, 2, 0, "no"), DTypeError, "drop_last must be True or False"),
    (lambda: ShuffledBatches(5, 2, 0).indices(-1), ConfigError, "step must be an integer >= 0, got -1"),
    (lambda: ReplacementBatches(5, 2, 0).indices(1.5), DTypeError, "ReplacementBatches: step must be an integer"),
    (lambda: ReplacementBatches("5", 2, 0), DTypeError, "ReplacementBatches: n must be an integer"),
    (lambda: LegacyBatches(5, 2, np.random.default_rng(0)), DTypeError, "rng must be a numpy.random.RandomState"),
    (lambda: LegacyBatches(5, 0, RNG), ConfigError, "LegacyBatches: batch_size must be"),
    (lambda: LegacyBatches(5, 2, RNG).indices(-3), ConfigError, "LegacyBatches: step must be"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD, ids=[text for *_, text in BAD])
def test_bad_input_gets_a_typed_error(make, error, text):
    with pytest.raises(error, match=re.escape(text)):
        make()
