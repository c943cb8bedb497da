"""What the ranks of a run have to agree on, and mistakes that all of them hear of.

A rank that raised by itself would leave the others waiting. So whatever may fail before training is done by all
`together`: each says how it went, and where one failed, all raise the same error and end in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import metadata
from itertools import zip_longest
from typing import TypeVar

import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.training.communicator import Communicator

T = TypeVar("T")

SHOWN = 120  # characters of a value in a message


class AgreedError(PellucidError):
    """A mistake that every rank has heard of: nobody is left waiting."""


def together(communicator: Communicator, work: Callable[[], T]) -> T:
    """The work's result, if it worked out on every rank.

    Raises AgreedError on every rank where one of them met a PellucidError, with that one's message.
    """
    message, results = "", []
    try:
        results.append(work())
    except PellucidError as error:
        message = str(error)
    messages = _gather(communicator, {"message": message})
    for rank, found in enumerate(messages):
        if found["message"]:
            alike = all(other == found for other in messages)
            raise AgreedError(found["message"] if alike or rank == 0 else f"rank {rank}: {found['message']}")
    return results[0]


def agree(communicator: Communicator, facts: Mapping[str, str]) -> None:
    """Make sure that all ranks have the same facts. Raises AgreedError on every rank, naming both sides, if not."""
    everyone = _gather(communicator, facts)
    for rank, theirs in enumerate(everyone):
        for name in facts:
            if theirs.get(name) != everyone[0].get(name):
                one, other = _difference(everyone[0].get(name, ""), theirs.get(name, ""))
                raise AgreedError(f"rank 0 and rank {rank} differ in their {name}: {one} and {other}")


def versions() -> dict[str, str]:
    """What computes here: other versions may compute other bits."""
    found = {f"version of {name}": _version(name) for name in ("pellucid", "numpy", "numba")}
    return found | {"backend": ops.backend()}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def from_first(communicator: Communicator, work: Callable[[], bytes]) -> bytes:
    """The bytes that rank 0's work gives, on every rank. Raises AgreedError, on every rank, where it fails."""
    content = together(communicator, work if communicator.rank == 0 else bytes)
    size = int(communicator.broadcast(np.array([len(content)], np.int64))[0])
    room = np.frombuffer(content, np.uint8).copy() if communicator.rank == 0 else np.empty(size, np.uint8)
    return communicator.broadcast(room).tobytes()


def _gather(communicator: Communicator, texts: Mapping[str, str]) -> list[dict[str, str]]:
    """Every rank's texts by name."""
    arrays = {name: np.frombuffer(text.encode(), np.uint8) for name, text in texts.items()}
    everyone = communicator.all_gather(arrays)
    return [{name: array.tobytes().decode() for name, array in theirs.items()} for theirs in everyone]


def _difference(one: str, other: str) -> tuple[str, str]:
    """The first lines in which two texts differ."""
    for first, second in zip_longest(one.splitlines(), other.splitlines(), fillvalue="nothing"):
        if first != second:
            return first[:SHOWN], second[:SHOWN]
    return one[:SHOWN], other[:SHOWN]
