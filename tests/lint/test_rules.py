"""Every rule finds its own fault and lets the mended subject pass; what is generated from the list is complete."""

from pathlib import Path

import pytest

import chainrule.lint
from chainrule.lint import RULES
from chainrule.lint.finding import SEVERITIES
from chainrule.lint.subject import EVIDENCE

FOLDER = Path(chainrule.lint.__file__).parent / "rules"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
class TestRule:
    def test_finds_its_example(self, rule):
        subject = rule.bad()
        assert rule().missing(subject) == ""
        findings = list(rule().check(subject))
        assert findings
        for finding in findings:
            assert finding.rule == rule.key
            assert finding.where
            assert finding.why
            assert finding.mend
            assert finding.severity in SEVERITIES

    def test_lets_the_mended_one_pass(self, rule):
        subject = rule.good()
        assert rule().missing(subject) == ""
        assert list(rule().check(subject)) == []

    def test_good_example_has_no_other_fault(self, rule):
        subject = rule.good()
        others = [other() for other in RULES]
        found = [f for other in others if not other.missing(subject) for f in other.check(subject)]
        assert [str(f) for f in found if f.severity != "note"] == []

    def test_is_declared(self, rule):
        assert rule.key == rule.__module__.rpartition(".")[2].replace("_", "-")
        assert rule.severity in SEVERITIES
        assert set(rule.needs) <= set(EVIDENCE)
        assert rule.mend
        assert rule.__doc__ is not None


def test_every_file_is_in_the_list():
    listed = {rule.__module__.rpartition(".")[2] for rule in RULES}
    assert listed == {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert len({rule.key for rule in RULES}) == len(RULES)
