"""The plan: which trials there are, what their values depend on, and what they do not."""

from __future__ import annotations

import itertools
import math

import pytest
from tests.search.helpers import score, small

from chainrule.errors import ConfigError
from chainrule.recipes import change
from chainrule.search.plan import Outcome, Place, Plan


def run(plan, order=None):
    """Every trial in the plan's order, each with the figure that `score` gives it."""
    outcomes, begun = {}, {}
    for place in plan.places:
        assert plan.may_begin(place, outcomes)
        begun[place] = plan.values(place, outcomes, begun)
        outcomes[place] = Outcome("finished", begun[place], plan.sign * score(begun[place]))
    return outcomes


def test_a_grid_holds_every_combination_once():
    plan = Plan(small(strategy="grid"))
    tried = [tuple(o.values.values()) for o in run(plan).values()]
    assert tried == list(itertools.product([1e-3, 1e-2, 1e-1], [64, 128], [1, 2]))
    assert plan.best(run(plan)) == Place(0, 9)


def test_random_values_follow_from_seed_and_place_alone():
    first, again, other = (Plan(small(strategy="random", trials=40, seed=s)) for s in (3, 3, 4))
    values = [first.values(p, {}, {}) for p in first.places]
    assert values[::-1] == [again.values(p, {}, {}) for p in reversed(again.places)]
    assert values != [other.values(p, {}, {}) for p in other.places]
    assert len({v["lr"] for v in values}) == 40
    logs = sorted(math.log10(v["lr"]) for v in values)
    assert logs[0] > -3 and logs[-1] < -1 and -2.4 < logs[20] < -1.6  # noqa: PT018
    assert {v["depth"] for v in values} == {1, 2}


def test_coarse_to_fine_closes_around_the_best():
    stages = [{"trials": 12, "epochs": 1}, {"trials": 6, "epochs": 3, "keep": 2}, {"trials": 4, "epochs": 5, "keep": 1}]
    plan = Plan(small(strategy="coarse-to-fine", stages=stages))
    assert [(s.name, s.trials, s.epochs) for s in plan.stages] == [
        ("coarse", 12, 1),
        ("fine 1", 6, 3),
        ("fine 2", 4, 5),
    ]
    outcomes = run(plan)
    assert not plan.may_begin(Place(1, 0), {p: o for p, o in outcomes.items() if p != Place(0, 11)})
    for stage in (1, 2):
        kept = [outcomes[p].values for p in plan.ranking(stage - 1, outcomes)[: stages[stage]["keep"]]]
        space = plan.narrowed(stage, outcomes)["lr"]
        wide = plan.narrowed(stage - 1, outcomes)["lr"]
        assert (
            wide.low <= space.low <= min(v["lr"] for v in kept) <= max(v["lr"] for v in kept) <= space.high <= wide.high
        )
        assert space.high / space.low < wide.high / wide.low
        tried = [o.values for p, o in outcomes.items() if p.stage == stage]
        assert all(space.low <= v["lr"] <= space.high for v in tried)
        assert {v["train.batch_size"] for v in tried} <= {v["train.batch_size"] for v in kept}
    assert plan.best(outcomes).stage == 2
    assert [r.train.epochs for p in (Place(0, 0), Place(2, 3)) for r in plan.recipes(p, outcomes[p].values)] == [1, 5]


def test_a_stage_of_which_nothing_is_left_leaves_the_spaces_as_they_were():
    plan = Plan(small(strategy="coarse-to-fine", stages=[{"trials": 2, "epochs": 1}, {"trials": 2, "epochs": 1}]))
    outcomes = {Place(0, i): Outcome("diverged", {}) for i in range(2)}
    assert plan.narrowed(1, outcomes) == plan.spaces


@pytest.mark.parametrize("search", [{"strategy": "tpe"}, {"strategy": "random", "pruner": "median"}])
def test_trials_that_learn_wait_for_the_rounds_before_theirs(search):
    plan = Plan(small(trials=10, round=4, **search))
    assert plan.learns_from(Place(0, 3)) == []
    assert plan.learns_from(Place(0, 9)) == [Place(0, i) for i in range(8)]
    done = {Place(0, i): Outcome("lost", {}) for i in range(7)}
    assert plan.may_begin(Place(0, 7), done)
    assert not plan.may_begin(Place(0, 8), done)


def test_trials_that_do_not_learn_wait_for_nobody():
    plan = Plan(small(strategy="random", trials=10))
    assert plan.may_begin(Place(0, 9), {})


def test_tpe_looks_where_it_was_good_and_depends_on_earlier_rounds_alone():
    plan = Plan(small(strategy="tpe", trials=32, round=4))
    outcomes = run(plan)
    values = {p: o.values for p, o in outcomes.items()}
    assert sum(o.value for o in list(outcomes.values())[-8:]) > 1.05 * sum(o.value for o in list(outcomes.values())[:8])
    earlier = {p: o for p, o in outcomes.items() if p.number < 28}
    assert plan.values(Place(0, 30), earlier, values) == outcomes[Place(0, 30)].values
    worse = {p: Outcome("finished", o.values, -o.value) for p, o in earlier.items()}
    assert plan.values(Place(0, 30), worse, values) != outcomes[Place(0, 30)].values


def test_equals_are_ranked_by_number_and_only_finished_trials_are():
    plan = Plan(small(strategy="random", trials=6))
    values = plan.values(Place(0, 0), {}, {})
    figures = {1: 0.5, 2: 0.9, 3: 0.9, 4: 0.1}
    outcomes = {Place(0, i): Outcome("finished", values, v) for i, v in figures.items()}
    outcomes |= {Place(0, 0): Outcome("pruned", values), Place(0, 5): Outcome("diverged", values)}
    assert [p.number for p in plan.ranking(0, outcomes)] == [2, 3, 1, 4]
    less = Plan(small(strategy="random", trials=6, monitor="val_loss"))
    assert [p.number for p in less.ranking(0, outcomes)] == [4, 1, 2, 3]
    assert plan.best({}) is None


def test_repeats_and_confirmation_train_seeds_one_after_the_other():
    plan = Plan(change(small(strategy="random", trials=3, repeats=2, confirm=3), {"seed": 10}))
    outcomes = run(plan)
    best = plan.best(outcomes)
    assert (len(plan.places), best.stage) == (6, 0)
    assert [r.seed for r in plan.recipes(Place(0, 1), outcomes[best].values)] == [10, 11]
    for i in range(3):
        assert outcomes[Place(1, i)].values == outcomes[best].values
        assert [r.seed for r in plan.recipes(Place(1, i), outcomes[best].values)] == [10 + i]


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(ConfigError, match=r"train\.epochs >= 1"):
        Plan(change(small(), {"train.epochs": 0}))
    wide = {"train.batch_size": "range(1, 1000)", "lr": "log(1e-3, 1, 1000)"}
    with pytest.raises(ConfigError, match="at most 100000 trials"):
        Plan(small(spaces=wide, bind={"lr": "train.optim_config.learning_rate"}, strategy="grid"))
