"""A depthwise convolution with the 1x1 convolutions before and behind it, some lines at a time.

Networks of MobileNet's kind widen their images six times, convolve every channel by itself, and narrow them again. A
batch of such wide images fits no cache, and its way to memory and back takes longer than the arithmetic. Here a part
widens as many lines as the next few lines of the output see, convolves them, and narrows the result, all within its
second-level cache. Of the widened lines, those that the following lines see too are kept (Alwani et al. 2016,
"Fused-Layer CNN Accelerators", section 3, call it a pyramid of layers).
"""

from typing import NamedTuple

import numpy as np

from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.parts import inner, parted, places, read, share
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, address
from pellucid.ops.numba_ops.steps.depthwise import Depthwise, convolve_some_lines
from pellucid.ops.numba_ops.steps.depthwise import lines as depthwise
from pellucid.ops.numba_ops.steps.finish import copy
from pellucid.ops.numba_ops.steps.functions import NAMES, NONE, Function, apply_to
from pellucid.ops.numba_ops.steps.product import MOST, multiply_places, pointwise
from pellucid.ops.numba_ops.steps.step import ALIGNED, Call, Finish, Step, parts_for
from pellucid.ops.numba_ops.steps.weights import Weights
from pellucid.ops.numba_ops.steps.windows import Product
from pellucid.ops.numba_ops.winograd.product import PANEL

CACHE = 384 * 1024  # bytes of lines at a time; the filters share the second-level cache with them
LARGE = 1 << 20  # bytes of wide images from which on it pays


class Part(NamedTuple):
    """A convolution with its filters, geometry and what follows it: bounds, or another activation."""

    weights: Weights
    geometry: Geometry
    last: Finish
    function: Function | None = None


class _Lines(NamedTuple):
    """Which of the three there are, and scratch memory; sizes in bytes."""

    widens: int
    narrows: int
    group: int  # lines of the output at a time
    scratch: int  # address
    scratch_size: int  # a part
    wide_size: int  # of the widened lines in it
    deep_size: int  # of the lines of the depthwise convolution, which follow them
    parts: int


class _Then(NamedTuple):
    """The activation behind each of the three, NONE for none, and the addresses of their settings."""

    widen: int
    depth: int
    narrow: int
    widen_settings: int
    depth_settings: int
    narrow_settings: int


_LINES, _WIDEN, _DEPTHWISE, _NARROW, _THEN = places(_Lines, Product, Depthwise, Product, _Then)


@inner
def _panels(work: Product) -> int:
    return (work.filters + PANEL - 1) // PANEL


