"""One convolution in fewer bits: bfloat16 against PyTorch, int8 against our own float32, in groups and the like too.

Both sides take turns, through the op: filters are packed each time, but those of int8, which are packed once.
"""

from typing import NamedTuple

import numpy as np

from benchmarks.measure import Work, alternate
from pellucid import ops
from pellucid.ops.arrays import Array
from pellucid.ops.formats import float_type
from pellucid.ops.geometry import Geometry, sides
from pellucid.ops.memory import channels_last, frozen
from pellucid.precision.fixed_point import fixed_point

ZEROS = 120, 128


class Layer(NamedTuple):
    """Images, channels, filters, places on a side; and the window."""

    number: int
    channels: int
    filters: int
    side: int
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    transposed: bool = False

    @property
    def geometry(self) -> Geometry:
        """Padded so that a map keeps its size, or is divided or multiplied by the stride."""
        padding = (self.kernel - self.stride) // 2 if self.transposed else self.dilation * (self.kernel // 2)
        return Geometry((self.stride,) * 2, sides(padding), (self.dilation,) * 2, self.groups)

    @property
    def size(self) -> tuple[int, int]:
        """Of the output of a transposed one."""
        return (self.side * self.stride,) * 2

    def __str__(self) -> str:
        told = f"{self.kernel}x{self.kernel}, {self.channels} to {self.filters}, {self.side}x{self.side}"
        told += f", {self.number} images"
        told += f", stride {self.stride}" * (self.stride > 1) + f", dilation {self.dilation}" * (self.dilation > 1)
        return told + f", {self.groups} groups" * (self.groups > 1) + ", transposed" * self.transposed


AGAINST_PYTORCH = (
    Layer(16, 64, 64, 56),
    Layer(16, 128, 128, 28),
    Layer(16, 256, 256, 14),
    Layer(16, 512, 512, 7),
    Layer(16, 64, 128, 56, kernel=1),
    Layer(16, 256, 64, 56, kernel=1),
    Layer(16, 64, 128, 56, stride=2),
    Layer(16, 128, 256, 28, stride=2),
    Layer(16, 3, 64, 224, kernel=7, stride=2),
    Layer(128, 32, 32, 16),
    Layer(128, 64, 64, 8),
)

INTEGERS = (
    Layer(16, 64, 64, 56),
    Layer(16, 128, 128, 14),
    Layer(16, 128, 128, 28, groups=4),
    Layer(16, 128, 128, 28, groups=32),
    Layer(16, 128, 128, 28, dilation=2),
    Layer(16, 128, 128, 28, dilation=4),
    Layer(16, 128, 128, 28, groups=128),
    Layer(16, 128, 64, 28, kernel=2, stride=2, transposed=True),
    Layer(16, 128, 64, 28, kernel=4, stride=2, transposed=True),
)


def drawn(layer: Layer) -> tuple[Array, Array, Array]:
    """Images, filters and biases, float32. Of a transposed one filters are (channels, filters, ...)."""
    rng, side = np.random.default_rng(0), (layer.kernel,) * 2
    x = channels_last(rng.standard_normal((layer.number, layer.channels, layer.side, layer.side), np.float32))
    inputs = layer.channels // layer.groups
    shape = (layer.channels, layer.filters) if layer.transposed else (layer.filters, inputs)
    w = rng.standard_normal((*shape, *side), np.float32) / np.float32((inputs * layer.kernel**2) ** 0.5)
    return x, w, rng.standard_normal(layer.filters, np.float32)


def ours(layer: Layer, form: str) -> Work:
    """Convolution, bias and ReLU in a float type."""
    x, w, b = (a.astype(float_type(form)) for a in drawn(layer))
    if layer.transposed:
        return lambda: ops.conv2d_input_gradient(x, w, layer.size, layer.geometry)
    return lambda: ops.conv2d_relu(x, w, b, layer.geometry)


def pytorch(layer: Layer) -> Work:
    """The same in bfloat16, channels last."""
    import torch

    torch.set_num_threads(ops.threads())
    x, w, b = (torch.from_numpy(np.ascontiguousarray(a)).bfloat16() for a in drawn(layer))
    x, w = (a.contiguous(memory_format=torch.channels_last) for a in (x, w))
    padding, stride = layer.geometry.padding[0], layer.stride

    def run() -> object:
        with torch.inference_mode():
            return torch.relu_(torch.nn.functional.conv2d(x, w, b, stride, padding))

    return run


def integers(layer: Layer) -> Work:
    """The same of bytes."""
    x, w, b = drawn(layer)
    q = channels_last(np.clip(x * 30 + 120, 0, 255).astype(np.uint8))
    w = w.swapaxes(0, 1) if layer.transposed else w
    weights = frozen(np.clip(w * (100 / abs(w).max()), -127, 127).astype(np.int8))
    numbers = weights, (100 * b).astype(np.int32), *fixed_point(np.full(layer.filters, 1e-3))
    if layer.transposed:
        return lambda: ops.integer_conv_transpose2d(q, *numbers, layer.size, ZEROS, geometry=layer.geometry)
    return lambda: ops.integer_conv2d(q, *numbers, ZEROS, ZEROS[1], layer.geometry)


def print_convolutions(rounds: int) -> None:
    """Both tables."""
    print(f"one convolution with bias and ReLU, bfloat16 ({ops.instructions('bfloat16')}) against PyTorch's, ms")
    for layer in AGAINST_PYTORCH:
        _print(layer, {"bfloat16": ours(layer, "bfloat16"), "PyTorch": pytorch(layer)}, rounds)
    print(f"int8 ({ops.instructions('int8')}) against float32, ms")
    for layer in INTEGERS:
        _print(layer, {"int8": integers(layer), "float32": ours(layer, "float32")}, rounds)


def _print(layer: Layer, sides: dict[str, Work], rounds: int) -> None:
    mine, other = (1e3 * timing.median for timing in alternate(sides, rounds=rounds, seconds=0.05).values())
    print(f"  {layer!s:60}{mine:8.2f}{other:8.2f}{other / mine:7.2f}x", flush=True)
