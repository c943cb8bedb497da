"""Convolution and transposed convolution: each is the other's adjoint, over one pair of functions."""

from pellucid import ops
from pellucid.layers.base import Layer, Parameter
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.initializers import constant, weight_initializer
from pellucid.layers.window import Window
from pellucid.ops.arrays import Array, Pair, Shape, pair


class Convolution(Layer):
    """What the two have in common: their settings and parameters."""

    def __init__(
        self,
        channels: int,
        kernel: int | Pair = 3,
        *,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        initial: str = "he",
    ) -> None:
        self.channels = channels
        self.kernel, self.stride = pair(kernel), pair(stride)
        self.padding, self.dilation = pair(padding), pair(dilation)
        self.groups, self.bias_wanted, self.initial = groups, bias, initial
        if channels < 1 or groups < 1 or channels % groups:
            raise self.error("channels to be a positive multiple of groups", f"channels={channels}, groups={groups}")
        for setting in ("kernel", "stride", "dilation"):
            if min(getattr(self, setting)) < 1:
                raise self.error(f"{setting} of at least 1", getattr(self, setting))
        if min(self.padding) < 0:
            raise self.error("padding of at least 0", self.padding)
        self.weight: Parameter | None = None
        self.bias: Parameter | None = None

    def _declare(self, input_shape: Shape, weight_shape: Shape, fan_in: int) -> Shape:
        """Create the parameters, or check that those there are fit."""
        if self.weight is None:
            self.weight = Parameter(weight_shape, weight_initializer(self.initial, max(fan_in, 1), self.groups))
            self.bias = Parameter((self.channels,), constant(0)) if self.bias_wanted else None
        return self.output_shape(input_shape)

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

    def describe(self) -> str:
        """Channels, kernel and whatever differs from its default."""
        text = [f"{self.channels}", "x".join(map(str, self.kernel))]
        for setting, default in (("stride", (1, 1)), ("padding", (0, 0)), ("dilation", (1, 1))):
            value = getattr(self, setting)
            if value != default:
                text.append(f"{setting} {value[0] if value[0] == value[1] else value}")
        if self.groups > 1:
            text.append(f"groups {self.groups}")
        return ", ".join(text)


