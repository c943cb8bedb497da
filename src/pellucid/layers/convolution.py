"""Convolution and transposed convolution: each is the other's adjoint, over one pair of functions."""

from pellucid import ops
from pellucid.layers.base import Parameter
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.initializers import Constant, weight_initializer
from pellucid.layers.sliding import Padding, Sliding
from pellucid.layers.window import Window
from pellucid.ops.arrays import Array, Pair, Shape


class Convolution(Sliding):
    """What the two have in common: their settings and parameters."""

    def __init__(
        self,
        channels: int,
        kernel: int | Pair = 3,
        *,
        stride: int | Pair = 1,
        padding: Padding = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        initial: str = "he",
        weight: Parameter | None = None,
    ) -> None:
        channels, groups = self.whole("channels", channels), self.whole("groups", groups)
        self.channels, self.bias_wanted, self.initial = channels, bias, initial
        if channels < 1 or groups < 1 or channels % groups:
            raise self.error("channels to be a positive multiple of groups", f"channels={channels}, groups={groups}")
        super().__init__(kernel, stride, padding, dilation, groups)
        self.weight = weight
        self.bias: Parameter | None = None

    def _declare(self, weight_shape: Shape, fan_in: int) -> None:
        """Create the parameters that are not there yet; check the shape of a weight that is."""
        if self.weight is None:
            self.weight = Parameter(weight_shape, weight_initializer(self.initial, max(fan_in, 1), self.groups))
        elif self.weight.shape != weight_shape:
            raise self.error(f"a weight of shape {weight_shape}", self.weight.shape)
        if self.bias is None and self.bias_wanted:
            self.bias = Parameter((self.channels,), Constant(0))

    def parameters(self) -> dict[str, Parameter]:
        """Weight and, unless switched off, bias."""
        found = {"weight": self.weight, "bias": self.bias}
        return {name: parameter for name, parameter in found.items() if parameter is not None}

    @property
    def built_weight(self) -> Parameter:
        """The weight; an error before the layer is built."""
        if self.weight is None:
            raise self.error("to be built before use", "a layer without parameters")
        return self.weight

    @property
    def learns(self) -> bool:
        """Whether the optimizer moves any of its parameters."""
        return self.built_weight.learns or (self.bias is not None and self.bias.learns)

    def describe(self) -> str:
        """Channels, kernel and whatever differs from its default."""
        return ", ".join([str(self.channels), "x".join(map(str, self.kernel)), *self._phrases()])


