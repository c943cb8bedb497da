"""Depthwise convolution of float32 images, in registers: a tap after the other, over a line of neighbouring places.

What a tap adds to a line is a line of the input times one weight a channel. A line stays in the first-level cache
while all taps are added to it.
"""

from typing import Any

from numba import prange

from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR, Code, Integer, Vector, address, vector_code

LINES = 8  # output lines whose products one sum of the weight gradient takes


def _load(code: Code, place: Integer, rest: Integer | None) -> Vector:
    return code.load(place) if rest is None else code.load_first(place, rest)


def _store(code: Code, place: Integer, value: Vector, rest: Integer | None) -> None:
    if rest is None:
        code.store(place, value)
    else:
        code.store_first(place, value, rest)


@vector_code
def _fill(
    code: Code, value: Integer, out: Integer, pixel: Integer, count: Integer, vectors: Integer, rest: Integer
) -> None:
    """out[k] = value, for `count` places that are `pixel` bytes apart."""

    def write(c: Integer, some: Integer | None) -> None:
        number = _load(code, value + c, some)
        with code.loop(count) as k:
            _store(code, out + pixel * k + c, number, some)

    with code.loop(vectors) as v:
        write(v * VECTOR, None)
    with code.loop(rest.smaller(1)):  # once if there is a rest
        write(vectors * VECTOR, rest)


@vector_code
def _add(
    code: Code,
    x: Integer,
    step: Integer,
    w: Integer,
    out: Integer,
    out_step: Integer,
    count: Integer,
    vectors: Integer,
    rest: Integer,
) -> None:
    """out[k] += x[k] * w, for `count` places; steps: bytes from one to the next."""

    def write(c: Integer, some: Integer | None) -> None:
        weight = _load(code, w + c, some)
        with code.loop(count) as k:
            place = out + out_step * k + c
            value = _load(code, x + step * k + c, some)
            _store(code, place, _load(code, place, some) + value * weight, some)

    with code.loop(vectors) as v:
        write(v * VECTOR, None)
    with code.loop(rest.smaller(1)):
        write(vectors * VECTOR, rest)


@vector_code
def _dot(
    code: Code,
    x: Integer,
    step: Integer,
    dy: Integer,
    dy_step: Integer,
    total: Integer,
    count: Integer,
    vectors: Integer,
    rest: Integer,
) -> None:
    """total += sum over `count` places of x[k] * dy[k]."""

    def write(c: Integer, some: Integer | None) -> None:
        result = code.variable(_load(code, total + c, some))
        with code.loop(count) as k:
            product = _load(code, x + step * k + c, some) * _load(code, dy + dy_step * k + c, some)
            result.set(result.get() + product)
        _store(code, total + c, result.get(), some)

    with code.loop(vectors) as v:
        write(v * VECTOR, None)
    with code.loop(rest.smaller(1)):
        write(vectors * VECTOR, rest)


@vector_code
def _relu(code: Code, out: Integer, vectors: Integer, rest: Integer) -> None:
    zero = code.number(0.0)
    with code.loop(vectors) as v:
        code.store(out + v * VECTOR, code.load(out + v * VECTOR).at_least(zero))
    with code.loop(rest.smaller(1)):
        place = out + vectors * VECTOR
        code.store_first(place, code.load_first(place, rest).at_least(zero), rest)


@jit(cache=False)
def _seen(places: int, stride: int, start: int, size: int) -> tuple[int, int]:
    """First and one past the last of the places k < `places` with 0 <= k * stride + start < size."""
    first = max(0, -(start // stride))
    return first, max(first, min(places, (size - 1 - start) // stride + 1))


@jit(parallel=True)
def forward(
    x: Any, w: Any, b: Any, y: Any, down: int, right: int, top: int, left: int, dh: int, dw: int, relu: bool
) -> None:
    """Write y (N, P, Q, C) from x (N, H, W, C), w (R, S, C) and b (C,)."""
    _, H, W, C = x.shape
    N, P, Q, _ = y.shape
    R, S, _ = w.shape
    vectors, rest, pixel = C // LANES, C % LANES, C * FLOAT
    for line in prange(N * P):
        n, p = line // P, line % P
        out = address(y) + line * Q * pixel
        _fill(address(b), out, pixel, Q, vectors, rest)
        for u in range(R):
            i = p * down - top + u * dh
            if 0 <= i < H:
                for v in range(S):
                    start = v * dw - left
                    first, last = _seen(Q, right, start, W)
                    source = address(x) + ((n * H + i) * W + first * right + start) * pixel
                    weight = address(w) + (u * S + v) * pixel
                    _add(source, right * pixel, weight, out + first * pixel, pixel, last - first, vectors, rest)
        if relu:
            _relu(out, Q * C // LANES, Q * C % LANES)


@jit(parallel=True)
def input_gradient(
    dy: Any, w: Any, zero: Any, dx: Any, down: int, right: int, top: int, left: int, dh: int, dw: int
) -> None:
    """Write dx (N, H, W, C) from dy (N, P, Q, C) and w (R, S, C); zero: (C,)."""
    _, P, Q, C = dy.shape
    N, H, W, _ = dx.shape
    R, S, _ = w.shape
    vectors, rest, pixel = C // LANES, C % LANES, C * FLOAT
    for line in prange(N * H):
        n, h = line // H, line % H
        out = address(dx) + line * W * pixel
        _fill(address(zero), out, pixel, W, vectors, rest)
        for u in range(R):
            p, odd = divmod(h + top - u * dh, down)
            if odd == 0 and 0 <= p < P:
                for v in range(S):
                    start = v * dw - left
                    first, last = _seen(Q, right, start, W)
                    source = address(dy) + ((n * P + p) * Q + first) * pixel
                    weight, place = address(w) + (u * S + v) * pixel, out + (first * right + start) * pixel
                    _add(source, pixel, weight, place, right * pixel, last - first, vectors, rest)


@jit(parallel=True)
def weight_gradient(
    dy: Any, x: Any, partial: Any, down: int, right: int, top: int, left: int, dh: int, dw: int
) -> None:
    """Write partial (parts, R, S, C): its sum is the gradient of the filters."""
    N, P, Q, C = dy.shape
    _, H, W, _ = x.shape
    parts, R, S, _ = partial.shape
    vectors, rest, pixel = C // LANES, C % LANES, C * FLOAT
    for part in prange(parts):
        partial[part] = 0
        for line in range(part * LINES, min(N * P, (part + 1) * LINES)):
            n, p = line // P, line % P
            for u in range(R):
                i = p * down - top + u * dh
                if 0 <= i < H:
                    for v in range(S):
                        start = v * dw - left
                        first, last = _seen(Q, right, start, W)
                        source = address(x) + ((n * H + i) * W + first * right + start) * pixel
                        gradient = address(dy) + (line * Q + first) * pixel
                        total = address(partial) + ((part * R + u) * S + v) * pixel
                        _dot(source, right * pixel, gradient, pixel, total, last - first, vectors, rest)
