"""What follows a product on the way to the output: bias, another image added, and the bounds of an activation.

Bounds are two numbers in memory, the least and the largest that is let through: -inf and inf for none, 0 and inf for
ReLU, 0 and 6 for ReLU6. A NaN stays NaN.
"""

from pellucid.ops.numba_ops.compile.parts import inner
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR, Code, Integer, Vector, vector_code
from pellucid.ops.numba_ops.winograd.product import PANEL


def load(code: Code, place: Integer, rest: Integer | None) -> Vector:
    """A register, or the first `rest` numbers of one."""
    return code.load(place) if rest is None else code.load_first(place, rest)


def store(code: Code, place: Integer, value: Vector, rest: Integer | None) -> None:
    """The same, written."""
    if rest is None:
        code.store(place, value)
    else:
        code.store_first(place, value, rest)


def limits(code: Code, bounds: Integer) -> tuple[Vector, Vector]:
    """The two bounds in every lane."""
    return code.broadcast(bounds), code.broadcast(bounds + FLOAT)


def _write(
    code: Code,
    totals: Integer,
    bias: Integer,
    bounds: Integer,
    added: Integer | None,
    out: Integer,
    pixel: Integer,
    count: Integer,
    rest: Integer | None,
) -> None:
    shift, (low, high) = code.load(bias), limits(code, bounds)
    with code.loop(count) as i:
        value = code.load(totals + i * (PANEL * FLOAT)) + shift
        if added is not None:
            value = value + load(code, added + pixel * i, rest)
        store(code, out + pixel * i, value.at_least(low).at_most(high), rest)


@vector_code
def _whole(
    code: Code, totals: Integer, bias: Integer, bounds: Integer, out: Integer, pixel: Integer, count: Integer
) -> None:
    _write(code, totals, bias, bounds, None, out, pixel, count, None)


@vector_code
def _part(
    code: Code,
    totals: Integer,
    bias: Integer,
    bounds: Integer,
    out: Integer,
    pixel: Integer,
    count: Integer,
    rest: Integer,
) -> None:
    _write(code, totals, bias, bounds, None, out, pixel, count, rest)


@vector_code
def _whole_added(
    code: Code,
    totals: Integer,
    bias: Integer,
    bounds: Integer,
    added: Integer,
    out: Integer,
    pixel: Integer,
    count: Integer,
) -> None:
    _write(code, totals, bias, bounds, added, out, pixel, count, None)


@vector_code
def _part_added(
    code: Code,
    totals: Integer,
    bias: Integer,
    bounds: Integer,
    added: Integer,
    out: Integer,
    pixel: Integer,
    count: Integer,
    rest: Integer,
) -> None:
    _write(code, totals, bias, bounds, added, out, pixel, count, rest)


@inner
def finish(totals: int, bias: int, bounds: int, added: int, out: int, pixel: int, count: int, channels: int) -> None:
    """A panel of up to PANEL channels of `count` pixels: totals (count, PANEL) to out, `pixel` bytes apart.

    bias is that of the first channel, in whole registers; added 0 for none, else laid out as the output.
    """
    for column in range(0, min(PANEL, channels), LANES):
        step, rest = column * FLOAT, channels - column
        if added == 0:
            if rest >= LANES:
                _whole(totals + step, bias + step, bounds, out + step, pixel, count)
            else:
                _part(totals + step, bias + step, bounds, out + step, pixel, count, rest)
        elif rest >= LANES:
            _whole_added(totals + step, bias + step, bounds, added + step, out + step, pixel, count)
        else:
            _part_added(totals + step, bias + step, bounds, added + step, out + step, pixel, count, rest)


@vector_code
def copy(code: Code, source: Integer, out: Integer, vectors: Integer, rest: Integer) -> None:
    """Numbers side by side: whole registers, and a rest."""
    with code.loop(vectors) as v:
        code.store(out + v * VECTOR, code.load(source + v * VECTOR))
    with code.loop(rest.smaller(1)):
        place = vectors * VECTOR
        code.store_first(out + place, code.load_first(source + place, rest), rest)
