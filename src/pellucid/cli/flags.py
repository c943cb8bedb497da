"""Flags: switches, and whole numbers, for which 2.5 is a mistake and not 2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token


def _at_least(least: int) -> Callable[[Any, Sequence[Token]], int]:
    def convert(wanted: Any, tokens: Sequence[Token]) -> int:
        text = tokens[0].value
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise ValueError(f"expected a whole number of at least {least}, got {text}")
        return value

    return convert


Whole = Annotated[int, Parameter(converter=_at_least(0))]
"""Type of a flag that takes 0, 1, ..."""

Count = Annotated[int, Parameter(converter=_at_least(1))]
"""Type of a flag that takes 1, 2, ..."""


def switch(line: str) -> Parameter:
    """A flag that is on where it's given, with its line of help."""
    return Parameter(negative="", show_default=False, help=line)


def _share(wanted: Any, tokens: Sequence[Token]) -> float:
    text = tokens[0].value
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ValueError(f"expected a number from 0 to 1, got {text}")
    return value


Share = Annotated[float, Parameter(converter=_share)]
"""Type of a flag that takes 0 to 1."""

OfChannels = Annotated[
    tuple[float, ...],
    Parameter(
        help="Of each channel, where white is 1; FILE stands before it, or last and behind --.",
        consume_multiple=True,
        negative="",
    ),
]
"""Type of a flag that takes a number a channel: all that follow it, so a file is named before."""