@parted(stages=1)
def convolve_lines(arguments: int, stage: int, part: int) -> None:
    """Some lines of the output. Jobs: _Lines, Product, Depthwise, Product, _Then."""
    lines, widen = read(_Lines, arguments, _LINES), read(Product, arguments, _WIDEN)
    depth, narrow = read(Depthwise, arguments, _DEPTHWISE), read(Product, arguments, _NARROW)
    then = read(_Then, arguments, _THEN)
    first, last = share(depth.number * depth.rows, part, lines.parts)
    wide = lines.scratch + part * lines.scratch_size
    deep = wide + lines.wide_size
    copied = deep + lines.deep_size
    pixel = depth.channels * FLOAT
    wide_line, deep_line = depth.width * pixel, depth.columns * pixel
    span = (depth.kernel_rows - 1) * depth.row_dilation + 1
    base, made = 0, 0  # lines of all images: the first of those that are widened, and one past the last
    number = first
    while number < last:
        n, p = divmod(number, depth.rows)
        count = min(lines.group, last - number, depth.rows - p)
        images = depth.images
        if lines.widens:
            start = p * depth.down - depth.top
            begin = n * depth.height + max(0, start)
            end = n * depth.height + min(depth.height, start + (count - 1) * depth.down + span)
            kept = max(0, made - begin)
            if kept:
                numbers = kept * depth.width * depth.channels
                copy(wide + (begin - base) * wide_line, wide, numbers // LANES, numbers % LANES)
            base, made = begin, max(begin + kept, end)
            images = wide - base * wide_line
            multiply_places(
                widen,
                widen.pixels,
                images,
                (base + kept) * depth.width,
                made * depth.width,
                0,
                _panels(widen),
                copied,
            )
            if then.widen != NONE:
                at, new = images + (base + kept) * wide_line, (made - base - kept) * depth.width * depth.channels
                apply_to(then.widen, at, then.widen_settings, new)
        output = depth.output
        if lines.narrows:
            output = deep - number * deep_line
        convolve_some_lines(depth, images, output, number, number + count, 0, (depth.channels + LANES - 1) // LANES)
        if then.depth != NONE:
            at = output + number * deep_line
            apply_to(then.depth, at, then.depth_settings, count * depth.columns * depth.channels)
        if lines.narrows:
            multiply_places(
                narrow, output, narrow.output, number * depth.columns, (number + count) * depth.columns, 0,
                _panels(narrow), copied,
            )  # fmt: skip
            if then.narrow != NONE:
                at = narrow.output + number * depth.columns * narrow.filters * FLOAT
                apply_to(then.narrow, at, then.narrow_settings, count * depth.columns * narrow.filters)
        number += count


def suits(shape: tuple[int, ...], widen: Part | None, depth: Part, narrow: Part | None) -> bool:
    """Whether it is worth it for images `shape` (N, C, H, W): the wide ones, on either side, must be large."""
    N, _, H, W = shape
    wide, _, R, S = depth.weights.shape
    P, Q = depth.geometry.output_size((H, W), (R, S))
    most = max(H * W if widen else 0, P * Q if narrow else 0)
    return N * most * wide * FLOAT > LARGE


def convolution(shape: tuple[int, ...], widen: Part | None, depth: Part, narrow: Part | None) -> Step:
    """The convolutions of images `shape` (N, C, H, W), one behind the other; what `narrow` adds is the last input."""
    N, _, H, W = shape
    wide = len(depth.weights.b)
    R, S = depth.weights.shape[2:]
    down, span = depth.geometry.stride[0], (R - 1) * depth.geometry.dilation[0] + 1
    P, Q = depth.geometry.output_size((H, W), (R, S))
    work = N * P * Q * wide * R * S
    work += N * H * W * widen.weights.size if widen else 0
    work += N * P * Q * narrow.weights.size if narrow else 0
    parts = min(parts_for(work), N * P)

    def sizes(group: int) -> tuple[int, int]:
        seen = min(H, (group - 1) * down + span)
        return (
            seen * W * wide * FLOAT if widen else 0,
            group * Q * wide * FLOAT if narrow else 0,
        )

    group = next((g for g in range(P, 1, -1) if sum(sizes(g)) <= CACHE), 1)
    group = -(-P // -(-P // group))  # alike
    wide_size, deep_size = (-(-size // ALIGNED) * ALIGNED for size in sizes(group))
    nothing = Product(*[0] * len(Product._fields))
    first, kept_first = (nothing, []) if widen is None else pointwise(N, (H, W), widen.weights, widen.last, MOST)
    inner_work, kept = depthwise((N, wide, H, W), depth.weights, depth.geometry, depth.last, parts)
    second, kept_second = (nothing, []) if narrow is None else pointwise(N, (P, Q), narrow.weights, narrow.last, MOST)
    functions = [None if one is None else one.function for one in (widen, depth, narrow)]
    settings = [np.zeros(2, np.float32) if one is None else one.settings() for one in functions]
    numbers = [NONE if one is None else NAMES[one.name] for one in functions]
    then = _Then(*numbers, *map(address, settings))
    size = wide_size + deep_size + max(first.scratch_size, second.scratch_size)

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        added = inputs[1] if narrow and narrow.last.added else 0
        jobs = (
            _Lines(
                int(widen is not None), int(narrow is not None), group, scratch, size, wide_size, deep_size, parts
            ),
            first._replace(pixels=inputs[0]),
            inner_work._replace(images=inputs[0], output=output),
            second._replace(output=output, added=added),
            then,
        )
        return [Call(convolve_lines, parts, jobs)]

    return Step("lines", calls, parts * size, [*kept_first, *kept, *kept_second, *settings], work)
