"""Submissions are programs to be graded; pytest, which imports what it collects, must not see them."""

collect_ignore = ["submissions"]
