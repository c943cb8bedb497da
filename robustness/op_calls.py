"""Calls of ops, drawn from the table: right ones must give what the definition gives in float64, others one line."""

from __future__ import annotations

import inspect
from random import Random
from typing import Any

import ml_dtypes
import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.ops import numpy_ops
from pellucid.ops.arrays import Array
from pellucid.ops.forms import Form
from pellucid.ops.geometry import Geometry
from pellucid.ops.table import TABLE

NAMES = [name for name in numpy_ops.__all__ if TABLE[name].arrays]
TOLERANCES = {"float64": 1e-9, "float32": 2e-3, "float16": 4e-2, "bfloat16": 3e-1}  # of the largest number expected
TYPES: dict[str, Any] = {"bool": bool, "int8": np.int8, "int32": np.int32, "uint8": np.uint8, "float32": np.float32}


class OpCalls:
    """Draws a call, makes it, and compares."""

    name = "ops"

    def attempt(self, draw: Random) -> None:
        """One call. Raises whatever the op raises, and AssertionError where its answer is wrong."""
        name = draw.choice(NAMES)
        arguments = drawn(name, draw)
        self.call = f"{name}({', '.join(map(_shown, arguments))})"
        changed = draw.random() < 0.6
        for _ in range(draw.choice([1, 1, 2]) if changed else 0):
            name, arguments = _changed(name, arguments, draw)
        self.call = f"{name}({', '.join(map(_shown, arguments))})"
        wide = [_wide(value) for value in arguments]
        written = [i for i, key in enumerate(_forms(name)) if key is not None and key.written and i < len(arguments)]
        if name.startswith("integer_") or name in {"widen", "narrow", "channels_last", "padded"}:
            wide = [value.copy() if isinstance(value, np.ndarray) else value for value in arguments]
        try:
            answer = getattr(ops, name)(*arguments)
        except PellucidError as error:
            assert changed, f"refused: {error}"
            raise
        got = [answer, *(arguments[i] for i in written)]
        with ops.use_backend("numpy"):
            wanted = [getattr(ops, name)(*wide), *(wide[i] for i in written)]
        kind = next((_kind(value) for value in arguments if _kind(value)), "float64")
        _compare(got, wanted, TOLERANCES.get(kind, 0.0))


def _forms(name: str) -> list[Form | None]:
    return [TABLE[name].arrays.get(key) for key in inspect.signature(getattr(numpy_ops, name)).parameters]


def _kind(value: Any) -> str:
    if isinstance(value, list | tuple):
        return next((_kind(one) for one in value if _kind(one)), "")
    return value.dtype.name if isinstance(value, np.ndarray) else ""


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}/{value.strides}"
    return repr(value)[:80]


def _wide(value: Any) -> Any:
    if isinstance(value, list | tuple) and value and isinstance(value[0], np.ndarray):
        return [_wide(one) for one in value]
    if not isinstance(value, np.ndarray):
        return value
    return np.array(value, np.float64 if value.dtype.name in TOLERANCES else value.dtype)


def _compare(got: Any, wanted: Any, tolerance: float) -> None:
    if isinstance(wanted, list | tuple):
        assert isinstance(got, list | tuple) and len(got) == len(wanted), "another number of answers"
        for one, other in zip(got, wanted, strict=True):
            _compare(one, other, tolerance)
        return
    if wanted is None or callable(wanted):
        return
    a, b = np.asarray(got), np.asarray(wanted)
    assert a.shape == b.shape, f"shape {a.shape}, expected {b.shape}"
    a, b = a.astype(np.float64), b.astype(np.float64)
    largest = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0)))
    limit = float(ml_dtypes.finfo(np.asarray(got).dtype).max) if np.asarray(got).dtype.name in TOLERANCES else np.inf
    if largest < limit / 4:
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * largest, equal_nan=True)


