"""What arrays of a call must be like: their types, and how their shapes hang together.

A form names the axes of an array, "N C H W"; one letter is one length throughout a call, and "..." any further axes,
the same ones throughout; "-" is a length of its own in each array, and "free" any shape at all. Before them comes
"?" for an array that may be None, ">" for one that the op writes (">>" in any layout), "*" for a sequence of arrays;
after them, behind a colon, what the numbers are (see KINDS; by default floats of the op's one type).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from pellucid.errors import InputError
from pellucid.ops.half import is_half

FLOATS = tuple(np.dtype(kind) for kind in (np.float32, np.float64, np.float16, ml_dtypes.bfloat16))

KINDS: dict[str, tuple[Any, ...]] = {
    "bool": (np.bool_,),
    "float32": (np.float32,),
    "half": (np.float16, ml_dtypes.bfloat16),
    "int8": (np.int8,),
    "int32": (np.int32,),
    "label": tuple(np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)),
    "place": (np.uint8, np.int32),
    "uint8": (np.uint8,),
    "weight": FLOATS,
}
"""Types by name. Beside these, "real" is the one type of the op's floats, "sums" that of its statistics (float32
where the op's floats have 16 bits, else the same), "either" one of the two, "any" numbers of any type, and "same" of
one type, whichever."""

MAY_BE_EMPTY = {"N"}
"""Axes that may have length 0: a batch without samples."""


@dataclass(frozen=True)
class Form:
    """What one argument must be like; see the module."""

    axes: tuple[str, ...]
    kind: str = "real"
    optional: bool = False
    written: bool = False
    in_one_piece: bool = True
    many: bool = False

    @property
    def words(self) -> str:
        """For messages."""
        return f"({', '.join(self.axes)})"


def form(text: str) -> Form:
    """Read a form."""
    shape, _, kind = text.partition(":")
    words = shape.split()
    marks = {word for word in words if word in {"?", ">", ">>", "*"}}
    axes = tuple(word for word in words if word not in marks)
    return Form(
        axes, kind.strip() or "real", "?" in marks, bool(marks & {">", ">>"}), ">>" not in marks, "*" in marks
    )


class Call:
    """What a call's arrays have shown so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sizes: dict[str, int] = {}
        self.rest: tuple[int, ...] | None = None
        self.real: np.dtype[Any] | None = None
        self.shapes: dict[str, tuple[int, ...]] = {}

    def expect(self, right: bool, argument: str, expected: str, came: object) -> None:
        """Raise InputError, naming op, argument, expectation and what came, unless it is right."""
        if not right:
            raise InputError(f"{self.name}: {argument}: expected {expected}, got {came}")

    def take(self, argument: str, value: Any, like: Form) -> Any:
        """The array, or arrays, of that argument, checked."""
        if value is None and like.optional:
            return None
        if not like.many:
            return self._one(argument, value, like)
        self.expect(isinstance(value, list | tuple) and len(value) > 0, argument, "arrays, at least one", value)
        return tuple(self._one(f"{argument}[{i}]", one, like) for i, one in enumerate(value))

    def _one(self, argument: str, value: Any, like: Form) -> Any:
        if type(value) is np.memmap:
            value = np.asarray(value)
        self.expect(type(value) is np.ndarray, argument, "ndarray", type(value).__name__)
        self._type(argument, value.dtype, like)
        value = self._memory(argument, value, like)
        self._shape(argument, value.shape, like)
        return value

    def _type(self, argument: str, kind: np.dtype[Any], like: Form) -> None:
        if like.kind in {"any", "same"}:
            self.expect(not kind.hasobject and kind.isnative, argument, "numbers", kind)
            self.expect(like.kind == "any" or self.real in {None, kind}, argument, f"{self.real}", kind)
            self.real = kind
            return
        if like.kind == "real" and self.real is None:
            self.expect(kind in FLOATS and kind.isnative, argument, "floats of 16, 32 or 64 bits", kind)
            self.real = kind
            return
        self.expect(kind.isnative, argument, "numbers in the machine's own order of bytes", kind)
        if like.kind in KINDS:
            known = KINDS[like.kind]
            self.expect(kind in known, argument, " or ".join(np.dtype(k).name for k in known), kind)
            return
        assert self.real is not None
        sums = np.dtype(np.float32) if is_half(self.real) else self.real
        allowed = {"real": (self.real,), "sums": (sums,), "either": (self.real, sums)}[like.kind]
        self.expect(kind in allowed, argument, " or ".join(sorted({k.name for k in allowed})), kind)

    def _memory(self, argument: str, value: Any, like: Form) -> Any:
        if like.written:
            self.expect(value.flags.writeable, argument, "an array that can be written", "one that is read-only")
            whole = value.flags.c_contiguous or not like.in_one_piece
            self.expect(whole, argument, "an array that lies in one piece", "one with gaps")
            self.expect(value.flags.aligned, argument, "aligned memory", "an array across words")
        return value if value.flags.aligned else value.copy()

    def _shape(self, argument: str, shape: tuple[int, ...], like: Form) -> None:
        self.shapes[argument] = shape
        axes = like.axes
        if axes == ("free",):
            return
        if axes and axes[-1] == "...":
            axes = axes[:-1]
            self.expect(len(shape) >= len(axes), argument, like.words, f"shape {shape}")
            rest = shape[len(axes) :]
            if self.rest is None:
                self.rest = rest
            self.expect(rest == self.rest, argument, f"{like.words} with ... as {self.rest}", f"shape {shape}")
        else:
            self.expect(len(shape) == len(axes), argument, like.words, f"shape {shape}")
        for axis, size in zip(axes, shape, strict=False):
            if axis == "-":  # of its own in each array
                continue
            known = self.sizes.setdefault(axis, int(axis) if axis.isdecimal() else size)
            self.expect(size == known, argument, f"{like.words} with {axis} = {known}", f"shape {shape}")
            self.expect(size > 0 or axis in MAY_BE_EMPTY, argument, f"{like.words}, none empty", f"shape {shape}")
