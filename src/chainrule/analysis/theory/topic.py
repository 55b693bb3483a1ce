"""What a statement of theory is: a name, a sentence, and a function that shows it in numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Finding:
    """What a run of a topic found: text for people, data for programs, and where one helps a figure."""

    text: str
    data: dict[str, Any]
    figure: Callable[[], Figure] | None = None


@dataclass(frozen=True)
class Topic:
    """A statement that can be run.

    run: takes the topic's options, which are keyword arguments with defaults, and returns what it found. Its docstring
    describes them for the command line.
    """

    name: str
    statement: str
    run: Callable[..., Finding]
