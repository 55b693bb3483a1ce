"""Reports for people: a page a submission, and the class on one page and in one table.

Everything that a student wrote, file names and output included, is escaped: pages load nothing and run nothing.
"""

from __future__ import annotations

from chainrule.grade.report.folder import write_class as write_class
from chainrule.grade.report.folder import write_report as write_report
