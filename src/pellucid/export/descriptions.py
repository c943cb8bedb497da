"""What the C kernels are told of each layer with weights: fields of one struct, or constants of the program.

A field that is the same in all layers whose kernel reads it needs no memory and no instruction: it becomes a
constant, and the compiler leaves out what only another value would need. The others get the smallest type that holds
them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pellucid.export.kernels import AFFINE, COLUMNED, CONVOLVE, DEPTHWISE, POOLED, TRANSPOSED
from pellucid.export.offsets import Offset

ALL = (AFFINE, CONVOLVE, POOLED, DEPTHWISE, TRANSPOSED)
WINDOWED = (CONVOLVE, POOLED, DEPTHWISE, TRANSPOSED)
POINTER = 4
"""Bytes of a pointer on the cores that this is for."""


@dataclass(frozen=True)
class Field:
    """One number that kernels read of a layer. narrow: only of layers that give bytes."""

    name: str
    meaning: str
    readers: tuple[str, ...] = ALL
    narrow: bool = False


FIELDS = (
    Field("from", "where the input begins in the arena"),
    Field("to", "where the output begins: a byte's number, or a word's of a wide layer"),
    Field("first", "number of its first filter in biases, multipliers and shifts"),
    Field("length", "of a filter and of a column: numbers, filled up to whole words of weights", COLUMNED),
    Field("height", "of the input"),
    Field("width", "of the input"),
    Field("channels", "of the input"),
    Field("out_height", "of the output, after the pool", WINDOWED),
    Field("out_width", "of the output, after the pool", WINDOWED),
    Field("filters", "of the output"),
    Field("kernel_height", "of the window", WINDOWED),
    Field("kernel_width", "of the window", WINDOWED),
    Field("stride_down", "rows from window to window", WINDOWED),
    Field("stride_right", "columns from window to window", WINDOWED),
    Field("pad_top", "rows of the frame before the image", WINDOWED),
    Field("pad_left", "columns of the frame before the image", WINDOWED),
    Field("dilation_down", "rows from pixel to pixel of a window", WINDOWED),
    Field("dilation_right", "columns from pixel to pixel of a window", WINDOWED),
    Field("groups", "of filters, each of which sees its own channels", (CONVOLVE, POOLED, TRANSPOSED)),
    Field("pool", "side of the squares of which the largest total is taken", (CONVOLVE, POOLED, TRANSPOSED)),
    Field("bits", "of a weight", COLUMNED),
    Field("zero", "what stands for 0 in the input", WINDOWED),
    Field("wide", "whether it gives numbers of 32 bits, which are not clipped"),
    Field("out_zero", "what stands for 0 in the output", narrow=True),
    Field("low", "least of the output: out_zero where a ReLU is part of it", narrow=True),
    Field("high", "greatest of the output", narrow=True),
)


@dataclass(frozen=True)
class Descriptions:
    """Of all layers with weights. kernels: of each. values: of each, by field. kept: bytes of fields that are written
    at run time, which therefore are no constants."""

    kernels: Sequence[str]
    values: Sequence[dict[str, int | Offset]] = field(repr=False)
    kept: Mapping[str, int] = field(default_factory=dict)

    def _reads(self, i: int, each: Field) -> bool:
        """Whether the kernel of layer i looks at a field."""
        return self.kernels[i] in each.readers and not (each.narrow and self.values[i]["wide"])

    @cached_property
    def seen(self) -> dict[str, list[int | Offset]]:
        """The different values of each field that somebody reads, ascending."""
        rows = list(enumerate(self.values))
        found = {each.name: {row[each.name] for i, row in rows if self._reads(i, each)} for each in FIELDS}
        bounds = {
            each.name for each in FIELDS if each.narrow
        }  # which the code names, also where no layer gives bytes
        return {name: sorted(values or {0}, key=int) for name, values in found.items() if values or name in bounds}

    @cached_property
    def constants(self) -> dict[str, int | Offset]:
        """Fields of one value."""
        return {name: values[0] for name, values in self.seen.items() if len(values) == 1 and name not in self.kept}

    @cached_property
    def members(self) -> list[tuple[int, Field]]:
        """Fields of several values, with the bytes of each: large ones first, so that nothing need be filled up."""
        several = [(int(self.seen[each.name][-1]), each) for each in FIELDS if len(self.seen.get(each.name, ())) > 1]
        sized = [(1 if most < 1 << 8 else 2 if most < 1 << 16 else 4, each) for most, each in several]
        sized = [(size, each) for size, each in sized if each.name not in self.kept]
        sized += [(self.kept[each.name], each) for each in FIELDS if each.name in self.kept]
        return sorted(sized, key=lambda member: -member[0])

    @property
    def size(self) -> int:
        """Bytes of one layer's struct."""
        return -(-(POINTER + sum(size for size, _ in self.members)) // 4) * 4

    def row(self, i: int) -> list[int | Offset]:
        """The members of layer i, a number that nobody reads as 0."""
        return [self.values[i][each.name] if self._reads(i, each) else 0 for _, each in self.members]

    def declaration(self) -> str:
        """The constants, and the struct."""
        meaning = {each.name: each.meaning for each in FIELDS}
        lines = [
            "/* What is the same in every layer is a constant here; what isn't, a layer's own. */",
            *(f"#define {name.upper()} {value} /* {meaning[name]} */" for name, value in self.constants.items()),
            "struct convolution {",
            "    const uint8_t *weights; /* two filters at a time, row by row, pixel by pixel, in whole words */",
            *(f"    uint{8 * size}_t {each.name}; /* {each.meaning} */" for size, each in self.members),
            "};\n",
        ]
        return "\n".join(lines)

    def filled(self, source: str) -> str:
        """C in which the constants stand for what is read of a layer."""
        for name in self.constants:
            source = re.sub(rf"\bc->{name}\b", name.upper(), source)
        return source
