"""Registers of a step on the way to the output, whole or in part, and the bounds of an activation.

Bounds are two numbers in memory, the least and the largest that is let through: -inf and inf for none, 0 and inf for
ReLU, 0 and 6 for ReLU6. A NaN stays NaN.
"""

from pellucid.ops.numba_ops.compile.vectors import FLOAT, VECTOR, Code, Integer, Vector, vector_code


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


@vector_code
def copy(code: Code, source: Integer, out: Integer, vectors: Integer, rest: Integer) -> None:
    """Numbers side by side: whole registers, and a rest."""
    with code.loop(vectors) as v:
        code.store(out + v * VECTOR, code.load(source + v * VECTOR))
    with code.loop(rest.smaller(1)):
        place = vectors * VECTOR
        code.store_first(out + place, code.load_first(source + place, rest), rest)
