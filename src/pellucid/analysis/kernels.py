"""One large filter against a stack of 3x3 ones that sees the same.

A k x k filter has k^2 weights a pair of channels. n filters of 3x3, one after the other, see 2 n + 1 pixels a side
and have 9 n, so that (k - 1) / 2 of them see what it sees. Simonyan, Zisserman 2015, section 2.3.
"""

from dataclasses import dataclass

import numpy as np

from pellucid.analysis.probe import probe
from pellucid.errors import PellucidError
from pellucid.graph import Sequential
from pellucid.layers import Conv2d
from pellucid.network import Network
from pellucid.ops.arrays import Array

LARGEST = 31  # the probe's cost grows with the fourth power of the side
RIM = 2  # pixels around the region, to show that it ends


@dataclass(frozen=True)
class KernelComparison:
    """A k x k filter and the stack of 3x3 filters instead of it, both from `channels` channels to as many.

    layers: of the stack. weights, stack_weights: without biases, and as many multiply-adds a pixel of the output.
    field, stack_field: pixels that one unit sees of an image, as the probe found them: booleans, (k + 4, k + 4).
    """

    kernel: int
    channels: int
    layers: int
    weights: int
    stack_weights: int
    field: Array
    stack_field: Array

    @property
    def saving(self) -> float:
        """Part of the weights that the stack does without; negative where it has more."""
        return 1 - self.stack_weights / self.weights

    @property
    def same_field(self) -> bool:
        """Whether both see the same pixels."""
        return bool(np.array_equal(self.field, self.stack_field))


def compare_kernel(kernel: int, channels: int = 1) -> KernelComparison:
    """A k x k filter against its stack; the regions are probed, not computed.

    Raises PellucidError for an even side, which no stack of 3x3 filters has, or one out of range.
    """
    if not 3 <= kernel <= LARGEST or kernel % 2 == 0:
        raise PellucidError(
            f"kernel {kernel}: expected an odd side from 3 to {LARGEST}, as stacks of 3x3 filters see"
        )
    if channels < 1:
        raise PellucidError(f"channels {channels}: expected at least 1")
    layers = (kernel - 1) // 2
    return KernelComparison(
        kernel,
        channels,
        layers,
        _weights([kernel], channels),
        _weights([3] * layers, channels),
        _field([kernel]),
        _field([3] * layers),
    )


def _weights(kernels: list[int], channels: int) -> int:
    """Elements of the weights of convolutions one after the other; none of them is put in memory."""
    convolutions = [Conv2d(channels, kernel, padding=kernel // 2, bias=False) for kernel in kernels]
    for conv in convolutions:
        conv.build((channels, 1, 1))
    return sum(conv.built_weight.size for conv in convolutions)


def _field(kernels: list[int]) -> Array:
    """What the probe finds that the middle unit sees, on an image with a rim around that."""
    side = sum(kernel - 1 for kernel in kernels) + 1 + 2 * RIM
    network = Network(Sequential(*(Conv2d(1, kernel, bias=False) for kernel in kernels)), (1, side, side))
    seen: Array = probe(network, str(len(kernels) - 1))[RIM, RIM]
    return seen
