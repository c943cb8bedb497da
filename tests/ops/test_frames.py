"""Small networks pay for every Python function between a layer and its kernel: there are few.

A norm is put together from several kernels, with arithmetic on its channels between them, and is not counted.
"""

import sys
from types import FrameType

import numpy as np
import pytest

from pellucid.graph import Sequential
from pellucid.layers import Conv2d, Layer, MaxPool2d, ReLU, training
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.memory import channels_last
from pellucid.ops.numba_ops.compile import jit, parts

MOST = 4
"""Python functions between a layer's forward and compiled code, neither counted."""

STARTS = (jit.__file__, parts.__file__)
"""Whose `__call__` starts a kernel on several threads."""


class Depth:
    """Counts, while it is on, the functions from a layer's forward to each that starts a kernel."""

    def __init__(self, layer: Layer) -> None:
        self.begin = type(layer).forward.__code__
        self.found: list[int] = []

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Told by the interpreter of every call."""
        code = frame.f_code
        if event == "call" and code.co_name == "__call__" and code.co_filename in STARTS:
            deep, outer = 0, frame
            while outer.f_code is not self.begin and outer.f_back is not None:
                deep, outer = deep + 1, outer.f_back
            self.found.append(deep)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Conv2d(16, padding=1), (16, 12, 12)),
        (Conv2d(16, 1), (16, 12, 12)),
        (Conv2d(16, padding=1), (1, 12, 12)),
        (Conv2d(16, padding=1, groups=16), (16, 12, 12)),
        (Conv2d(16, 5, stride=2), (16, 12, 12)),
        (MaxPool2d(2), (16, 12, 12)),
        (ReLU(), (16, 12, 12)),
    ],
)
def test_few_functions_lie_between_a_layer_and_its_kernel(layer: Layer, shape: Shape) -> None:
    network = Network(Sequential(layer), shape)
    x: Array = np.random.default_rng(0).standard_normal((4, *shape)).astype(np.float32)
    x = channels_last(x) if x.ndim == 4 else x
    context = training(np.random.default_rng(0))
    for _ in range(2):  # the first call of a kind is checked, and loads the kernel
        network.forward(x, context)
    depth = Depth(layer)
    before = sys.getprofile()
    sys.setprofile(depth)
    try:
        layer.forward(x, context)
    finally:
        sys.setprofile(before)
    assert depth.found
    assert max(depth.found) <= MOST