class Conv2d(Convolution):
    """Convolution of images (C, H, W) with `channels` filters: (channels, P, Q).

    weight: (channels, C / groups, R, S), bias: (channels,). One output is the sum over a window of the image
    times a filter, plus the filter's bias; see ops.numpy_ops.convolution for the formula.
    """

    def build(self, input_shape: Shape) -> Shape:
        """Fix the number of input channels."""
        C, _, _ = self.image_shape(input_shape)
        if C % self.groups:
            raise self.error(f"input channels in a multiple of groups={self.groups}", C)
        fan_in = C // self.groups * self.kernel[0] * self.kernel[1]
        return self._declare(input_shape, (self.channels, C // self.groups, *self.kernel), fan_in)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(channels, P, Q)."""
        C, H, W = self.image_shape(input_shape)
        if self.weight is not None and self.weight.shape[1] * self.groups != C:
            raise self.error(f"{self.weight.shape[1] * self.groups} input channels", f"{C} (shape {input_shape})")
        size = [
            (s + 2 * p - d * (r - 1) - 1) // t + 1
            for s, p, d, r, t in zip((H, W), self.padding, self.dilation, self.kernel, self.stride, strict=True)
        ]
        if min(size) < 1:
            raise self.error(f"an image of at least its {self.kernel[0]}x{self.kernel[1]} window", f"{H}x{W}")
        return (self.channels, *size)

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """y = x * w + b."""
        self.check(x)
        if context.keep:
            self.x = x
        bias = self.bias.value if self.bias is not None else None
        return ops.conv2d(x, self.built_weight.value, bias, self.stride, self.padding, self.dilation, self.groups)

    def backward(self, dy: Array) -> Array:
        """Dw and db written; dx by the adjoint."""
        weight = self.built_weight
        return ops.conv2d_backward(
            dy,
            self.x,
            weight.value,
            weight.gradient,
            self.bias.gradient if self.bias is not None else None,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            self.input_gradient,
        )

    @property
    def window(self) -> Window:
        """The window that is slid."""
        return Window(self.kernel, self.stride, self.padding, self.dilation)

    def multiply_adds(self, input_shape: Shape) -> int:
        """One per weight and place."""
        _, P, Q = self.output_shape(input_shape)
        return self.built_weight.size * P * Q


class ConvTranspose2d(Convolution):
    """Transposed convolution: the adjoint of a Conv2d of the same settings, from (C, H, W) to (channels, P, Q).

    Each input spreads over a window of the output, times a filter; P = (H - 1) stride - 2 padding +
    dilation (R - 1) + 1 + output_padding. weight: (C, channels / groups, R, S), as that Conv2d would have it.
    initial="bilinear" interpolates; frozen=True keeps it so.
    """

    def __init__(
        self,
        channels: int,
        kernel: int | Pair = 3,
        *,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        output_padding: int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        initial: str = "he",
        frozen: bool = False,
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
        )
        self.output_padding, self.frozen = pair(output_padding), frozen
        if min(self.output_padding) < 0 or any(o >= s for o, s in zip(self.output_padding, self.stride, strict=True)):
            raise self.error(f"output_padding from 0 to below the stride {self.stride}", self.output_padding)

    def build(self, input_shape: Shape) -> Shape:
        """Fix the number of input channels."""
        C, _, _ = self.image_shape(input_shape)
        if C % self.groups:
            raise self.error(f"input channels in a multiple of groups={self.groups}", C)
        taps = self.kernel[0] * self.kernel[1] / (self.stride[0] * self.stride[1])  # inputs that meet in an output
        fan_in = max(1, round(C // self.groups * taps))
        shape = self._declare(input_shape, (C, self.channels // self.groups, *self.kernel), fan_in)
        self.built_weight.trained = not self.frozen
        return shape

    def output_shape(self, input_shape: Shape) -> Shape:
        """(channels, P, Q)."""
        C, H, W = self.image_shape(input_shape)
        if self.weight is not None and self.weight.shape[0] != C:
            raise self.error(f"{self.weight.shape[0]} input channels", f"{C} (shape {input_shape})")
        P, Q = (
            (s - 1) * t - 2 * p + d * (r - 1) + 1 + o
            for s, t, p, d, r, o in zip(
                (H, W),
                self.stride,
                self.padding,
                self.dilation,
                self.kernel,
                self.output_padding,
                strict=True,
            )
        )
        if min(P, Q) < 1:
            raise self.error("an image that leaves an output", f"{H}x{W}")
        return (self.channels, P, Q)

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """The convolution's adjoint, then the bias."""
        _, P, Q = self.output_shape(x.shape[1:])
        if context.keep:
            self.x = x
        settings = (self.stride, self.padding, self.dilation, self.groups)
        y = ops.conv2d_input_gradient(x, self.built_weight.value, (P, Q), *settings)
        if self.bias is not None:
            y += self.bias.value[:, None, None]
        return y

    def backward(self, dy: Array) -> Array:
        """The adjoint's adjoint is the convolution."""
        weight, settings = self.built_weight, (self.stride, self.padding, self.dilation, self.groups)
        if weight.trained:
            ops.conv2d_weight_gradient(self.x, dy, self.kernel, *settings, out=weight.gradient)
        if self.bias is not None:
            self.bias.gradient[...] = ops.channel_sum(dy)
        return ops.conv2d(dy, weight.value, None, *settings)

    @property
    def window(self) -> Window:
        """The window of the convolution whose adjoint this is."""
        return Window(self.kernel, self.stride, self.padding, self.dilation, True, self.output_padding)

    def multiply_adds(self, input_shape: Shape) -> int:
        """One per weight and place of the input."""
        _, H, W = self.image_shape(input_shape)
        return self.built_weight.size * H * W
