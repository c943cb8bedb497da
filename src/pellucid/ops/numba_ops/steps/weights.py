"""Weights as kernels read them: packed once, shared by all steps that read them in the same form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.ops.arrays import Array


class Weights:
    """The filters of one layer, (K, ...), with a bias (K,), and what has been made of them so far, in float32.

    form: what the network's numbers are stored in, "float32", "float16" or "bfloat16": steps may multiply as exactly
    as that. The packed forms are made when a step first asks for them. Two steps for images of two sizes share them.
    """

    def __init__(self, w: Array, b: Array | None, form: str = "float32") -> None:
        self.w = np.ascontiguousarray(w, np.float32)
        self.b = np.zeros(len(w), np.float32) if b is None else np.ascontiguousarray(b, np.float32)
        self.form = form
        self._made: dict[str, Any] = {}

    def made(self, form: str, make: Callable[[], Any]) -> Any:
        """The form of that name, made at the first call."""
        if form not in self._made:
            self._made[form] = make()
        return self._made[form]

    @property
    def bytes(self) -> int:
        """Of the weights and all forms of them."""
        forms = [part for made in self._made.values() for part in (made if isinstance(made, tuple) else (made,))]
        return self.w.nbytes + self.b.nbytes + sum(part.nbytes for part in forms if isinstance(part, np.ndarray))
