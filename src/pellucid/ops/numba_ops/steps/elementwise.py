"""Passes over memory that are left: sums, bounds, a factor and an offset a channel, channels side by side."""

from typing import NamedTuple

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.parts import parted, read, share
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR, Code, Integer, address, vector_code
from pellucid.ops.numba_ops.steps.finish import copy, limits, load, store
from pellucid.ops.numba_ops.steps.step import Call, Finish, Step, parts_for

COST = 16  # multiply-adds of a product that take as long as a number that is read and written
CHUNK = LANES * 512  # numbers


class _Sum(NamedTuple):
    """Addresses, and sizes."""

    x: int
    other: int  # 0 for none
    output: int
    bounds: int
    numbers: int
    parts: int


@vector_code
def _sum(
    code: Code, x: Integer, other: Integer, bounds: Integer, out: Integer, vectors: Integer, rest: Integer
) -> None:
    low, high = limits(code, bounds)

    def write(c: Integer, some: Integer | None) -> None:
        total = load(code, x + c, some) + load(code, other + c, some)
        store(code, out + c, total.at_least(low).at_most(high), some)

    with code.loop(vectors) as number:
        write(number * VECTOR, None)
    with code.loop(rest.smaller(1)):
        write(vectors * VECTOR, rest)


@vector_code
def _bound(code: Code, x: Integer, bounds: Integer, out: Integer, vectors: Integer, rest: Integer) -> None:
    low, high = limits(code, bounds)

    def write(c: Integer, some: Integer | None) -> None:
        store(code, out + c, load(code, x + c, some).at_least(low).at_most(high), some)

    with code.loop(vectors) as number:
        write(number * VECTOR, None)
    with code.loop(rest.smaller(1)):
        write(vectors * VECTOR, rest)


@parted(stages=1)
def add(arguments: int, stage: int, part: int) -> None:
    """Some of the numbers."""
    work = read(_Sum, arguments, 0)
    first, last = share((work.numbers + CHUNK - 1) // CHUNK, part, work.parts)
    start, count = first * CHUNK, min(last * CHUNK, work.numbers) - first * CHUNK
    x, out, vectors, rest = work.x + start * FLOAT, work.output + start * FLOAT, count // LANES, count % LANES
    if work.other:
        _sum(x, work.other + start * FLOAT, work.bounds, out, vectors, rest)
    else:
        _bound(x, work.bounds, out, vectors, rest)


def bounded_sum(numbers: int, last: Finish, *, several: bool) -> Step:
    """The sum of two values of so many numbers (of one, unless `several`), within bounds."""
    bounds = last.bounds()
    parts = min(parts_for(COST * numbers), -(-numbers // CHUNK))

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        other = inputs[1] if several else 0
        return [Call(add, parts, (_Sum(inputs[0], other, output, address(bounds), numbers, parts),))]

    return Step("add" if several else "bounds", calls, 0, [bounds])


class _Affine(NamedTuple):
    """Addresses, and sizes."""

    x: int  # (pixels, C)
    output: int
    factor: int
    offset: int
    bounds: int
    pixels: int
    channels: int
    parts: int


@vector_code
def _affine(
    code: Code,
    x: Integer,
    factor: Integer,
    offset: Integer,
    bounds: Integer,
    out: Integer,
    pixel: Integer,
    count: Integer,
    vectors: Integer,
    rest: Integer,
) -> None:
    low, high = limits(code, bounds)

    def write(at: Integer, c: Integer, some: Integer | None) -> None:
        value = load(code, x + at + c, some) * load(code, factor + c, some) + load(code, offset + c, some)
        store(code, out + at + c, value.at_least(low).at_most(high), some)

    with code.loop(count) as i:
        with code.loop(vectors) as number:
            write(pixel * i, number * VECTOR, None)
        with code.loop(rest.smaller(1)):
            write(pixel * i, vectors * VECTOR, rest)


@parted(stages=1)
def scale(arguments: int, stage: int, part: int) -> None:
    """Some of the pixels."""
    work = read(_Affine, arguments, 0)
    first, last = share(work.pixels, part, work.parts)
    pixel = work.channels * FLOAT
    _affine(
        work.x + first * pixel, work.factor, work.offset, work.bounds, work.output + first * pixel,
        pixel, last - first, work.channels // LANES, work.channels % LANES,
    )  # fmt: skip


def affine(pixels: int, factor: Array, offset: Array, last: Finish) -> Step:
    """factor * x + offset a channel, factor and offset (C,), within bounds."""
    factor, offset = (np.ascontiguousarray(values, np.float32) for values in (factor, offset))
    bounds, channels = last.bounds(), len(factor)
    parts = min(parts_for(COST * pixels * channels), pixels)

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        places = address(factor), address(offset), address(bounds)
        return [Call(scale, parts, (_Affine(inputs[0], output, *places, pixels, channels, parts),))]

    return Step("affine", calls, 0, [factor, offset, bounds])


class _Copy(NamedTuple):
    """Addresses, and sizes."""

    x: int  # (pixels, channels)
    output: int  # (pixels, total)
    first: int  # of its channels in the output
    pixels: int
    channels: int
    total: int
    parts: int


@parted(stages=1)
def place_channels(arguments: int, stage: int, part: int) -> None:
    """Some of the pixels."""
    work = read(_Copy, arguments, 0)
    first, last = share(work.pixels, part, work.parts)
    vectors, rest = work.channels // LANES, work.channels % LANES
    for pixel in range(first, last):
        out = work.output + (pixel * work.total + work.first) * FLOAT
        copy(work.x + pixel * work.channels * FLOAT, out, vectors, rest)


def concat(pixels: int, channels: tuple[int, ...]) -> Step:
    """The channels of all inputs side by side, of so many pixels."""
    total = sum(channels)
    parts = min(parts_for(COST * pixels * total), pixels)

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        starts = np.cumsum([0, *channels])
        return [
            Call(place_channels, parts, (_Copy(x, output, int(start), pixels, count, total, parts),))
            for x, start, count in zip(inputs, starts[:-1], channels, strict=True)
        ]

    return Step("concat", calls)
