"""docs/grade.md is true: its Python runs, its rubric is one, its links lead somewhere."""

import doctest
import re
from pathlib import Path

from chainrule.grade import read_rubric
from chainrule.grade.inside.seccomp import ALLOWED
from chainrule.grade.rubric import LimitsPart

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "grade.md"
TEXT = PAGE.read_text()


def test_the_examples_run():
    blocks = "\n".join(re.findall(r"```pycon\n(.*?)```", TEXT, flags=re.DOTALL))
    test = doctest.DocTestParser().get_doctest(blocks, {}, PAGE.name, str(PAGE), 0)
    failed, attempted = doctest.DocTestRunner().run(test)
    assert attempted == 3
    assert not failed


def test_the_rubric_is_one_and_names_every_limit_with_its_default(tmp_path):
    (block,) = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    (tmp_path / "rubric.toml").write_text(block)
    rubric = read_rubric(tmp_path / "rubric.toml")
    assert rubric.limits == LimitsPart()
    assert all(re.search(rf"^{name} = ", block, flags=re.MULTILINE) for name in LimitsPart.__struct_fields__)
    assert (rubric.cases, rubric.tolerance) == (4, 1e-5)


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT)
    assert links
    assert not [link for link in links if not (PAGE.parent / link).exists()]


def test_the_allow_list_has_about_a_hundred_calls():
    assert all(60 <= len(calls) <= 120 for calls in ALLOWED.values())
