"""Images of another size, and one number of many."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pellucid.exchange.onnx_fold.resize import resizing
from pellucid.exchange.onnx_fold.sums import reduced_axes
from pellucid.exchange.onnx_fold.windows import image_size
from pellucid.exchange.onnx_readers.weights import Reader
from pellucid.exchange.onnx_reading import At, RefusedError
from pellucid.layers import Abs, GlobalAvgPool2d, GlobalMaxPool2d, Layer, Power, Reduce, Resize


def _resize(at: At) -> None:
    x = at.unknown()
    image_size(at.whole(x))
    asked = resizing(at.call(), at.whole(x))
    if asked.sizes[:2] != [at.batch, x.shape[0]] or asked.scales[0] != 1 or asked.scales[1] != 1:
        raise RefusedError("of images or channels, expected of height and width")
    how, size = asked.how, (asked.sizes[2], asked.sizes[3])
    if how.coordinates != "tf_crop_and_resize" and (*size, *asked.scales[2:]) == (*x.shape[1:], 1, 1):
        at.give(x)
        return
    tops, lefts = asked.regions[2], asked.regions[3]
    options: dict[str, Any] = {} if how.coordinates != "tf_crop_and_resize" else {
        "region": (tops[0], lefts[0], tops[1], lefts[1]), "outside": asked.outside,
    }  # fmt: skip
    scale = (asked.scales[2], asked.scales[3])
    sides = list(zip(size, x.shape[1:], scale, strict=True))
    exact = all(side / before == factor for side, before, factor in sides)
    floored = all(math.floor(before * factor) == side for side, before, factor in sides)
    given: dict[str, Any] = {"scale": scale} if floored else {"size": size, "scale": scale}
    given = {"size": size} if exact and at.value(3) is not None else given
    layer = Resize(
        **given, mode=how.mode, coordinates=how.coordinates, nearest=how.nearest, cubic=how.cubic,
        antialias=how.antialias, exclude_outside=how.exclude_outside, **options,
    )  # fmt: skip
    at.give(at.emit(layer, x))


def _reduce(what: Any, newest: int, first: Callable[[], Layer] | None = None) -> Reader:
    """first: what each element becomes before."""

    def read(at: At) -> None:
        x = at.unknown() if first is None else at.emit(first(), at.unknown())
        at.known(1)
        rank = len(x.shape) + 1
        axes = reduced_axes(at.call(), rank, newest)
        if axes is None:
            at.give(x)
            return
        inner = tuple(at.sample_axis(axis, rank) for axis in axes)
        keep = bool(at.get("keepdims", 1))
        if inner == (1, 2) and rank == 4 and what in {"mean", "max"}:
            pool = GlobalAvgPool2d if what == "mean" else GlobalMaxPool2d
            at.give(at.emit(pool(flatten=not keep), x))
            return
        at.give(at.emit(Reduce(what, inner, keepdims=keep), x))

    return read


READERS: dict[str, Reader] = {
    "ReduceL1": _reduce("sum", 18, Abs),
    "ReduceL2": _reduce("l2", 18),
    "ReduceMax": _reduce("max", 18),
    "ReduceMean": _reduce("mean", 18),
    "ReduceMin": _reduce("min", 18),
    "ReduceSum": _reduce("sum", 13),
    "ReduceSumSquare": _reduce("sum", 18, lambda: Power(2)),
    "Resize": _resize,
    "Upsample": _resize,
}
