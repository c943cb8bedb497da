"""Numbers laid out anew as a step, such as a shuffle or a part of the channels: each from its place, or 0."""

import math
from typing import NamedTuple

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.parts import floats, parted, read, share, wholes
from pellucid.ops.numba_ops.compile.vectors import address
from pellucid.ops.numba_ops.steps.step import Call, Step, parts_for

COST = 4  # multiply-adds of a product that take as long as a number moved


class _Work(NamedTuple):
    """Addresses, and sizes: of a row that is read and one that is written, and how many numbers run on together."""

    x: int
    output: int
    places: int
    rows: int
    size: int
    units: int
    run: int
    parts: int


@parted(stages=1)
def move(arguments: int, stage: int, part: int) -> None:
    """Some of the runs of numbers."""
    work = read(_Work, arguments, 0)
    first, last = share(work.rows * work.units, part, work.parts)
    x, made, places, run = floats(work.x), floats(work.output), wholes(work.places), work.run
    unit = first
    while unit < last:
        row, start = unit // work.units, unit % work.units
        stop = min(work.units, start + last - unit)
        for k in range(start, stop):
            source, target = row * work.size + places[k], (row * work.units + k) * run
            if places[k] < 0:
                for i in range(run):
                    made[target + i] = np.float32(0)
            elif run == 1:
                made[target] = x[source]
            else:
                for i in range(run):
                    made[target + i] = x[source + i]
        unit += stop - start


def gather(number: int, size: int, places: Array, pixel: tuple[int, int]) -> Step:
    """Each of `number` samples of `size` numbers anew: its number i from places[i], or 0 where that is below 0.

    pixel: how many numbers lie together in a pixel that is read and in one that is written; 0 where there are none.
    """
    rows, table = number, places
    read_, written = pixel
    if read_ and written and size // read_ == len(places) // written:
        each, first = places.reshape(-1, written), np.arange(size // read_)[:, None] * read_
        if np.array_equal(each, np.where(each[:1] < 0, -1, each[:1] + first)):  # every pixel alike
            rows, size, table = number * len(each), read_, each[0]
    run = run_of(table)
    table = np.ascontiguousarray(table[::run], np.int64)
    parts = min(parts_for(COST * number * len(places)), rows * len(table))

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        return [Call(move, parts, (_Work(inputs[0], output, address(table), rows, size, len(table), run, parts),))]

    return Step("move", calls, 0, [table])


def run_of(places: Array) -> int:
    """The largest number such that as many places follow each other, from each multiple of it on."""
    inside = places >= 0
    follows = np.where(inside[1:], places[1:] == places[:-1] + 1, ~inside[:-1]) & (inside[1:] == inside[:-1])
    return math.gcd(len(places), *(np.flatnonzero(~follows) + 1).tolist())
