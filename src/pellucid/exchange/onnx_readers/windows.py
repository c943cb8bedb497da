"""Convolutions and pools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.exchange.onnx_fold.windows import image_size, kernel_of, transposed, window
from pellucid.exchange.onnx_readers.weights import Reader, biased, converted, floats, own_name
from pellucid.exchange.onnx_reading import At, Known, RefusedError, Unknown
from pellucid.layers import (
    AvgPool2d,
    Conv2d,
    ConvTranspose2d,
    GlobalAvgPool2d,
    GlobalMaxPool2d,
    Layer,
    MaxPool2d,
    Pad,
    Reshape,
    Shift,
)
from pellucid.layers.sliding import SAME, SAME_LOWER, Padding
from pellucid.ops.arrays import Pair


def _padding(at: At, size: Pair, kernel: Pair) -> Padding:
    """The padding as our layers take it; "same" stays so, for images of every size."""
    kind = at.get("auto_pad", "NOTSET")
    geometry = window(at.call(), size, kernel)
    if kind in {"SAME_UPPER", "SAME_LOWER"}:
        return SAME if kind == "SAME_UPPER" else SAME_LOWER
    return geometry.before if geometry.symmetric else geometry.padding


def _settings(at: At, x: Unknown, kernel: Pair) -> dict[str, Any]:
    size = image_size(at.whole(x))
    geometry = window(at.call(), size, kernel)
    return {"stride": geometry.stride, "padding": _padding(at, size, kernel), "dilation": geometry.dilation}


def _weight(at: At, x: Unknown) -> tuple[Known, Pair]:
    """The filters of a convolution, and their height and width."""
    weight = at.needed(1)
    image_size(at.whole(x))
    if weight.array.ndim != 4 or 0 in weight.array.shape:
        raise RefusedError(f"weights of shape {weight.array.shape}")
    given = at.get("kernel_shape")
    kernel = weight.array.shape[2], weight.array.shape[3]
    if given is not None and tuple(given) != kernel:
        raise RefusedError(f"kernel_shape {given[:8]} for weights of shape {weight.array.shape}")
    return weight, kernel


def _conv(at: At) -> None:
    x = at.unknown()
    weight, kernel = _weight(at, x)
    K, groups = weight.array.shape[0], at.get("group", 1)
    if groups < 1 or K % groups or weight.array.shape[1] * groups != x.shape[0]:
        raise RefusedError(f"weights of shape {weight.array.shape} in {groups} groups, for {x.shape[0]} channels")
    bias = at.value(2) is not None
    layer = Conv2d(K, kernel, groups=groups, bias=bias, **_settings(at, x, kernel))
    at.give(biased(at, layer, x, K, weight))


def _conv_transpose(at: At) -> None:
    x = at.unknown()
    weight, kernel = _weight(at, x)
    groups = at.get("group", 1)
    K, bias = weight.array.shape[1] * groups, at.value(2) is not None
    padding, extra = transposed(at.call(), image_size(at.whole(x)), kernel)
    geometry = window(at.call(), (1, 1), kernel)
    stride = geometry.stride
    if groups < 1 or weight.array.shape[0] != x.shape[0] or x.shape[0] % groups:
        raise RefusedError(f"weights of shape {weight.array.shape} in {groups} groups, for {x.shape[0]} channels")
    inside = tuple(min(e, s - 1) for e, s in zip(extra, stride, strict=True))
    beyond = tuple(e - i for e, i in zip(extra, inside, strict=True))
    sides: Any = padding if padding[0] != padding[1] or padding[2] != padding[3] else (padding[0], padding[2])
    layer = ConvTranspose2d(
        K, kernel, stride=stride, padding=sides, output_padding=(inside[0], inside[1]), dilation=geometry.dilation,
        groups=groups, bias=bias and not any(beyond), frozen=weight.source in at.reading.untrained,
    )  # fmt: skip
    if not any(beyond):
        at.give(biased(at, layer, x, K, weight))
        return
    y = at.emit(layer, x, name=own_name(at), weights={"weight": converted(weight)})
    y = at.emit(Pad((0, 0, 0), (0, *beyond)), y)
    offsets = at.known(2)
    at.give(
        y
        if offsets is None
        else at.emit(Shift((K, 1, 1)), y, weights={"bias": floats(offsets.array).reshape(K, 1, 1)})
    )


def _max_pool(at: At) -> None:
    x = at.unknown()
    if at.wants(1):
        raise RefusedError("the places of the largest as a second output")
    kernel = kernel_of(at.call())
    at.give(at.emit(MaxPool2d(kernel, ceil=bool(at.get("ceil_mode", 0)), **_settings(at, x, kernel)), x))


def _over_neighbours(at: At, x: Unknown) -> bool:
    """Whether it is the mean over neighbouring channels of (1, C, H, W), a window of three axes: a 2-D pool, then."""
    kernel = at.get("kernel_shape", [])
    plain = not any(at.get("pads", [0])) and at.get("auto_pad", "NOTSET") in {"NOTSET", "VALID", ""}
    once = all(step == 1 for name in ("strides", "dilations") for step in at.get(name, [1]))
    if len(kernel) != 3 or len(x.shape) != 4 or x.shape[0] != 1 or kernel[1:] != [1, 1] or not (plain and once):
        return False
    _, C, H, W = x.shape
    pooled = at.emit(AvgPool2d((kernel[0], 1), stride=1), at.emit(Reshape(1, C, H * W), x))
    at.give(at.emit(Reshape(1, C - kernel[0] + 1, H, W), pooled))
    return True


def _avg_pool(at: At) -> None:
    x = at.unknown()
    if _over_neighbours(at, x):
        return
    kernel, counted = kernel_of(at.call()), bool(at.get("count_include_pad", 0))
    settings = _settings(at, x, kernel) | {"ceil": bool(at.get("ceil_mode", 0))}
    at.give(at.emit(AvgPool2d(kernel, count_padding=counted, **settings), x))


def _globally(layer: Callable[..., Layer]) -> Reader:
    def read(at: At) -> None:
        x = at.unknown()
        image_size(at.whole(x))
        at.give(at.emit(layer(flatten=False), x))

    return read


READERS: dict[str, Reader] = {
    "AveragePool": _avg_pool,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "GlobalAveragePool": _globally(GlobalAvgPool2d),
    "GlobalMaxPool": _globally(GlobalMaxPool2d),
    "MaxPool": _max_pool,
}
