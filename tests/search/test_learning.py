"""Pruning: bad trials end early, good ones do not, and only what the plan says is known counts."""

from __future__ import annotations

import pytest

from chainrule.recipes.spaces import parse_space
from chainrule.search.learning import Pruner, study_of, tpe
from chainrule.search.plan import Outcome

SPACES = {
    "lr": parse_space("log(1e-4, 1)"),
    "rule": parse_space('choice("adam", 5, "5")'),
    "n": parse_space("range(2, 11, 4)"),
}
VALUES = {"lr": 0.1, "rule": 5, "n": 6}


def known(figures, epochs=9):
    return [Outcome("finished", VALUES, f, {e: f * e / epochs for e in range(1, epochs + 1)}) for f in figures]


def epochs_until_given_up(kind, figure, figures, sign=1, epochs=9):
    pruner = Pruner(kind, SPACES, VALUES, known(figures), sign)
    for epoch in range(1, epochs + 1):
        if pruner.gives_up(epoch, figure * epoch / epochs):
            return epoch
    return None


def test_the_median_rule():
    figures = [0.2, 0.4, 0.6, 0.8]
    assert epochs_until_given_up("median", 0.45, figures) == 1
    assert epochs_until_given_up("median", 0.55, figures) is None
    assert epochs_until_given_up("median", 0.45, figures, sign=-1) is None
    assert epochs_until_given_up("median", 0.55, figures, sign=-1) == 1
    assert epochs_until_given_up("median", 0.1, figures[:3]) is None
    assert epochs_until_given_up("none", 0.0, figures) is None


def test_successive_halving_lets_a_third_go_on_at_epochs_1_3_and_9():
    ended, survivors = [], []
    for figure in (0.9, 0.1, 0.2, 0.3, 0.8, 0.95):
        pruner, curve, status = Pruner("halving", SPACES, VALUES, ended, 1), {}, "finished"
        for epoch in range(1, 10):
            curve[epoch] = figure
            if pruner.gives_up(epoch, figure):
                status = "pruned"
                break
        ended.append(Outcome(status, VALUES, figure if status == "finished" else None, curve, pruner.rungs))
        survivors.append(max(curve))
    assert survivors == [9, 1, 1, 1, 1, 9]
    assert set(ended[0].rungs) >= {"completed_rung_0", "completed_rung_1"}


def test_values_of_tpe_lie_in_their_spaces_and_follow_from_the_seed():
    drawn = [tpe(SPACES, known([0.1, 0.5]), [VALUES], 1, seed) for seed in (1, 1, 2, 3, 4, 5)]
    assert drawn[0] == drawn[1] != drawn[2]
    for values in drawn:
        assert 1e-4 <= values["lr"] <= 1
        assert values["rule"] in ("adam", 5, "5")
        assert values["n"] in (2, 6, 10)
        assert isinstance(values["n"], int)


@pytest.mark.parametrize("status", ["diverged", "refused", "lost"])
def test_what_failed_counts_as_worse_than_all(status):
    study = study_of(SPACES, [Outcome(status, VALUES, None, {1: 0.99})], 1)
    assert [(t.state.name, t.intermediate_values) for t in study.get_trials()] == [("PRUNED", {})]
