"""Which C function computes each step of an integer network, and what those functions need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from math import prod

from pellucid.errors import PellucidError
from pellucid.plan.integer_affine import IntegerAffine, IntegerConv2d, IntegerConvTranspose2d
from pellucid.plan.integer_steps import (
    MOST_SIDE,
    Images,
    IntegerAdd,
    IntegerConcat,
    IntegerCropLike,
    IntegerFlatten,
    IntegerMultiply,
    IntegerPool2d,
    IntegerRepeatEdges,
    IntegerStep,
    IntegerTable,
)

AFFINE, CONVOLVE, POOLED = "multiply_matrix", "convolve", "convolve_pooled"
DEPTHWISE, TRANSPOSED = "convolve_depthwise", "convolve_transposed"
ADD, ADD_TWO = "add", "add_two"

COLUMNED = (AFFINE, CONVOLVE, POOLED)
"""Kernels that multiply packed filters by columns of pixels."""

FILES = {
    AFFINE: "affine.c", CONVOLVE: "convolution.c", POOLED: "pooled.c", DEPTHWISE: "depthwise.c",
    TRANSPOSED: "transposed.c", ADD: "add.c", ADD_TWO: "add_two.c", "multiply": "multiply.c",
    "pool_windows": "pool.c", "look_up": "table.c", "place_channels": "concat.c", "flatten": "flatten.c",
    "move_pixels": "move.c",
}  # fmt: skip
"""The source of each kernel, in the order in which they are written."""

PLAIN_KINDS: dict[type[IntegerStep], str] = {
    IntegerPool2d: "pool_windows",
    IntegerTable: "look_up",
    IntegerMultiply: "multiply",
    IntegerConcat: "place_channels",
    IntegerFlatten: "flatten",
    IntegerRepeatEdges: "move_pixels",
    IntegerCropLike: "move_pixels",
}


def kernel_of(step: IntegerStep, shapes: Sequence[Images]) -> str:
    """Name of the C function of a step whose inputs have these shapes.

    Raises PellucidError, naming the layer, where there is none.
    """
    if max(*step.input_shape, *step.output_shape) > MOST_SIDE and not isinstance(step, IntegerFlatten):
        raise PellucidError(f"export to C: layer {step.name} has a side of more than {MOST_SIDE}, the C's 16 bits")
    if isinstance(step, IntegerConvTranspose2d):
        return TRANSPOSED
    if isinstance(step, IntegerConv2d):
        return _convolution(step)
    if isinstance(step, IntegerAdd):
        return ADD_TWO if list(shapes) == [step.output_shape] * 2 and not step.logits else ADD
    if type(step) not in PLAIN_KINDS:
        raise PellucidError(f"export to C: layer {step.name} ({type(step).__name__}) has no kernel in C")
    return PLAIN_KINDS[type(step)]


def _convolution(step: IntegerConv2d) -> str:
    if step.pool > 1:
        return POOLED
    if step.groups == step.input_shape[0] == step.output_shape[0] > 1:
        return DEPTHWISE
    whole = step.kernel == step.input_shape[1:] and not any(step.geometry.padding) and step.groups == 1
    return AFFINE if whole and step.dilation == (1, 1) else CONVOLVE


def column_length(step: IntegerAffine) -> int:
    """Numbers of a filter as it is packed: filled up to whole words of weights."""
    each = 32 // step.bits
    return -(-prod(map(int, step.weight.shape[1:])) // each) * each


@dataclass(frozen=True)
class Buffers:
    """Static memory beside the images, in entries of each array.

    column: bytes of one of two columns. taps: places of a depthwise window. largest: totals of a pooled layer.
    small_largest: the same where the code is small, whose one column serves all layers with windows.
    """

    column: int
    taps: int
    largest: int
    small_largest: int

    @property
    def size(self) -> int:
        """In bytes, with pointers of four."""
        return 2 * self.column + 4 * self.taps + 4 * self.largest

    @property
    def small_size(self) -> int:
        """Where the code is small."""
        return self.column + 4 * self.taps + 4 * self.small_largest


def buffers_of(steps: Sequence[IntegerStep], kernels: Sequence[str]) -> Buffers:
    """What these steps need, each with its kernel."""
    affine = [(s, k) for s, k in zip(steps, kernels, strict=True) if isinstance(s, IntegerAffine)]
    column = [column_length(step) for step, kernel in affine if kernel in {CONVOLVE, POOLED}]
    frame = [-(-step.input_shape[0] // 8) * 4 for step, kernel in affine if kernel == DEPTHWISE]
    taps = [prod(step.kernel) for step, kernel in affine if kernel == DEPTHWISE]
    largest = [step.output_shape[0] for step, kernel in affine if kernel == POOLED]
    small = [step.output_shape[0] for step, kernel in affine if largest and kernel in {CONVOLVE, POOLED}]
    return Buffers(*(max(sizes, default=0) for sizes in (column + frame, taps, largest, small)))


def bit_widths(steps: Sequence[IntegerStep], kernels: Sequence[str]) -> set[int]:
    """Bits of packed weights that there are."""
    both = zip(steps, kernels, strict=True)
    return {step.bits for step, kernel in both if isinstance(step, IntegerAffine) and kernel in COLUMNED}


def sources(steps: Sequence[IntegerStep], kernels: Sequence[str]) -> str:
    """The C functions that these steps call, and those that these call."""
    used = set(kernels)
    affine, columned = any(isinstance(step, IntegerAffine) for step in steps), used & {*COLUMNED}
    parts = ["arithmetic.c"] if affine or used & {ADD, ADD_TWO, "multiply"} else []
    parts += ["words.c"] if columned or DEPTHWISE in used else []
    parts += ["give.c"] if affine else []
    texts = [source(part) for part in parts]
    if columned:
        texts += ["#if NETWORK_SMALL\n", *map(source, _small(used)), "#else\n"]
        texts += [*map(source, _fast(used, bit_widths(steps, kernels))), "#endif\n"]
    return "\n".join([*texts, *(source(file) for kernel, file in FILES.items() if kernel in used - {*COLUMNED})])


def _small(used: set[str]) -> list[str]:
    """Files of the kernels of columns where code has to be small."""
    parts = ["small_product.c"]
    parts += ["small_convolution.c"] if used & {CONVOLVE, POOLED} else []
    return parts + (["small_affine.c"] if AFFINE in used else [])


def _fast(used: set[str], widths: set[int]) -> list[str]:
    """Files of the kernels of columns where time counts."""
    parts = ["columns.c"]
    parts += ["gather.c"] if used & {CONVOLVE, POOLED} else []
    parts += ["products_8.c"] if 8 in widths else []
    parts += ["products_low.c"] if {2, 4} & widths else []
    parts += ["products.c"]
    return parts + [FILES[kernel] for kernel in COLUMNED if kernel in used]


def source(name: str) -> str:
    """The text of a file of `source/`."""
    return (resources.files("pellucid.export") / "source" / name).read_text()
