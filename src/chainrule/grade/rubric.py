"""A rubric: which functions of a course give how many points, and under which limits they run. One TOML file.

course = "cs231n"
edition = "2020"
title = "Assignment 2"

[points]
affine_forward = 5
affine_backward = { points = 5, cases = 8 }

[limits]
seconds = 10
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Struct

from chainrule.courses.course import Edition
from chainrule.courses.install import COURSES, find
from chainrule.errors import ConfigError, unknown
from chainrule.grade.cases import ITEMS
from chainrule.grade.inside.limits import Limits
from chainrule.typed import typed

Points: TypeAlias = Annotated[int, Meta(ge=0)] | Annotated[float, Meta(ge=0)]
Count: TypeAlias = Annotated[int, Meta(ge=1, le=100)]


class ItemPart(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry of [points] that says more than a number: its own count of cases, its own tolerance."""

    points: Points
    cases: Count | None = None
    tolerance: Annotated[float, Meta(gt=0, lt=1)] | None = None


class LimitsPart(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[limits]: of one case, see `inside.limits.Limits`, and `total_seconds` of one submission."""

    seconds: Annotated[float, Meta(gt=0, le=3600)] = 10.0
    memory_mb: Annotated[int, Meta(ge=16)] = 512
    file_mb: Annotated[int, Meta(ge=1)] = 16
    files: Annotated[int, Meta(ge=1)] = 64
    output_kb: Annotated[int, Meta(ge=1)] = 1024
    result_mb: Annotated[int, Meta(ge=1, le=1024)] = 64
    total_seconds: Annotated[float, Meta(gt=0)] = 300.0

    @property
    def of_case(self) -> Limits:
        """Those of one case."""
        return Limits(self.seconds, self.memory_mb, self.file_mb, self.files, self.output_kb, self.result_mb)


class Rubric(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a submission is graded by.

    points: by item, in the order of the report. cases: drawn for each item. tolerance: the relative error that still
    passes. seed: another one draws other cases. modules: the packages that submissions may import beside the standard
    library. diagnose: whether to say what is probably wrong.
    """

    course: str
    edition: str
    title: str = ""
    points: dict[str, Points | ItemPart]
    cases: Count = 4
    tolerance: Annotated[float, Meta(gt=0, lt=1)] = 1e-5
    seed: Annotated[int, Meta(ge=0)] = 0
    modules: tuple[str, ...] = ("numpy",)
    diagnose: bool = True
    limits: LimitsPart = LimitsPart()

    @property
    def code_base(self) -> Edition:
        """The course's edition."""
        return find(self.course).edition(self.edition)

    @property
    def items(self) -> Mapping[str, ItemPart]:
        """Every item with its points, its count of cases and its tolerance."""
        full = {}
        for name, value in self.points.items():
            part = value if isinstance(value, ItemPart) else ItemPart(points=value)
            cases = self.cases if part.cases is None else part.cases
            tolerance = self.tolerance if part.tolerance is None else part.tolerance
            full[name] = ItemPart(points=part.points, cases=cases, tolerance=tolerance)
        return full

    @property
    def total(self) -> float:
        """The points there are."""
        return float(sum(part.points for part in self.items.values()))


def courses() -> tuple[str, ...]:
    """What `course_rubric` takes: the courses, and each with its editions.

    >>> "cs231n-2020" in courses()
    True
    """
    return tuple(name for course in COURSES for name in (course, *(f"{course}-{e}" for e in find(course).editions)))


@typed
def course_rubric(name: str) -> Rubric:
    """The rubric that comes with the package for "eecs598" or "cs231n-2020".

    A course without an edition is that of its rubric; with another edition than the rubric's, items that the edition
    does not have are left out.
    """
    course, dash, edition = name.partition("-")
    if course not in COURSES or (dash and edition not in find(course).editions):
        raise unknown("course", name, courses())
    text = (resources.files("chainrule.grade") / "rubrics" / f"{course}.toml").read_bytes()
    rubric = _decoded(text, f"the rubric of {course}")
    if edition:
        changed: dict[str, Any] = {**msgspec.structs.asdict(rubric), "edition": edition}
        rubric = Rubric(**changed)
    offered = {item: points for item, points in rubric.points.items() if offers(rubric.code_base, item)}
    return _checked(Rubric(**{**msgspec.structs.asdict(rubric), "points": offered}), f"the rubric of {course}")


@typed
def read_rubric(path: str | os.PathLike[str]) -> Rubric:
    """The rubric in a TOML file; a `ConfigError` naming the entry for one that is wrong."""
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"rubric: {path} cannot be read: {error.strerror}") from None
    return _checked(_decoded(text, str(path)), str(path))


def write_rubric(rubric: Rubric) -> str:
    """The rubric as TOML."""
    import tomli_w

    plain = msgspec.to_builtins(rubric)
    return tomli_w.dumps({key: value for key, value in plain.items() if value is not None})


def offers(edition: Edition, name: str) -> bool:
    """Whether the edition has what the item `name` looks at."""
    item = ITEMS[name]
    for path in edition.files:
        if path.rpartition("/")[2] == f"{item.stem}.py" and all(n in edition.files[path].names for n in item.names):
            return item.applies(edition)
    return False


def _decoded(text: bytes, source: str) -> Rubric:
    try:
        return msgspec.toml.decode(text, type=Rubric)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"rubric: {source}: {error}") from None


def _checked(rubric: Rubric, source: str) -> Rubric:
    try:
        edition = rubric.code_base
        for name in rubric.points:
            if name not in ITEMS:
                raise unknown("item", name, [n for n in ITEMS if offers(edition, n)])
            if not offers(edition, name):
                raise ConfigError(f"{name} is not in {edition.course} {edition.name}")
    except ConfigError as error:
        raise ConfigError(f"rubric: {source}: {error}") from None
    if rubric.total <= 0:
        raise ConfigError(f"rubric: {source}: [points] must give more than 0 points in all")
    if "numpy" not in rubric.modules:
        raise ConfigError(f"rubric: {source}: modules must hold numpy, got {list(rubric.modules)}")
    return rubric
