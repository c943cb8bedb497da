"""Python calls instead of files: drawn from a seed, made with the compiled backend, and judged."""

from __future__ import annotations

import contextlib
import traceback
import warnings
from random import Random
from typing import Protocol

import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from robustness.attempts import REFUSED, RIGHT, TRACEBACK, Outcome
from robustness.front_calls import FrontCalls
from robustness.layer_calls import LayerCalls
from robustness.network_calls import NetworkCalls
from robustness.op_calls import OpCalls


class Caller(Protocol):
    """Something that makes one call, or a few, that are drawn."""

    name: str
    call: str

    def attempt(self, draw: Random) -> None:
        """Raises AssertionError where an answer is wrong, PellucidError where the call is refused."""


CALLERS: dict[str, type[Caller]] = {
    "ops": OpCalls, "layers": LayerCalls, "networks": NetworkCalls, "front": FrontCalls,
}  # fmt: skip


class Calls:
    """What a seed calls, and how that ends."""

    def __init__(self, name: str) -> None:
        self.caller = CALLERS[name]()

    def attempt(self, seed: int) -> Outcome:
        """One attempt."""
        with contextlib.suppress(AttributeError):
            del self.caller.call
        try:
            with warnings.catch_warnings(), ops.use_backend("numba"), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                self.caller.attempt(Random(f"{self.caller.name} {seed}"))
        except PellucidError as error:
            line = str(error)
            return Outcome(REFUSED, line) if line.isprintable() else Outcome(TRACEBACK, f"not one line: {line!r}")
        except Exception:
            return Outcome(TRACEBACK, f"{traceback.format_exc()}\n{getattr(self.caller, 'call', '')}")
        return Outcome(RIGHT)
