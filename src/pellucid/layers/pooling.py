"""Pooling layers."""

from pellucid import ops
from pellucid.layers.base import Layer
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.sliding import Padding, Sliding
from pellucid.ops.arrays import Array, Pair, Shape


class _Pooling(Sliding):
    """Settings of a pooling window; `ceil` keeps a last, ragged window instead of dropping what it covers."""

    def __init__(
        self,
        kernel: int | Pair = 2,
        *,
        stride: int | Pair | None = None,
        padding: Padding = 0,
        dilation: int | Pair = 1,
        ceil: bool = False,
    ) -> None:
        super().__init__(kernel, kernel if stride is None else stride, padding, dilation)
        self.ceil = ceil
        span = self.geometry.span(self.kernel)
        if any(p >= s for p, s in zip(self.geometry.padding, (span[0], span[0], span[1], span[1]), strict=True)):
            raise self.error(f"padding from 0 to below the window's {span[0]}x{span[1]}", padding)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, P, Q)."""
        C, H, W = self.image_shape(input_shape)
        size = self.geometry_for((H, W)).output_size((H, W), self.kernel, self.ceil)
        if min(size) < 1:
            raise self.error(f"an image of at least its {self.kernel[0]}x{self.kernel[1]} window", f"{H}x{W}")
        return (C, *size)

    def describe(self) -> str:
        """Window, and whatever differs from its default."""
        text = ["x".join(map(str, self.kernel)), *self._phrases(stride=self.kernel)]
        return ", ".join([*text, "ceil"] if self.ceil else text)


class MaxPool2d(_Pooling):
    """Largest value of each window; of equal ones the first. Padding takes no part.

    From (C, H, W) to (C, P, Q). Raises PellucidError for what is no image, and for one smaller than the window.

    >>> pl.nn.MaxPool2d(2).output_shape((16, 28, 28))
    (16, 14, 14)
    >>> pl.nn.MaxPool2d(2, ceil=True).output_shape((16, 27, 27))
    (16, 14, 14)
    """

    keeps = ("size", "winner")

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """The winners, and which they are."""
        self.check(x)
        size = (x.shape[2], x.shape[3])
        y, winner = ops.max_pool2d(x, self.kernel, self.geometry_for(size), self.ceil)
        if context.keep:
            self.size, self.winner = size, winner
        return y

    def backward(self, dy: Array) -> Array:
        """Each gradient goes to the winner."""
        return ops.max_pool2d_backward(dy, self.winner, self.size, self.kernel, self.geometry_for(self.size))

    def pattern(self) -> Array | None:
        """Which element of each window won."""
        return ops.host(self.winner)


class AvgPool2d(_Pooling):
    """Mean of what each window covers: of the image, or with `count_padding` of its padding too, which is 0.

    What a ragged window covers beyond the padding is never counted.

    From (C, H, W) to (C, P, Q). Raises PellucidError for what is no image, and for one smaller than the window.

    >>> pl.nn.AvgPool2d(2).output_shape((3, 8, 8))
    (3, 4, 4)
    """

    keeps = ("size",)

    def __init__(
        self,
        kernel: int | Pair = 2,
        *,
        stride: int | Pair | None = None,
        padding: Padding = 0,
        dilation: int | Pair = 1,
        ceil: bool = False,
        count_padding: bool = False,
    ) -> None:
        super().__init__(kernel, stride=stride, padding=padding, dilation=dilation, ceil=ceil)
        self.count_padding = count_padding

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """The means."""
        self.check(x)
        size = (x.shape[2], x.shape[3])
        if context.keep:
            self.size = size
        return ops.avg_pool2d(x, self.kernel, self.geometry_for(size), self.ceil, self.count_padding)

    def backward(self, dy: Array) -> Array:
        """Each gradient is shared equally."""
        geometry = self.geometry_for(self.size)
        return ops.avg_pool2d_backward(dy, self.size, self.kernel, geometry, self.count_padding)

    def describe(self) -> str:
        """Window, and whatever differs from its default."""
        return f"{super().describe()}, padding counted" if self.count_padding else super().describe()


class GlobalAvgPool2d(Layer):
    """Mean of each channel over the whole image, of whatever size: from (C, H, W) to (C,).

    flatten=False: to (C, 1, 1) instead, an image of one pixel, by which others can be scaled.

    Raises PellucidError for what is no image.

    >>> pl.nn.GlobalAvgPool2d().output_shape((64, 7, 9))
    (64,)
    >>> pl.nn.GlobalAvgPool2d(flatten=False).output_shape((64, 7, 9))
    (64, 1, 1)
    """

    sees_all = True
    keeps = ("size",)

    def __init__(self, *, flatten: bool = True) -> None:
        self.flatten = flatten

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C,), or (C, 1, 1)."""
        C = self.image_shape(input_shape)[0]
        return (C,) if self.flatten else (C, 1, 1)

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """The means."""
        self.check(x)
        if context.keep:
            self.size = (x.shape[2], x.shape[3])
        y = ops.global_avg_pool2d(x)
        return y if self.flatten else y.reshape(*y.shape, 1, 1)

    def backward(self, dy: Array) -> Array:
        """Each gradient is shared equally."""
        size = self.size
        if dy.shape != (*dy.shape[:2], 1, 1)[: 2 if self.flatten else 4]:
            raise self.error("a gradient of (N, C) means", dy.shape)
        return ops.global_avg_pool2d_backward(dy.reshape(dy.shape[:2]), size)
