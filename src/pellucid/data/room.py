"""Room for pictures that are decoded at a time: each of several threads may have one of gigabytes otherwise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST_AT_ONCE = 110_000_000  # pixels of all threads together; one picture alone may have as many

_free = threading.Condition()
_used = 0


@contextmanager
def decoding() -> Iterator[Callable[[int], None]]:
    """Within the block a picture is decoded and made small.

    Gives a function that is told the picture's number of pixels before they are read, and waits until there is room.
    """
    global _used
    held = 0

    def take(pixels: int) -> None:
        nonlocal held
        global _used
        with _free:
            _free.wait_for(lambda: _used == 0 or _used + pixels <= MOST_AT_ONCE)
            _used += pixels
        held += pixels

    try:
        yield take
    finally:
        if held:
            with _free:
                _used -= held
                _free.notify_all()