class Conv2d(Convolution):
    """Convolution of images (C, H, W) with `channels` filters: (channels, P, Q).

    weight: (channels, C / groups, R, S), bias: (channels,). One output is the sum over a window of the image
    times a filter, plus the filter's bias; see ops.numpy_ops.convolution for the formula. A weight given here is
    shared with another layer.

    Raises PellucidError for what is no image, for channels that groups don't divide, and for an image smaller
    than its window.

    >>> pl.Network(pl.nn.Conv2d(16, 3, stride=2, padding=1), (3, 32, 32)).output_shape
    (16, 16, 16)
    >>> pl.nn.Conv2d(16).output_shape((3, 32, 32))
    (16, 30, 30)
    """

    keeps = ("x",)

    def build(self, input_shape: Shape) -> Shape:
        """Fix the number of input channels."""
        C, _, _ = self.image_shape(input_shape)
        if C % self.groups:
            raise self.error(f"input channels in a multiple of groups={self.groups}", C)
        fan_in = C // self.groups * self.kernel[0] * self.kernel[1]
        self._declare((self.channels, C // self.groups, *self.kernel), fan_in)
        return self.output_shape(input_shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(channels, P, Q)."""
        C, H, W = self.image_shape(input_shape)
        if self.weight is not None and self.weight.shape[1] * self.groups != C:
            raise self.error(f"{self.weight.shape[1] * self.groups} input channels", f"{C} (shape {input_shape})")
        size = self.geometry_for((H, W)).output_size((H, W), self.kernel)
        if min(size) < 1:
            raise self.error(f"an image of at least its {self.kernel[0]}x{self.kernel[1]} window", f"{H}x{W}")
        return (self.channels, *size)

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """y = x * w + b."""
        self.check(x)
        if context.keep:
            self.x = x
        bias = self.bias.value if self.bias is not None else None
        return ops.conv2d(x, self.built_weight.value, bias, self.geometry_for((x.shape[2], x.shape[3])))

    def backward(self, dy: Array) -> Array:
        """Gradients dw and db written; dx by the adjoint. Nothing is written where nothing learns."""
        weight, x, size = self.built_weight, self.x, (self.x.shape[2], self.x.shape[3])
        geometry = self.geometry_for(size)
        if not self.learns:
            if not self.input_gradient:
                return ops.empty((0,), dy.dtype)
            return ops.conv2d_input_gradient(dy, weight.value, size, geometry)
        db = self.bias.gradient if self.bias is not None else None
        return ops.conv2d_backward(dy, x, weight.value, weight.gradient, db, geometry, self.input_gradient)

    def multiply_adds(self, input_shape: Shape) -> int:
        """One per weight and place."""
        _, P, Q = self.output_shape(input_shape)
        return self.built_weight.size * P * Q


class ConvTranspose2d(Convolution):
    """Transposed convolution: the adjoint of a Conv2d of the same settings, from (C, H, W) to (channels, P, Q).

    Each input spreads over a window of the output, times a filter; P = (H - 1) stride - top - bottom +
    dilation (R - 1) + 1 + output_padding; with padding="same" P = H stride.
    weight: (C, channels / groups, R, S), as that Conv2d would have it; one given here is shared with another layer.
    initial="bilinear" interpolates; frozen=True keeps it so.

    Raises PellucidError for what is no image, for channels that groups don't divide, and for an output_padding of
    a whole stride.

    >>> pl.Network(pl.nn.ConvTranspose2d(8, 2, stride=2), (3, 16, 16)).output_shape
    (8, 32, 32)
    """

    keeps = ("x",)

    def __init__(
        self,
        channels: int,
        kernel: int | Pair = 3,
        *,
        stride: int | Pair = 1,
        padding: Padding = 0,
        output_padding: int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        initial: str = "he",
        frozen: bool = False,
        weight: Parameter | None = None,
    ) -> None:
        super().__init__(
            channels,
            kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            initial=initial,
            weight=weight,
        )
        self.output_padding = self.whole_pair("output_padding", output_padding)
        self.frozen = frozen
        if min(self.output_padding) < 0 or any(o >= s for o, s in zip(self.output_padding, self.stride, strict=True)):
            raise self.error(f"output_padding from 0 to below the stride {self.stride}", self.output_padding)
        if self.same:
            self._pad_alike()

    def _pad_alike(self) -> None:
        """The input is what a "same" convolution makes of an image of whole strides; the output is as large."""
        if any(self.output_padding):
            raise self.error(f"no output_padding, which padding {self.same!r} sets", self.output_padding)
        self.geometry, self.sized = self._fitted(self.stride), False
        span = self.geometry.span(self.kernel)
        self.output_padding = max(0, self.stride[0] - span[0]), max(0, self.stride[1] - span[1])

    def build(self, input_shape: Shape) -> Shape:
        """Fix the number of input channels."""
        C, _, _ = self.image_shape(input_shape)
        if C % self.groups:
            raise self.error(f"input channels in a multiple of groups={self.groups}", C)
        taps = self.kernel[0] * self.kernel[1] / (self.stride[0] * self.stride[1])  # inputs that meet in an output
        fan_in = max(1, round(C // self.groups * taps))
        self._declare((C, self.channels // self.groups, *self.kernel), fan_in)
        if self.frozen:
            self.built_weight.trained = False
        return self.output_shape(input_shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(channels, P, Q)."""
        C, H, W = self.image_shape(input_shape)
        if self.weight is not None and self.weight.shape[0] != C:
            raise self.error(f"{self.weight.shape[0]} input channels", f"{C} (shape {input_shape})")
        P, Q = self._spread((H, W))
        if min(P, Q) < 1:
            raise self.error("an image that leaves an output", f"{H}x{W}")
        return (self.channels, P, Q)

    def _spread(self, size: Pair) -> Pair:
        """(P, Q) of an input of that size."""
        (down, across), span = self.stride, self.geometry.span(self.kernel)
        top, bottom, left, right = self.geometry.padding
        P = (size[0] - 1) * down - top - bottom + span[0] + self.output_padding[0]
        return P, (size[1] - 1) * across - left - right + span[1] + self.output_padding[1]

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """The convolution's adjoint, then the bias."""
        self.check(x)
        if context.keep:
            self.x = x
        size = self._spread((x.shape[2], x.shape[3]))
        y = ops.conv2d_input_gradient(x, self._weights_for(x), size, self.geometry)
        if self.bias is not None:
            ops.add_bias(y, self.bias.value)
        return y

    def backward(self, dy: Array) -> Array:
        """The adjoint's adjoint is the convolution."""
        weight = self.built_weight
        if self.learns:
            if weight.trained:
                ops.conv2d_weight_gradient(self.x, dy, self.kernel, self.geometry, out=weight.gradient)
            if self.bias is not None:
                self.bias.set_gradient(ops.channel_sum(dy))
        return ops.conv2d(dy, self._weights_for(dy), None, self.geometry)

    def _weights_for(self, images: Array) -> Array:
        """The weights in the images' type: frozen ones are kept in float32 where the others have 16 bits."""
        weights = self.built_weight.value
        return weights if weights.dtype == images.dtype else ops.narrow(weights, images.dtype)

    @property
    def window(self) -> Window:
        """The window of the convolution whose adjoint this is."""
        return Window(self.kernel, self.geometry, True, self.output_padding)

    def window_for(self, size: Pair) -> Window:
        """The same for every size."""
        return self.window

    def multiply_adds(self, input_shape: Shape) -> int:
        """One per weight and place of the input."""
        _, H, W = self.image_shape(input_shape)
        return self.built_weight.size * H * W
