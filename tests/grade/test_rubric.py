"""Rubrics: those that come with the package, for every edition, and those that are wrong."""

import pytest

from chainrule.courses.install import find
from chainrule.errors import ConfigError
from chainrule.grade import course_rubric, read_rubric
from chainrule.grade.cases import ITEMS, Drawing
from chainrule.grade.mistakes import MISTAKES
from chainrule.grade.rubric import courses, offers, write_rubric


@pytest.mark.parametrize("name", courses())
def test_every_edition_has_a_rubric_of_what_it_offers(name):
    rubric = course_rubric(name)
    course, _, edition = name.partition("-")
    assert rubric.course == course
    assert not edition or rubric.edition == edition
    assert rubric.total > 0
    assert all(offers(rubric.code_base, item) for item in rubric.points)


def test_the_points_of_affine_forward():
    rubric = course_rubric("cs231n-2020")
    assert rubric.items["affine_forward"].points == 5
    assert (rubric.total, len(rubric.points)) == (146, 30)


def test_editions_differ():
    points = {year: course_rubric(f"cs231n-{year}").points for year in (2016, 2018, 2021)}
    assert "FullyConnectedNet with use_batchnorm" in points[2016]
    assert "layernorm_forward" not in points[2016]
    assert "layernorm_forward" in points[2018]
    assert "FullyConnectedNet with dropout" in points[2018]
    assert {"svm_loss", "TwoLayerNet", "FullyConnectedNet with dropout"}.isdisjoint(points[2021])
    assert "FullyConnectedNet with dropout_keep_ratio" in points[2021]


def test_every_item_is_in_some_rubric_and_every_mistake_belongs_to_one():
    used = {item for name in courses() for item in course_rubric(name).points}
    assert used == set(ITEMS) - {"sgd"}  # which the courses give away
    assert set(MISTAKES) <= set(ITEMS)


def test_printed_rubric_is_read_again(tmp_path):
    rubric = course_rubric("eecs598")
    (tmp_path / "rubric.toml").write_text(write_rubric(rubric))
    assert read_rubric(tmp_path / "rubric.toml") == rubric


def test_entries_of_their_own(tmp_path):
    text = 'course = "cs189"\nedition = "2018"\ncases = 3\n[points]\nsgd = 1\nadam = {points = 2.5, cases = 9}\n'
    (tmp_path / "rubric.toml").write_text(text + "[limits]\nseconds = 2\n")
    rubric = read_rubric(tmp_path / "rubric.toml")
    assert (rubric.items["sgd"].cases, rubric.items["adam"].cases, rubric.total) == (3, 9, 3.5)
    assert rubric.limits.of_case.seconds == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("adam = -1", "points"),
        ("adma = 1", "did you mean 'adam'"),
        ("svm_loss = 1", "svm_loss"),
        ("adam = 0", "more than 0"),
        ("adam = {points = 1, case = 2}", "case"),
        ("adam = 1\n[limits]\nseconds = 0", "seconds"),
        ("adam = 1\n[limit]\nseconds = 1", "limit"),
        ("adam = ", "rubric"),
    ],
)
def test_wrong_rubrics(tmp_path, change, message):
    (tmp_path / "r.toml").write_text(f'course = "cs189"\nedition = "2018"\n[points]\n{change}\n')
    with pytest.raises(ConfigError, match=message):
        read_rubric(tmp_path / "r.toml")


def test_unknown_courses(tmp_path):
    for name in ("cs231", "cs231n-2015", "cs231n-", "-2020", ""):
        with pytest.raises(ConfigError, match="unknown course"):
            course_rubric(name)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_rubric(tmp_path / "none.toml")


@pytest.mark.parametrize("course", ["cs231n", "eecs598"])
def test_cases_are_those_of_their_seed(course):
    import numpy as np

    edition = find(course).edition(find(course).editions[-1])
    for name in (item for item in ITEMS if offers(edition, item)):
        first, again, other = (ITEMS[name].make(Drawing(edition, np.random.default_rng(seed), 2)) for seed in (1, 1, 2))
        assert repr([c.call for c in first]) == repr([c.call for c in again])
        assert repr([c.call for c in first]) != repr([c.call for c in other])
