"""Mirrored or turned letters and digits.

A mirrored b is a d, a turned 6 is a 9, and most mirrored letters are nothing: the network is trained on wrong labels,
and on pictures that never come.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.data.augment import Rotation
from chainrule.lint.examples import recipe
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

STEEPEST = 45.0


class FlippedCharacters(Rule):
    """Training images of characters that are mirrored, or turned by more than 45 degrees."""

    key = "flipped-characters"
    needs = ("training",)
    mend = "take the flip out of augment; shifts, small rotations and RandomCrop keep characters what they are"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every transform of the training rows."""
        assert subject.training is not None
        if not subject.characters:
            return
        for transform in subject.training.augment:
            if transform.mirrors:
                yield self.finding("data.augment", f"{transform.name} mirrors characters, which makes others of them")
            elif isinstance(transform, Rotation) and transform.degrees > STEEPEST:
                why = f"characters are turned by up to {transform.degrees:g} degrees"
                yield self.finding("data.augment", why, mend="turn them by 15 degrees at most")

    @classmethod
    def bad(cls) -> Subject:
        """Digits with flips."""
        return recipe('data.augment=["HorizontalFlip"]')

    @classmethod
    def good(cls) -> Subject:
        """Digits with shifts."""
        return recipe('data.augment=[{transform="RandomCrop", padding=1}]')
