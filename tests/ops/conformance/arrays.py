"""Arrays of every type and memory layout that an op may be given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from pellucid.ops.arrays import Array, Shape

Draw = Callable[[st.SearchStrategy[Any]], Any]

LAYOUTS = ("contiguous", "channels last", "reversed axes", "every other", "backwards")


def laid_out(x: Array, layout: str) -> Array:
    """The same numbers, in another order in memory."""
    if layout == "channels last" and x.ndim > 2:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    if layout == "reversed axes":
        return np.asfortranarray(x)
    if layout == "every other":
        wide = np.full(tuple(2 * size for size in x.shape), 99, x.dtype)
        every_other = wide[(slice(None, None, 2),) * x.ndim]
        every_other[...] = x
        return every_other
    if layout == "backwards":
        backwards = (slice(None, None, -1),) * x.ndim
        return np.ascontiguousarray(x[backwards])[backwards]
    return np.ascontiguousarray(x)


@dataclass
class Source:
    """Where a case gets its arrays from: random numbers of one type, each array in a layout of its own."""

    draw: Draw
    dtype: type[np.floating[Any]]
    rng: np.random.Generator

    def pick(self, *values: Any) -> Any:
        """One of the values."""
        return self.draw(st.sampled_from(values))

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return int(self.draw(st.integers(low, high)))

    def pair(self, low: int, high: int) -> tuple[int, int]:
        """Two whole numbers."""
        return self.whole(low, high), self.whole(low, high)

    def shuffled(self, x: Array) -> Array:
        """The array in a drawn layout."""
        return laid_out(x, self.pick(*LAYOUTS))

    def normal(self, shape: Shape, scale: float = 1.0) -> Array:
        """Normal numbers."""
        return self.shuffled((self.rng.standard_normal(shape) * scale).astype(self.dtype))

    def few(self, shape: Shape) -> Array:
        """Small whole numbers, so that many are equal."""
        return self.shuffled(self.rng.integers(-2, 3, shape).astype(self.dtype))

    def vector(self, size: int, positive: bool = False) -> Array:
        """Parameters or optimizer state: contiguous, as they always are."""
        x = self.rng.standard_normal(size).astype(self.dtype)
        return np.abs(x) if positive else x

    def images(self) -> Shape:
        """Shape of images: odd, tiny and not so tiny, channels that fill registers and that do not."""
        C = self.pick(1, 2, 3, 4, 5, 8, 16, 17, 33)
        return self.whole(1, 3), C, self.whole(1, 13), self.whole(1, 13)
