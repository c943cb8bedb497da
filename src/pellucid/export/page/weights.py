"""The weights as the page carries them: in 32, 16 or 8 bits, as text.

Filters and matrices are rounded: to float16, or to 8 bits with one scale for each output, the largest magnitude over
127. What has one number a channel (biases, normalisations) stays in float32, as it is few bytes and matters.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan.weight_levels import pack

WIDTHS = (32, 16, 8)
LARGEST_HALF = 60_000.0  # a tensor with larger numbers stays in float32


class Packed:
    """Arrays one behind the other, each with a row that says what and where it is."""

    def __init__(self, bits: int) -> None:
        if bits not in WIDTHS:
            raise PellucidError(f"page: expected weights of {', '.join(map(str, WIDTHS))} bits, got {bits}")
        self.bits = bits
        self.rows: list[dict[str, Any]] = []
        self._bytes = bytearray()
        self._places: dict[int, tuple[int, Array]] = {}  # with the array itself, so that no other takes its id

    def add(self, values: Array) -> int:
        """The number under which an array stands; the same for the same array."""
        if id(values) in self._places:
            return self._places[id(values)][0]
        row: dict[str, Any] = {"shape": list(values.shape), "offset": len(self._bytes)}
        form = _form(values, self.bits)
        row["form"] = form
        if form == "i8":
            levels, scales = levels_of(values)
            row["scales"] = [float(scale) for scale in scales]
            self._append(levels)
        else:
            self._append(values.astype({"f32": np.float32, "f16": np.float16}[form]))
        self.rows.append(row)
        self._places[id(values)] = len(self.rows) - 1, values
        return len(self.rows) - 1

    def add_levels(self, levels: Array, bits: int) -> int:
        """As `add`, of an integer network's weights, packed as its file has them: see plan.weight_levels."""
        self.rows.append({"shape": list(levels.shape), "offset": len(self._bytes), "form": "levels", "bits": bits})
        self._append(pack(levels, bits))
        return len(self.rows) - 1

    def add_whole(self, values: Array) -> int:
        """As `add`, of whole numbers, int32 or uint8, as they are."""
        form = {"int32": "i32", "uint8": "u8"}[values.dtype.name]
        self.rows.append({"shape": list(values.shape), "offset": len(self._bytes), "form": form})
        self._append(values)
        return len(self.rows) - 1

    def _append(self, values: Array) -> None:
        self._bytes += np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
        self._bytes += bytes(-len(self._bytes) % 4)

    def text(self) -> str:
        """All of them in base 64."""
        return base64.b64encode(bytes(self._bytes)).decode()


def _form(values: Array, bits: int) -> str:
    if values.ndim < 2 or bits == 32:
        return "f32"
    if bits == 8:
        return "i8"
    return "f16" if float(np.abs(values).max(initial=0)) <= LARGEST_HALF else "f32"


def levels_of(values: Array) -> tuple[Array, Array]:
    """(whole numbers from -127 to 127, float32 scale of each row of the first axis)."""
    rows = values.reshape(len(values), -1).astype(np.float64)
    scales = (np.abs(rows).max(axis=1, initial=0) / 127).astype(np.float32)
    scales[scales == 0] = 1
    levels = np.rint(rows / scales[:, None].astype(np.float64)).clip(-127, 127).astype(np.int8)
    return levels.reshape(values.shape), scales


def rounded(values: Array, bits: int) -> Array:
    """An array as the page knows it, in float32."""
    form = _form(values, bits)
    if form == "i8":
        levels, scales = levels_of(values)
        return levels.astype(np.float32) * scales.reshape(-1, *[1] * (values.ndim - 1))
    return values.astype(np.float16 if form == "f16" else np.float32).astype(np.float32)


def carried_state(network: Network, bits: int) -> Mapping[str, Array]:
    """The network's state with the weights that a page of so many bits carries; for `Network.load_state`."""
    return {name: rounded(np.asarray(values), bits) for name, values in network.state().items()}
