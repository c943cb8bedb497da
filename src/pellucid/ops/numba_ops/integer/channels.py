"""Channels of images of bytes side by side, each number by a table, or in another order."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.parts import parted, read, share, small, wholes
from pellucid.ops.numba_ops.compile.vectors import address
from pellucid.ops.numba_ops.steps.moves import run_of
from pellucid.ops.numba_ops.steps.step import Call, Step, parts_for

COST = 4  # multiply-adds of a product that take as long as one number
SAME = np.arange(256, dtype=np.uint8)


class Place(NamedTuple):
    """Addresses, and sizes. table: 0 for none. all: channels of the output."""

    x: int
    output: int
    table: int
    pixels: int
    channels: int
    all: int
    parts: int


@parted(stages=1)
def place(arguments: int, stage: int, part: int) -> None:
    """Some of the pixels, into some of the output's channels."""
    work = read(Place, arguments, 0)
    first, last = share(work.pixels, part, work.parts)
    table = small(work.table)
    for pixel in range(first, last):
        x, out = small(work.x + pixel * work.channels), small(work.output + pixel * work.all)
        if work.table == 0:
            for k in range(work.channels):
                out[k] = x[k]
        else:
            for k in range(work.channels):
                out[k] = table[x[k]]


def joined(pixels: int, channels: Sequence[int], tables: Array) -> Step:
    """Images of so many pixels in all side by side, each with its channels and its table; see the definition."""
    tables = np.ascontiguousarray(tables)
    looked_up = [address(table) if (table != SAME).any() else 0 for table in tables]
    starts = np.cumsum([0, *channels]).tolist()
    parts = [min(parts_for(COST * pixels * count), max(1, pixels)) for count in channels]

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        return [
            Call(place, n, (Place(x, output + start, table, pixels, count, starts[-1], n),))
            for x, start, table, count, n in zip(inputs, starts, looked_up, channels, parts, strict=False)
        ]

    return Step("integer concat", calls, 0, [tables])


class Order(NamedTuple):
    """Addresses, and sizes. places: of the first channel of each of `units` runs of `run` channels."""

    x: int
    output: int
    places: int
    pixels: int
    channels: int
    units: int
    run: int
    parts: int


@parted(stages=1)
def order(arguments: int, stage: int, part: int) -> None:
    """Some of the pixels."""
    work = read(Order, arguments, 0)
    first, last = share(work.pixels, part, work.parts)
    places, units, run = wholes(work.places), work.units, work.run
    for pixel in range(first, last):
        x, out = small(work.x + pixel * work.channels), small(work.output + pixel * units * run)
        for k in range(units):
            if run == 1:
                out[k] = x[places[k]]
            else:
                for i in range(run):
                    out[k * run + i] = x[places[k] + i]


def ordered(pixels: int, channels: int, wanted: Sequence[int]) -> Step:
    """Of so many pixels with so many channels each, those wanted, in that order."""
    places = np.array(wanted, np.int64)
    run = run_of(places)
    table = np.ascontiguousarray(places[::run])
    parts = min(parts_for(COST * pixels * len(places)), max(1, pixels))

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        work = Order(inputs[0], output, address(table), pixels, channels, len(table), run, parts)
        return [Call(order, parts, (work,))]

    return Step("integer order", calls, 0, [table])
