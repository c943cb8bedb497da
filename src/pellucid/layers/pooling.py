"""Pooling layers."""

from pellucid import ops
from pellucid.layers.base import Layer
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.window import Window
from pellucid.ops.arrays import Array, Pair, Shape, pair


class _Pooling(Layer):
    """Settings of a pooling window; `ceil` keeps a last, ragged window instead of dropping what it covers."""

    def __init__(
        self,
        kernel: int | Pair = 2,
        *,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        ceil: bool = False,
    ) -> None:
        self.kernel = pair(kernel)
        self.stride = self.kernel if stride is None else pair(stride)
        self.padding, self.ceil = pair(padding), ceil
        if min(self.kernel) < 1 or min(self.stride) < 1:
            raise self.error("kernel and stride of at least 1", f"kernel {self.kernel}, stride {self.stride}")
        if min(self.padding) < 0 or any(2 * p > r for p, r in zip(self.padding, self.kernel, strict=True)):
            raise self.error(f"padding from 0 to half the kernel {self.kernel}", self.padding)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, P, Q)."""
        C, H, W = self.image_shape(input_shape)
        size = []
        for s, r, t, p in zip((H, W), self.kernel, self.stride, self.padding, strict=True):
            count = -(-(s + 2 * p - r) // t) + 1 if self.ceil else (s + 2 * p - r) // t + 1
            if self.ceil and (count - 1) * t >= s + p:  # the last window would cover only padding
                count -= 1
            size.append(count)
        if min(size) < 1:
            raise self.error(f"an image of at least its {self.kernel[0]}x{self.kernel[1]} window", f"{H}x{W}")
        return (C, *size)

    @property
    def window(self) -> Window:
        """The window that is slid."""
        return Window(self.kernel, self.stride, self.padding)

    def describe(self) -> str:
        """Window, and whatever differs from its default."""
        text = ["x".join(map(str, self.kernel))]
        if self.stride != self.kernel:
            text.append(f"stride {self.stride[0] if self.stride[0] == self.stride[1] else self.stride}")
        if self.padding != (0, 0):
            text.append(f"padding {self.padding[0] if self.padding[0] == self.padding[1] else self.padding}")
        if self.ceil:
            text.append("ceil")
        return ", ".join(text)


class MaxPool2d(_Pooling):
    """Largest value of each window; of equal ones the first. Padding takes no part."""

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """The winners, and which they are."""
        self.check(x)
        y, winner = ops.max_pool2d(x, self.kernel, self.stride, self.padding, self.ceil)
        if context.keep:
            self.size, self.winner = (x.shape[2], x.shape[3]), winner
        return y

    def backward(self, dy: Array) -> Array:
        """Each gradient goes to the winner."""
        return ops.max_pool2d_backward(dy, self.winner, self.size, self.kernel, self.stride, self.padding)

    def pattern(self) -> Array | None:
        """Which element of each window won."""
        return self.winner


class AvgPool2d(_Pooling):
    """Mean of the pixels of the image that each window covers; padding isn't counted."""

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """The means."""
        self.check(x)
        if context.keep:
            self.size = (x.shape[2], x.shape[3])
        return ops.avg_pool2d(x, self.kernel, self.stride, self.padding, self.ceil)

    def backward(self, dy: Array) -> Array:
        """Each gradient is shared equally."""
        return ops.avg_pool2d_backward(dy, self.size, self.kernel, self.stride, self.padding)


class GlobalAvgPool2d(Layer):
    """Mean of each channel over the whole image, of whatever size: from (C, H, W) to (C,).

    flatten=False: to (C, 1, 1) instead, an image of one pixel, by which others can be scaled.
    """

    sees_all = True

    def __init__(self, *, flatten: bool = True) -> None:
        self.flatten = flatten

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C,), or (C, 1, 1)."""
        C = self.image_shape(input_shape)[0]
        return (C,) if self.flatten else (C, 1, 1)

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """The means."""
        if context.keep:
            self.size = (x.shape[2], x.shape[3])
        y = ops.global_avg_pool2d(x)
        return y if self.flatten else y.reshape(*y.shape, 1, 1)

    def backward(self, dy: Array) -> Array:
        """Each gradient is shared equally."""
        return ops.global_avg_pool2d_backward(dy.reshape(dy.shape[:2]), self.size)
