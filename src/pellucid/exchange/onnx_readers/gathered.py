"""Numbers taken by their places: channels of each image, or of all images where that is each in another shape.

The latter is how PyTorch's exporter writes a view that it can't tell from others: all images in one axis, and the
places that follow from where each begins.
"""

from __future__ import annotations

import math

import numpy as np

from pellucid.exchange.onnx_readers.weights import Reader
from pellucid.exchange.onnx_reading import At, Known, RefusedError, Unknown
from pellucid.layers import ChannelOrder, Reshape
from pellucid.ops.arrays import Array, Shape


def rises(at: At) -> bool:
    """Whether a sum of constants is places that rise from image to image: only the first image's are kept then."""
    first, second = at.value(0), at.value(1)
    known = isinstance(first, Known) and isinstance(second, Known)
    if at.node.operator != "Add" or not known:
        _refuse(at)
        return False
    assert isinstance(first, Known)
    assert isinstance(second, Known)
    for one, other in ((first, second), (second, first)):
        rise = one.rise if one.rise is not None else _ramp(one.array, at.batch)
        if rise is None or other.rise is not None or other.array.dtype != one.array.dtype:
            continue
        if other.array.ndim < one.array.ndim or other.array.shape[0] == 1:
            at.give(Known(one.array[:1] + other.array, rise=rise))
            return True
    _refuse(at)
    return False


def _refuse(at: At) -> None:
    for place in range(len(at.node.inputs)):
        found = at.value(place)
        if isinstance(found, Known) and found.rise is not None:
            raise RefusedError("of places that rise from image to image")


def _ramp(array: Array, batch: int) -> int | None:
    """By how much the numbers rise, of one whole number an image; None where they don't."""
    if array.ndim < 2 or array.shape[0] != batch or array.size != batch or array.dtype.kind != "i" or batch < 2:
        return None
    steps = np.diff(array.reshape(-1))
    return int(steps[0]) if (steps == steps[0]).all() and array.flat[0] == 0 else None


def _gather(at: At) -> None:
    x, places = at.unknown(0), at.value(1)
    if isinstance(places, Known) and places.rise is None and places.array.ndim == 1 and x.plain:
        at.give(at.emit(_channels(at, places.array, x.shape), x))
        return
    if not isinstance(places, Known) or not x.flat or at.get("axis", 0):
        raise RefusedError("but of each image's own numbers in their order")
    size, array = math.prod(x.shape), places.array
    whole = places.rise is None
    own = array[:1] if not whole else array
    count = at.batch if whole else 1
    fits = array.ndim > 1 and own.shape[0] == count and own.size == count * size and places.rise in {None, size}
    if not fits or not np.array_equal(own.reshape(-1), np.arange(own.size)):
        raise RefusedError("but of each image's own numbers in their order")
    images = Unknown(x.name, x.shape)
    at.give(images if own.shape[1:] == x.shape else at.emit(Reshape(*own.shape[1:]), images))


def _channels(at: At, places: Array, shape: Shape) -> ChannelOrder:
    """The layer that takes some channels; of images of that shape."""
    if at.sample_axis(at.get("axis", 0), len(shape) + 1) != 0:
        raise RefusedError("along another axis than that of the channels")
    if not len(places) or min(places) < -shape[0] or max(places) >= shape[0]:
        raise RefusedError(f"of channels that aren't among {shape[0]}")
    return ChannelOrder(*(int(place) % shape[0] for place in places))


READERS: dict[str, Reader] = {"Gather": _gather}
