"""Layers that turn groups of channels into blocks of pixels, and back."""

from __future__ import annotations

from typing import Any

from pellucid.layers.adjoint import AdjointLayer, room
from pellucid.layers.window import Window
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.geometry import Geometry


class _Blocks(AdjointLayer):
    """What both layers are told: the side of a block, and in which order its pixels' channels lie."""

    def __init__(self, block: int, *, columns_first: bool = True) -> None:
        self.block, self.columns_first = block, columns_first
        if block < 1:
            raise self.error("a block of at least 1", block)

    def describe(self) -> str:
        """The block."""
        return f"{self.block}" + ("" if self.columns_first else ", blocks first")


class DepthToSpace(_Blocks):
    """Channels (C b^2, H, W) as blocks of b x b pixels of (C, H b, W b): sub-pixel convolution's last step.

    Shi et al. 2016. columns_first: whether the channel c b^2 + i b + j is pixel (i, j) of channel c (as PyTorch's
    PixelShuffle has it); otherwise (i b + j) C + c is.
    Raises PellucidError unless the channels are a multiple of b^2.

    >>> pl.nn.DepthToSpace(2).output_shape((12, 16, 16))
    (3, 32, 32)
    """

    @property
    def window(self) -> Window:
        """A place becomes a block: as of a transposed convolution."""
        return Window((self.block, self.block), Geometry((self.block, self.block)), transposed=True)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H b, W b)."""
        C, H, W = self.image_shape(input_shape)
        b = self.block
        if C % (b * b):
            raise self.error(f"channels in a multiple of {b * b}", C)
        return C // (b * b), H * b, W * b

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Each group of channels becomes a block."""
        return depth_to_space(x, self.block, self.columns_first), None

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """Each block becomes a group of channels."""
        return space_to_depth(dy, self.block, self.columns_first)


class SpaceToDepth(_Blocks):
    """Blocks of b x b pixels of (C, H, W) as channels (C b^2, H / b, W / b): the reverse of DepthToSpace.

    Raises PellucidError unless height and width are multiples of b.

    >>> pl.nn.SpaceToDepth(2).output_shape((3, 32, 32))
    (12, 16, 16)
    """

    @property
    def window(self) -> Window:
        """The block."""
        return Window((self.block, self.block), Geometry((self.block, self.block)))

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C b^2, H / b, W / b)."""
        C, H, W = self.image_shape(input_shape)
        b = self.block
        if H % b or W % b:
            raise self.error(f"height and width in multiples of {b}", f"{H}x{W}")
        return C * b * b, H // b, W // b

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Each block becomes a group of channels."""
        return space_to_depth(x, self.block, self.columns_first), None

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """Each group of channels becomes a block."""
        return depth_to_space(dy, self.block, self.columns_first)


def depth_to_space(x: Array, b: int, columns_first: bool) -> Array:
    """(N, C b^2, H, W) to (N, C, H b, W b); see `DepthToSpace`."""
    N, K, H, W = x.shape
    C = K // (b * b)
    y = room((N, C, H * b, W * b), x.dtype)
    parts = x.reshape(N, C, b, b, H, W) if columns_first else x.reshape(N, b, b, C, H, W)
    order = (0, 1, 4, 2, 5, 3) if columns_first else (0, 3, 4, 1, 5, 2)
    y.reshape(N, C, H, b, W, b)[...] = parts.transpose(order)  # a view: axes are split
    return y


def space_to_depth(x: Array, b: int, columns_first: bool) -> Array:
    """(N, C, H, W) to (N, C b^2, H / b, W / b); see `DepthToSpace`."""
    N, C, H, W = x.shape
    y = room((N, C * b * b, H // b, W // b), x.dtype)
    parts = y.reshape(N, C, b, b, H // b, W // b) if columns_first else y.reshape(N, b, b, C, H // b, W // b)
    order = (0, 1, 3, 5, 2, 4) if columns_first else (0, 3, 5, 1, 2, 4)
    parts[...] = x.reshape(N, C, H // b, b, W // b, b).transpose(order)
    return y
