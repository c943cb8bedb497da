"""The windows of convolutions and pools as ONNX's attributes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pellucid.layers.sliding import SAME, SAME_LOWER
from pellucid.ops.arrays import Pair
from pellucid.ops.geometry import Geometry

AUTO_PAD = {SAME: "SAME_UPPER", SAME_LOWER: "SAME_LOWER"}


def window_attributes(geometry: Geometry, kernel: Pair, same: str) -> dict[str, Any]:
    """Of a window that is moved so over images of the usual size.

    same: "same" or "same-lower" where the padding follows from the image's size; onnxruntime knows that only of
    windows that leave nothing out.
    """
    top, bottom, left, right = geometry.padding
    leaves = any(step > wide for step, wide in zip(geometry.stride, geometry.span(kernel), strict=True))
    padding = {"pads": [top, left, bottom, right]} if leaves or not same else {"auto_pad": AUTO_PAD[same]}
    sizes = {"kernel_shape": kernel, "strides": geometry.stride, "dilations": geometry.dilation}
    return {**{name: list(size) for name, size in sizes.items()}, **padding}


def pool_attributes(size: Pair, kernel: Pair, geometry: Geometry, same: str, ceil: bool) -> dict[str, Any]:
    """Of a pool of images (H, W) of that size.

    ONNX's ceil_mode has a last window even where it would lie on padding alone, which our pools have not. Where the
    two differ a ragged window stands on padding behind the image instead. `same` leaves no window ragged.
    """
    if same or not ceil:
        return {**window_attributes(geometry, kernel, same), "ceil_mode": 0}
    counts, span, differ, padding = geometry.output_size(size, kernel, ceil), geometry.span(kernel), False, []
    for i, (before, after) in enumerate(zip(geometry.before, geometry.after, strict=True)):
        stride, room = geometry.stride[i], size[i] + before + after - span[i]
        differ |= counts[i] != -(-room // stride) + 1
        padding += [before, after + max(0, (counts[i] - 1) * stride - room)]
    if differ:
        geometry = replace(geometry, padding=(padding[0], padding[1], padding[2], padding[3]))
    return {**window_attributes(geometry, kernel, same), "ceil_mode": int(not differ)}
