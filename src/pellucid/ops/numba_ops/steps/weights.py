"""Weights as kernels read them: packed once, shared by all steps that read them in the same form."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.winograd.product import PANEL


class Weights:
    """The filters of one layer, (K, ...), with a bias (K,), and what has been made of them so far, in float32.

    read: gives the filters; they are asked for whenever a form is made, and not kept. shape: theirs.
    form: what the network's numbers are stored in, "float32", "float16" or "bfloat16": steps may multiply as exactly
    as that. The packed forms are made when a step first asks for them. Two steps for images of two sizes share them.
    """

    def __init__(
        self, read: Callable[[], Array], shape: tuple[int, ...], b: Array | None, form: str = "float32"
    ) -> None:
        self._read, self.shape = read, shape
        self.b = np.zeros(shape[0], np.float32) if b is None else np.array(b, np.float32)
        self.form = form
        self._made: dict[str, Any] = {}

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    def made(self, form: str, make: Callable[[Array], Any]) -> Any:
        """The form of that name, made of the filters at the first call."""
        if form not in self._made:
            self._made[form] = make(np.ascontiguousarray(self._read(), np.float32))
        return self._made[form]

    def filters(self) -> Array:
        """The filters as they are, in memory of their own."""
        kept: Array = self.made("filters", np.array)
        return kept

    @cached_property
    def panel_bias(self) -> Array:
        """The bias in whole panels."""
        return self.repeated_bias(1)

    def repeated_bias(self, copies: int) -> Array:
        """The bias so many times behind itself, in whole panels."""
        size = copies * len(self.b)
        full = np.zeros(-(-size // PANEL) * PANEL, np.float32)
        full[:size] = np.tile(self.b, copies)
        return full

    @property
    def bytes(self) -> int:
        """Of the bias and all forms of the weights."""
        forms = [part for made in self._made.values() for part in (made if isinstance(made, tuple) else (made,))]
        return self.b.nbytes + sum(part.nbytes for part in forms if isinstance(part, np.ndarray))
