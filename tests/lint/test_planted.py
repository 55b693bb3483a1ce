"""Faults planted in real recipes, data and runs; all of them, and the sound recipes, in docs/results/lint.md."""

import pytest

from planted import FAULTS
from planted.page import PAGE

SLOW = {"softmax inside a model of one's own"}
QUICK = [f for f in FAULTS if f.data in ("digits", "made") and not f.name.startswith("run:") and f.name not in SLOW]


@pytest.mark.parametrize("planted", QUICK[::3], ids=lambda planted: planted.name)
def test_planted_fault_is_found(planted):
    assert planted.rule in planted.report().rules


def test_there_are_enough_faults_and_every_one_names_a_rule():
    from chainrule.lint import RULES

    assert len(FAULTS) >= 30
    assert {planted.rule for planted in FAULTS} <= {rule.key for rule in RULES}
    assert len({planted.name for planted in FAULTS}) == len(FAULTS)


def test_the_page_of_results_says_what_was_asked():
    """At least nine of ten faults found, no false alarm on 30 sound recipes or more."""
    page = PAGE.read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and line.rstrip().count("|") == 6]
    faults = {
        cells[1]: cells[4] for line in rows if (cells := [c.strip() for c in line.split("|")])[4] in ("yes", "**no**")
    }
    assert set(faults) == {planted.name for planted in FAULTS}
    assert sum(found == "yes" for found in faults.values()) >= 0.9 * len(faults)
    sound = [line for line in page.splitlines() if line.startswith("Sound recipes: ")]
    assert sound
    assert int(sound[0].split()[2].rstrip(",")) >= 30
    assert sound[0].endswith("false alarms in 0.")
