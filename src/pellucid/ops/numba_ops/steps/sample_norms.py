"""Norms of samples as steps: by groups of channels, or over the channels of each pixel (elementwise/sample_norms)."""

from typing import NamedTuple

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.parts import floats, parted, read, share
from pellucid.ops.numba_ops.compile.vectors import FLOAT, address
from pellucid.ops.numba_ops.steps.step import Call, Finish, Step, parts_for

CHUNK = 256  # pixels
COST = 32  # multiply-adds of a product that take as long as one number


class _Work(NamedTuple):
    """Addresses, and sizes."""

    x: int  # (N, pixels, C)
    output: int
    gamma: int
    beta: int
    bounds: int
    settings: int  # epsilon
    scratch: int  # sums and sums of squares a chunk (N, chunks, 2, C), then factor and offset (N, 2, C)
    number: int
    pixels: int
    channels: int
    groups: int
    parts: int


@parted(stages=3)
def group(arguments: int, stage: int, part: int) -> None:
    """Sums of some chunks; factors and offsets of some images; some chunks mapped."""
    work = read(_Work, arguments, 0)
    C, chunks = work.channels, (work.pixels + CHUNK - 1) // CHUNK
    x, sums = floats(work.x), floats(work.scratch)
    maps = floats(work.scratch + work.number * chunks * 2 * C * FLOAT)
    if stage == 1:
        first, last = share(work.number, part, work.parts)
        gamma, beta, epsilon = floats(work.gamma), floats(work.beta), floats(work.settings)[0]
        each = C // work.groups
        for n in range(first, last):
            for g in range(work.groups):
                mean = 0.0
                for chunk in range(chunks):
                    count = min(CHUNK, work.pixels - chunk * CHUNK)
                    at, start = (n * chunks + chunk) * 2 * C, (n * work.pixels + chunk * CHUNK) * C
                    for c in range(g * each, (g + 1) * each):
                        mean += np.float64(x[start + c]) * count + sums[at + c]
                mean /= work.pixels * each
                squares = 0.0
                for chunk in range(chunks):
                    count = min(CHUNK, work.pixels - chunk * CHUNK)
                    at, start = (n * chunks + chunk) * 2 * C, (n * work.pixels + chunk * CHUNK) * C
                    for c in range(g * each, (g + 1) * each):
                        apart = sums[at + c] / np.float64(count)
                        off = x[start + c] + apart - mean
                        squares += sums[at + C + c] - apart * sums[at + c] + count * off * off
                inverse = 1 / np.sqrt(max(squares, 0.0) / (work.pixels * each) + epsilon)
                for c in range(g * each, (g + 1) * each):
                    factor = gamma[c] * inverse
                    maps[n * 2 * C + c] = np.float32(factor)
                    maps[n * 2 * C + C + c] = np.float32(beta[c] - mean * factor)
        return
    bounds, made = floats(work.bounds), floats(work.output)
    low, high = bounds[0], bounds[1]
    first, last = share(work.number * chunks, part, work.parts)
    for number in range(first, last):
        n, chunk = number // chunks, number % chunks
        start, end = chunk * CHUNK, min(work.pixels, (chunk + 1) * CHUNK)
        base, at, own = (n * work.pixels + start) * C, number * 2 * C, n * 2 * C
        if stage == 0:
            for c in range(2 * C):
                sums[at + c] = np.float32(0)
            for i in range(1, end - start):
                for c in range(C):
                    apart = x[base + i * C + c] - x[base + c]
                    sums[at + c] += apart
                    sums[at + C + c] += apart * apart
        else:
            for i in range(end - start):
                for c in range(C):
                    value = x[base + i * C + c] * maps[own + c] + maps[own + C + c]
                    made[base + i * C + c] = low if value <= low else high if value >= high else value


def group_norm(
    number: int, pixels: int, gamma: Array, beta: Array, groups: int, epsilon: float, last: Finish
) -> Step:
    """Groups of channels of `number` images standardised, gamma and beta (C,), within bounds."""
    return _step("group-norm", group, number, pixels, gamma, beta, groups, epsilon, last)


@parted(stages=1)
def layer(arguments: int, stage: int, part: int) -> None:
    """Some of the pixels."""
    work = read(_Work, arguments, 0)
    C = work.channels
    first, last = share(work.number * work.pixels, part, work.parts)
    x, made = floats(work.x), floats(work.output)
    gamma, beta, bounds, epsilon = floats(work.gamma), floats(work.beta), floats(work.bounds), floats(work.settings)
    low, high = bounds[0], bounds[1]
    for pixel in range(first, last):
        base = pixel * C
        total = 0.0
        for c in range(C):
            total += x[base + c]
        mean = np.float32(total / C)
        squares = 0.0
        for c in range(C):
            apart = x[base + c] - mean
            squares += apart * apart
        inverse = np.float32(1 / np.sqrt(squares / C + epsilon[0]))
        for c in range(C):
            value = (x[base + c] - mean) * inverse * gamma[c] + beta[c]
            made[base + c] = low if value <= low else high if value >= high else value


def layer_norm(pixels: int, gamma: Array, beta: Array, epsilon: float, last: Finish) -> Step:
    """The channels of each of so many pixels standardised, gamma and beta (C,), within bounds."""
    return _step("layer-norm", layer, 1, pixels, gamma, beta, 1, epsilon, last)


def _step(
    name: str,
    kernel: object,
    number: int,
    pixels: int,
    gamma: Array,
    beta: Array,
    groups: int,
    epsilon: float,
    last: Finish,
) -> Step:
    C, bounds, settings = len(gamma), last.bounds(), np.array([epsilon], np.float32)
    gamma, beta = (np.ascontiguousarray(values, np.float32) for values in (gamma, beta))
    parts = min(parts_for(COST * number * pixels * C), number * pixels)
    scratch = FLOAT * 2 * C * number * (-(-pixels // CHUNK) + 1) if kernel is group else 0

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        places = address(gamma), address(beta), address(bounds), address(settings)
        work = _Work(inputs[0], output, *places, scratch, number, pixels, C, groups, parts)
        return [Call(kernel, parts, (work,))]  # type: ignore[arg-type]

    return Step(name, calls, scratch, [gamma, beta, bounds, settings])
