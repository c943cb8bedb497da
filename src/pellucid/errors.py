"""The exceptions for a user's mistake."""

from collections.abc import Sequence

LONGEST = 2000  # characters of a message
_NAMED = 20  # mistakes in one message


class PellucidError(Exception):
    """A mistake that the user can put right: one line that names the thing, what was expected and what came.

    The command line prints it without a traceback and exits with code 2. What a file holds may be part of a message:
    signs that can't be printed are shown by their numbers, and a long message loses its middle.

    >>> try:
    ...     pl.Network(pl.nn.Linear(10), (1, 28, 28))
    ... except pl.PellucidError as error:
    ...     print(error)
    layer (unnamed) (Linear): expected feature vectors (put Flatten before it), got shape (1, 28, 28)
    """

    def __str__(self) -> str:
        text = super().__str__()
        if len(text) > LONGEST:
            text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
        return printable(text)


class InputError(PellucidError, ValueError):
    """Arrays, labels or arguments that don't fit: a PellucidError that is a ValueError too."""


class PictureError(PellucidError):
    """A picture's file that is missing, damaged, or none."""


class OutOfMemoryError(PellucidError):
    """A device has too little memory. needed, free, total: bytes. device: its name."""

    def __init__(self, needed: int, free: int, total: int, device: str) -> None:
        self.needed, self.free = needed, free
        super().__init__(
            f"GPU memory: {needed / 1e9:.3f} GB needed at once, {free / 1e9:.3f} GB free of {total / 1e9:.3f} GB on "
            f"{device}; a smaller batch needs less"
        )


def printable(text: str) -> str:
    """The text with signs that can't be printed, or that a terminal would obey, by their numbers: names of files and
    classes may hold anything.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(sign: str) -> str:
    """The sign, or how Python writes one that can't be printed."""
    return sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")


def at_once(mistakes: Sequence[str]) -> str:
    """One message of several, each of which names its file: the first few, and how many more there are."""
    more = f"; and {len(mistakes) - _NAMED:,} more" if len(mistakes) > _NAMED else ""
    return "; ".join(mistakes[:_NAMED]) + more
