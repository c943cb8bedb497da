"""Work done ahead: the next batches are read while a step is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Made = TypeVar("Made")
Key = TypeVar("Key")

BATCHES = 3
"""That are made ahead: enough for one that takes longer than the others."""


def ahead(make: Callable[[Key], Made], keys: Iterable[Key], count: int = BATCHES) -> Iterator[Made]:
    """make(key) of each key in turn, up to `count` of them made in a thread before they are asked for.

    What goes wrong there is raised where that one is asked for.
    """
    waiting: deque[Future[Made]] = deque()
    coming = iter(keys)
    with ThreadPoolExecutor(1, "ahead") as pool:
        try:
            waiting.extend(pool.submit(make, key) for key in islice(coming, count))
            while waiting:
                made = waiting.popleft().result()
                waiting.extend(pool.submit(make, key) for key in islice(coming, 1))
                yield made
        finally:
            for future in waiting:
                future.cancel()