def drawn(name: str, draw: Random) -> list[Any]:
    """Arguments that fit."""
    groups = draw.choice([1, 1, 1, 2, 3])
    size = {letter: draw.randint(1, 6) for letter in "NKDFGn"}
    size["N"], size["K"] = draw.randint(0, 3), size["K"] * groups
    if draw.random() < 0.3:  # as in networks, for which there are kernels of their own
        size["K"], size["D"] = draw.choice([8, 16, 32]) * groups, draw.choice([8, 16, 32])
    R, S = draw.choice([(1, 1), (2, 2), (3, 3), (3, 3), (draw.randint(1, 5), draw.randint(1, 5))])
    pooling = "pool2d" in name and "conv2d" not in name and not name.startswith("global")
    most = min(R, S) - 1 if pooling else 3
    geometry = Geometry(
        draw.choice([(1, 1), (1, 1), (2, 2), (draw.randint(1, 3), draw.randint(1, 3))]),
        tuple(draw.randint(0, most) for _ in range(4)) if draw.random() < 0.5 else (min(1, most),) * 4,  # type: ignore[arg-type]
        draw.choice([(1, 1), (1, 1), (1, 1), (2, 1), (2, 3)]),
        1 if pooling else groups,
    )
    span = geometry.span((R, S))
    H, W = (span[0] + draw.randint(1, 12)) * 2, (span[1] + draw.randint(1, 12)) * 2
    ceil = draw.random() < 0.3
    P, Q = geometry.output_size((H, W), (R, S), ceil and pooling)
    C = draw.randint(1, 5) if pooling else size["D"] * groups
    size |= {"C": C, "R": R, "S": S, "H": H, "W": W, "P": P, "Q": Q, "p": P // 2, "q": Q // 2}
    size |= {"E": geometry.groups}
    if name.startswith("group_norm"):
        size["G"] = draw.choice([n for n in range(1, C + 1) if C % n == 0])
    rest = tuple(draw.randint(1, 5) for _ in range(draw.randint(0, 2)))
    if (name == "softmax_cross_entropy" or name.startswith("layer_norm")) and len(rest) == 1:
        rest = ()
    kind = draw.choice(["float32", "float32", "float32", "float64", "float16", "bfloat16"])
    many = draw.randint(1, 3)
    if name.startswith("integer_transposed") or name == "integer_conv_transpose2d":
        size |= {"H": P, "W": Q}
    settings: dict[str, Any] = {
        "geometry": geometry, "kernel": (R, S), "input_size": (H, W), "convolved": (P, Q), "size": (H, W),
        "ceil": ceil, "count_padding": draw.random() < 0.5, "input_gradient": draw.random() < 0.7,
        "channels": _parts(C, draw), "shape": rest, "slope": 0.1, "low": 0, "high": draw.choice([1, 6, 255]),
        "rate": 0.25, "label_smoothing": draw.choice([0.0, 0.1]), "ignore_label": draw.choice([None, 1]),
        "normalizer": draw.choice([None, 3.0]), "momentum": 0.1, "epsilon": 1e-3, "all_reduce": None, "pool": 1,
        "count": draw.choice([None, float(size["N"] * H * W) or None]), "step": 3, "zero": draw.randint(0, 255),
        "zeros": tuple(draw.randint(0, 255) for _ in range(many if name in {"integer_add", "integer_sum"} else 2)),
        "multipliers": tuple(draw.randint(-99, 99) for _ in range(many)), "multiplier": draw.randint(0, 1 << 20),
        "shift": draw.randint(1, 30), "dtype": np.dtype(np.float16), "value": 0.5, "decay": 0.9, "beta1": 0.9,
        "padding": draw.choice([0, 1, (1, 2), (0, 1, 2, 3)]), "beta2": 0.999, "weight_decay": 0.01,
        "decoupled": draw.random() < 0.5, "nesterov": draw.random() < 0.5, "alpha": 0.7, "beta": 0.4, "scale": 1.1,
        "tanh": draw.random() < 0.5, "groups": draw.choice([n for n in range(1, C + 1) if C % n == 0]),
    }  # fmt: skip
    free = tuple(draw.randint(1, 5) for _ in range(draw.choice([2, 4])))
    pixel = (*free[:2], 1, 1) if len(free) == 4 and draw.random() < 0.5 else free
    arguments: list[Any] = []
    for place, (key, form) in enumerate(
        zip(inspect.signature(getattr(numpy_ops, name)).parameters, _forms(name), strict=True)
    ):
        if form is None:
            arguments.append(settings[key])
            continue
        if form.optional and draw.random() < 0.2:
            arguments.append(None)
            continue
        shapes = [
            (free, pixel)[place] if form.axes == ("free",) else _shape(form, size, rest, draw)
            for _ in range(many if form.many else 1)
        ]
        if key == "tables":
            shapes = [(many, 256)]
        if name in {"integer_add", "integer_sum"}:
            shapes = [shapes[0][:2] + ((H, W) if i == 0 or draw.random() < 0.7 else (1, 1)) for i in range(many)]
        if name == "integer_multiply":
            shapes = [(size["N"], C, *((H, W) if place == 0 or draw.random() < 0.5 else (1, 1)))]
        if name in {"concat", "integer_concat"} and key != "tables":
            shapes = [(size["N"], draw.randint(1, 5), *((H, W) if name[0] == "i" else rest)) for _ in range(many)]
        made = [_array(shape, form, key, kind, size, draw) for shape in shapes]
        if form.many:
            arguments += made if name == "concat" else [made]
        else:
            arguments += made
    pair = {"channel_products": (3, 4), "channel_combination": (5, 6)}.get(name)
    if pair and any(arguments[i] is None for i in pair):  # a slope goes with its offset
        arguments[pair[0]] = arguments[pair[1]] = None
    if name == "unbroadcast":
        shape = list(arguments[0].shape)
        arguments[1] = tuple(1 if draw.random() < 0.4 else s for s in shape)
    if name == "split":
        arguments[1] = _parts(arguments[0].shape[1], draw)
    return arguments


def _parts(total: int, draw: Random) -> tuple[int, ...]:
    first = draw.randint(1, total)
    return (first, total - first) if first < total else (total,)


def _shape(form: Form, size: dict[str, int], rest: tuple[int, ...], draw: Random) -> tuple[int, ...]:
    found: list[int] = []
    for axis in form.axes:
        if axis == "...":
            found += rest
        else:
            found.append(int(axis) if axis.isdecimal() else draw.randint(1, 6) if axis == "-" else size[axis])
    return tuple(found)


def _array(shape: tuple[int, ...], form: Form, key: str, kind: str, size: dict[str, int], draw: Random) -> Array:
    source = np.random.default_rng(draw.getrandbits(32))
    sums = "float32" if kind in {"float16", "bfloat16"} else kind
    drawn = {"sums": sums, "either": sums, "half": "float16", "real": kind, "same": kind, "any": kind, "weight": kind}
    if form.kind == "label":
        made: Array = source.integers(0, size["K"], shape).astype(draw.choice([np.int64, np.uint8, np.int32]))
    elif form.kind == "place":
        made = source.integers(0, max(1, size["R"] * size["S"]), shape).astype(np.uint8)
    elif key == "shift":
        made = source.integers(30, 40, shape).astype(np.int32)
    elif key == "multiplier":
        made = source.integers(0, 1 << 30, shape).astype(np.int32)
    elif key in {"rows", "columns"}:  # that the images have
        made = source.integers(0, size["H" if key == "rows" else "W"], shape).astype(np.int32)
    elif form.kind in {"int8", "uint8", "int32", "bool"}:
        made = source.integers(0, 2 if form.kind == "bool" else 100, shape).astype(TYPES[form.kind])
    else:
        name = drawn.get(form.kind, form.kind)
        made = source.standard_normal(shape).astype(getattr(ml_dtypes, name, None) or name)
        if key in {"running_variance", "s", "v", "inverse"}:
            made = np.abs(made)
    return np.asarray(made) if form.written or draw.random() < 0.5 else _laid_out(made, draw)


def _laid_out(x: Array, draw: Random) -> Array:
    """The same numbers, laid out otherwise."""
    kind = draw.randrange(6)
    if kind == 0 and x.ndim:
        return np.asfortranarray(x)
    if kind == 1 and x.ndim == 4:
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    if kind == 2 and x.ndim:
        wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
        wide[..., ::2] = x
        return wide[..., ::2]
    if kind == 3 and x.ndim:
        return np.ascontiguousarray(x[::-1])[::-1]
    if kind == 4:
        room = np.zeros(x.nbytes + 1, np.uint8)[1:]
        across = room.view(x.dtype).reshape(x.shape) if x.dtype.kind != "V" else x.copy()
        across[...] = x
        return across
    fixed = x.copy()
    fixed.flags.writeable = False
    return fixed


ODD: list[Any] = [
    None, -1, 0, 1, 2, 7, 256, 1 << 40, 0.5, -0.5, 3.0, float("nan"), float("inf"), "x", "", b"1", True, [], (), (1,),
    (2, 2), (0, 0), (-1, 3), (3.0, 3.0), (1, 2, 3), (1 << 40, 1), {}, object(), np.float32(2), np.int64(3),
    np.zeros(3), np.zeros((2, 3, 4, 5), np.float32), np.zeros(0, np.float32), np.array(1.0), [1, 2], 1j,
]  # fmt: skip


def _changed(name: str, arguments: list[Any], draw: Random) -> tuple[str, list[Any]]:
    """One argument otherwise: another shape, type, layout, value; doubled, left out, exchanged."""
    arguments = list(arguments)
    if not arguments:
        return name, arguments
    place, kind = draw.randrange(len(arguments)), draw.randrange(12)
    value = arguments[place]
    if kind == 0:
        arguments[place] = draw.choice(ODD)
    elif kind == 1:
        arguments.pop(place)
    elif kind == 2:
        arguments.insert(place, draw.choice(ODD))
    elif kind == 3:
        arguments[place] = arguments[draw.randrange(len(arguments))]
    elif kind == 4:
        name = draw.choice(NAMES)
    elif kind == 5 and isinstance(value, Geometry):
        given: list[Any] = [value.stride, value.padding, value.dilation, value.groups]
        given[draw.randrange(4)] = draw.choice([*ODD, (1, 1), (5, 5), (2, 0), 4, 5, (9, 9, 9, 9), (1, 0, 0, 0)])
        arguments[place] = Geometry(*given)
    elif isinstance(value, np.ndarray):
        arguments[place] = _array_changed(value, draw)
    elif isinstance(value, list) and value and isinstance(value[0], np.ndarray):
        value = list(value)
        at = draw.randrange(len(value))
        value[at] = draw.choice([_array_changed(value[at], draw), draw.choice(ODD)])
        arguments[place] = draw.choice([value, value[:-1], [*value, value[0]], tuple(value)])
    elif kind % 2:
        arguments[place] = draw.choice(ODD)
    return name, arguments


def _array_changed(x: Array, draw: Random) -> Any:
    kind, axis = draw.randrange(13), draw.randrange(max(1, x.ndim))
    if kind == 0 and x.ndim:
        return np.repeat(x, 2, axis)
    if kind == 1 and x.ndim:
        return np.take(x, range(max(0, x.shape[axis] - 1)), axis)
    if kind == 2 and x.ndim:
        return np.take(x, range(1 if x.shape[axis] else 0), axis)
    if kind == 3:
        return x[None]
    if kind == 4:
        return x.reshape(-1) if draw.random() < 0.5 else x[..., None]
    if kind == 5:
        other: Any = draw.choice(
            [np.float64, np.float32, np.float16, np.int64, np.int32, np.uint8, bool, object, complex, ">f4", "<U3"]
        )
        return x.astype(other)
    if kind == 6 and x.ndim > 1:
        return x.swapaxes(axis, draw.randrange(x.ndim))
    if kind == 7:
        return np.broadcast_to(x[:1], x.shape) if x.ndim else x
    if kind == 8:
        return x.tolist()
    if kind == 9 and x.ndim:
        return np.take(x, [], axis)
    if kind == 10 and x.size and x.dtype.name in TOLERANCES:
        values = np.array(x)
        values.reshape(-1)[draw.randrange(x.size)] = draw.choice([np.nan, np.inf, -np.inf, -0.0, 1e-40])
        return values
    if kind == 11:
        odd: Any = draw.choice([[("a", "f4")], "datetime64[s]", "V4", "S3", np.longdouble, ml_dtypes.float8_e4m3fn])
        return np.zeros(x.shape, odd)
    return _laid_out(x, draw)
