"""An operator with what it is given, and the limits on what is worked out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.half import is_half

MOST_NUMBERS = 1 << 28  # of what is worked out when a file is read


Folded = Array | list[Array]


@dataclass(frozen=True)
class Call:
    """An operator with its inputs, an absent one None, and its settings. outputs: how many are asked for."""

    operator: str
    inputs: tuple[Array | None, ...]
    attributes: dict[str, Any]
    opset: int
    outputs: int = 1

    def __getitem__(self, place: int) -> Array:
        """An input that has to be there."""
        found = self.maybe(place)
        if found is None:
            raise PellucidError(f"no input {place}, which it needs")
        return found

    def maybe(self, place: int) -> Array | None:
        """An input, or None."""
        return self.inputs[place] if place < len(self.inputs) else None

    def get(self, name: str, default: Any = None) -> Any:
        """A setting."""
        found = self.attributes.get(name)
        return default if found is None else found

    def whole(self, place: int, name: str) -> list[int] | None:
        """Whole numbers of an input, or of an attribute in older opsets."""
        given = self.maybe(place)
        if given is not None:
            return [int(number) for number in given.reshape(-1)]
        found = self.get(name)
        return None if found is None else list(found)


def checked_axis(axis: int, rank: int) -> int:
    """An axis counted from the front."""
    if not -rank <= axis < max(rank, 1):
        raise PellucidError(f"axis {axis} of a tensor of {rank} axes")
    return axis % rank if rank else 0


def room_for(shape: Sequence[int]) -> Shape:
    """The shape. Raises PellucidError where it is too large, or no shape."""
    if any(side < 0 for side in shape) or math.prod(shape) > MOST_NUMBERS:
        raise PellucidError(f"a tensor of {' x '.join(map(str, shape))} numbers, expected at most {MOST_NUMBERS:,}")
    return tuple(shape)


def wide(x: Array) -> Array:
    """16-bit floats as float32."""
    return x.astype(np.float32) if is_half(x.dtype) else x
