"""What the courses share: functional faces of our layers, losses and rules, with the courses' cache and config forms.

A course's own package adds only what it names or means differently.
"""
