"""Grading of course work: a student's functions run in a limited process on drawn cases, against our course faces.

    from chainrule.grade import course_rubric, grade
    report = grade("submissions/ada", course_rubric("cs231n-2020"))

The expected results never leave this process; what comes back are plain arrays, checked for being nothing else.
"""

from __future__ import annotations

from chainrule.grade.grading import grade as grade
from chainrule.grade.grading import grade_folder as grade_folder
from chainrule.grade.result import Report as Report
from chainrule.grade.rubric import Rubric as Rubric
from chainrule.grade.rubric import course_rubric as course_rubric
from chainrule.grade.rubric import read_rubric as read_rubric
