"""Convolutions and pools."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.errors import PellucidError
from pellucid.exchange.onnx_fold.call import Call, Folded, room_for, wide
from pellucid.layers.convolution import ConvTranspose2d
from pellucid.ops import numpy_ops
from pellucid.ops.arrays import Array, Pair, Shape
from pellucid.ops.geometry import Geometry


def image_size(x: Shape) -> Pair:
    """(H, W) of images (N, C, H, W). Raises PellucidError for sequences and volumes."""
    if len(x) != 4:
        raise PellucidError(f"of {len(x) - 2} dimensions, expected images of 2")
    return x[2], x[3]


def window(call: Call, size: Pair, kernel: Pair, *, groups: int = 1) -> Geometry:
    """Where the windows of a convolution or a pool stand on an image of that size."""
    stride = _pair(call.get("strides"), "strides")
    dilation = _pair(call.get("dilations"), "dilations")
    kind = call.get("auto_pad", "NOTSET")
    plain = Geometry(stride, (0, 0, 0, 0), dilation, groups)
    if kind in {"SAME_UPPER", "SAME_LOWER"}:
        return plain.same(size, kernel, lower=kind == "SAME_LOWER")
    if kind not in {"NOTSET", "VALID", ""}:
        raise PellucidError(f"auto_pad {kind}")
    pads = call.get("pads", [0, 0, 0, 0]) if kind != "VALID" else [0, 0, 0, 0]
    if len(pads) != 4 or min(pads) < 0:
        raise PellucidError(f"pads {pads[:8]}")
    return Geometry(stride, (pads[0], pads[2], pads[1], pads[3]), dilation, groups)


def _pair(given: list[int] | None, name: str) -> Pair:
    if given is None:
        return 1, 1
    if len(given) != 2 or min(given) < 1:
        raise PellucidError(f"{name} {given[:8]}")
    return given[0], given[1]


def kernel_of(call: Call) -> Pair:
    """The window of a pool."""
    if call.get("kernel_shape") is None:
        raise PellucidError("no kernel_shape")
    return _pair(call.get("kernel_shape"), "kernel_shape")


def _conv(call: Call) -> Array:
    x, w, b = wide(call[0]), wide(call[1]), call.maybe(2)
    size, kernel = image_size(x.shape), (w.shape[2], w.shape[3])
    geometry = window(call, size, kernel, groups=call.get("group", 1))
    y = numpy_ops.conv2d(x, w, None if b is None else wide(b), geometry)
    return y.astype(call[0].dtype)


def transposed(call: Call, size: Pair, kernel: Pair) -> tuple[tuple[int, int, int, int], Pair]:
    """Padding (top, bottom, left, right) and output_padding of a transposed convolution, from all that may say it."""
    stride, dilation = _pair(call.get("strides"), "strides"), _pair(call.get("dilations"), "dilations")
    extra, wanted = call.get("output_padding", [0, 0]), call.get("output_shape")
    kind = call.get("auto_pad", "NOTSET")
    pads = call.get("pads", [0, 0, 0, 0])
    if len(extra) != 2 or len(pads) != 4 or min(*extra, *pads) < 0:
        raise PellucidError(f"output_padding {extra[:4]}, pads {pads[:8]}")
    if kind in {"SAME_UPPER", "SAME_LOWER"} and wanted is None:
        wanted = [size[0] * stride[0], size[1] * stride[1]]
    if wanted is None:
        top, left, bottom, right = pads if kind != "VALID" else (0, 0, 0, 0)
        return (top, bottom, left, right), (extra[0], extra[1])
    sides, more = [], []
    for axis, length in enumerate(list(wanted)[-2:]):
        full = stride[axis] * (size[axis] - 1) + extra[axis] + (kernel[axis] - 1) * dilation[axis] + 1
        total = max(0, full - length)
        less = total // 2
        sides += [less, total - less] if kind == "SAME_UPPER" else [total - less, less]
        more.append(extra[axis] + max(0, length - full))
    return (sides[0], sides[1], sides[2], sides[3]), (more[0], more[1])


def _conv_transpose(call: Call) -> Array:
    x, w, b = wide(call[0]), wide(call[1]), call.maybe(2)
    size, kernel = image_size(x.shape), (w.shape[2], w.shape[3])
    padding, extra = transposed(call, size, kernel)
    stride, dilation = _pair(call.get("strides"), "strides"), _pair(call.get("dilations"), "dilations")
    groups = call.get("group", 1)
    inside = tuple(min(e, s - 1) for e, s in zip(extra, stride, strict=True))
    layer = ConvTranspose2d(
        w.shape[1] * groups, kernel, stride=stride, padding=padding, output_padding=(inside[0], inside[1]),
        dilation=dilation, groups=groups,
    )  # fmt: skip
    out = layer._spread(size)
    room_for((x.shape[0], w.shape[1] * groups, out[0] + extra[0], out[1] + extra[1]))
    y = numpy_ops.conv2d_input_gradient(x, w, out, layer.geometry)
    y = np.pad(y, [(0, 0), (0, 0), (0, extra[0] - inside[0]), (0, extra[1] - inside[1])])
    return (y if b is None else y + wide(b)[:, None, None]).astype(call[0].dtype)


def _max_pool(call: Call) -> list[Array]:
    x = wide(call[0])
    size, kernel = image_size(x.shape), kernel_of(call)
    geometry, ceil = window(call, size, kernel), bool(call.get("ceil_mode", 0))
    lowest = x.astype(np.float32) if x.dtype.kind != "f" else x
    y, winner = numpy_ops.max_pool2d(lowest, kernel, geometry, ceil)
    row, column = np.divmod(winner.astype(np.int64), kernel[1])
    P, Q = np.ogrid[: y.shape[2], : y.shape[3]]
    rows = P * geometry.stride[0] - geometry.before[0] + row * geometry.dilation[0]
    columns = Q * geometry.stride[1] - geometry.before[1] + column * geometry.dilation[1]
    sample = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], 1, 1) * (size[0] * size[1])
    within = rows + columns * size[0] if call.get("storage_order", 0) else rows * size[1] + columns
    return [y.astype(call[0].dtype), sample + within]


def _avg_pool(call: Call) -> Array:
    x = wide(call[0])
    size, kernel = image_size(x.shape), kernel_of(call)
    geometry, ceil = window(call, size, kernel), bool(call.get("ceil_mode", 0))
    y = numpy_ops.avg_pool2d(x, kernel, geometry, ceil, bool(call.get("count_include_pad", 0)))
    return y.astype(call[0].dtype)


FOLDS: dict[str, Callable[[Call], Folded]] = {
    "AveragePool": _avg_pool,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _max_pool,
}
