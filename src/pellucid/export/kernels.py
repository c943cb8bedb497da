"""Which C function computes each step of an integer network, and what those functions need."""

from __future__ import annotations

from collections.abc import Sequence
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
    IntegerOrder,
    IntegerPool2d,
    IntegerRepeatEdges,
    IntegerStep,
    IntegerTable,
)
from pellucid.plan.memory import PLACES

AFFINE, CONVOLVE, POOLED = "multiply_matrix", "convolve", "convolve_pooled"
DEPTHWISE, TRANSPOSED = "convolve_depthwise", "convolve_transposed"
ADD, ADD_TWO = "add", "add_two"

COLUMNED = (AFFINE, CONVOLVE, POOLED)
"""Kernels that multiply packed filters by columns of pixels."""

FILES = {
    AFFINE: "affine.c", CONVOLVE: "convolution.c", POOLED: "pooled.c", DEPTHWISE: "depthwise.c",
    TRANSPOSED: "transposed.c", ADD: "add.c", ADD_TWO: "add_two.c", "multiply": "multiply.c",
    "pool_windows": "pool.c", "look_up": "table.c", "place_channels": "concat.c", "flatten": "flatten.c",
    "order_channels": "order.c", "move_pixels": "move.c",
}  # fmt: skip
"""The source of each kernel, in the order in which they are written."""

PLAIN_KINDS: dict[type[IntegerStep], str] = {
    IntegerPool2d: "pool_windows",
    IntegerTable: "look_up",
    IntegerMultiply: "multiply",
    IntegerConcat: "place_channels",
    IntegerFlatten: "flatten",
    IntegerOrder: "order_channels",
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


def scratch_of(step: IntegerStep, kernel: str, *, small: bool) -> int:
    """Bytes at the arena's end that a step needs while it runs: columns of pixels, what a pool has found until now, a
    depthwise window's pixel outside of the image. small: where the code is."""
    if not isinstance(step, IntegerAffine):
        return 0
    if kernel == DEPTHWISE:
        return step.input_shape[0]
    if kernel not in {CONVOLVE, POOLED}:
        return 0
    column = column_length(step) * (1 if small else 2 * PLACES)  # of one byte, or of 16 bits
    found = kernel == POOLED if small else step.pool**2 > PLACES
    return column + (4 * step.output_shape[0] if found else 0)


def taps_of(steps: Sequence[IntegerStep], kernels: Sequence[str]) -> int:
    """Pixels of the largest depthwise window."""
    both = zip(steps, kernels, strict=True)
    taps = [prod(step.kernel) for step, kernel in both if isinstance(step, IntegerAffine) and kernel == DEPTHWISE]
    return max(taps, default=0)


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
        texts += [*_fast(used, bit_widths(steps, kernels)), "#endif\n"]
    return "\n".join([*texts, *(source(file) for kernel, file in FILES.items() if kernel in used - {*COLUMNED})])


def _small(used: set[str]) -> list[str]:
    """Files of the kernels of columns where code has to be small."""
    parts = ["small_product.c"]
    parts += ["small_convolution.c"] if used & {CONVOLVE, POOLED} else []
    return parts + (["small_affine.c"] if AFFINE in used else [])


def _fast(used: set[str], widths: set[int]) -> list[str]:
    """Texts of the kernels of columns where time counts: with Helium, and without it."""
    windows = bool(used & {CONVOLVE, POOLED})
    helium, others = ["helium_codes.c"], list[str]()
    if windows:
        helium += ["helium_append.c", "helium_products.c"]
        others += ["append.c", "two_by_four.c"]
        others += ["products_8.c"] if 8 in widths else []
        others += ["products_low.c", "sums.c"] if {2, 4} & widths else []
        others += ["products.c"]
    if AFFINE in used:
        helium, others = [*helium, "helium_affine.c"], [*others, "affine_totals.c"]
    texts = [source("columns.c")] if windows else []
    texts += ["#if NETWORK_HELIUM\n", *map(source, helium), "#else\n", *map(source, others), "#endif\n"]
    texts += [source("gather.c")] if windows else []
    return texts + [source(FILES[kernel]) for kernel in COLUMNED if kernel in used]


def source(name: str) -> str:
    """The text of a file of `source/`."""
    return (resources.files("pellucid.export") / "source" / name).read_text()
