"""What a layer is: a forward and a backward, the parameters between them, and what it declares of itself."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from pellucid.arguments import check_arguments, shown
from pellucid.errors import PellucidError
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.window import POINT, Window
from pellucid.ops.arrays import Array, Pair, Shape


class NotKeptError(PellucidError, AttributeError):
    """Backward without a forward pass that keeps what it needs."""


Initializer = Callable[[np.random.Generator, Shape], Array]


@dataclass
class Parameter:
    """A named tensor of a layer. Its value and gradient are views of the network's two flat vectors.

    trained: it has a gradient and is moved by the optimizer. Otherwise it is a statistic that the layer keeps.
    learns: whether the optimizer moves it now; a frozen one is left as it is, and its gradient is 0.

    >>> net = pl.Network(pl.nn.Linear(2), (3,))
    >>> net.parameters["weight"].shape
    (2, 3)
    """

    shape: Shape
    initializer: Initializer
    trained: bool = True
    learns: bool = True
    value: Array = field(default_factory=lambda: np.empty(0), repr=False)
    gradient: Array = field(default_factory=lambda: np.empty(0), repr=False)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    def set_gradient(self, values: Array | float) -> None:
        """Write the gradient. Raises PellucidError where there is no room for it that can be written."""
        room = self.gradient
        if room.shape != self.shape or not room.flags.writeable:
            came = f"{room.shape}{'' if room.flags.writeable else ', read-only'}"
            raise PellucidError(f"gradient: expected room for shape {self.shape}, got {came}")
        room[...] = values

    def __getstate__(self) -> dict[str, Any]:
        """A copy has its own value, in memory of its own; the gradient belongs to the network."""
        return {**self.__dict__, "value": np.array(self.value), "gradient": np.empty(0)}


class Layer:
    """A differentiable function of a batch.

    Shapes given to and returned by `build` and `output_shape` are those of one sample: (C, H, W) or (F,).
    A layer never changes its arguments. Where `context.keep` is set, forward stores on the layer, by name,
    what backward needs; backward writes the parameters' gradients and returns the input's.

    >>> class Double(pl.nn.Layer):
    ...     def forward(self, x, context=pl.nn.INFERENCE):
    ...         return 2 * x
    ...
    ...     def backward(self, dy):
    ...         return 2 * dy
    >>> pl.Network(Double(), (3,))(np.ones((1, 3), np.float32)).tolist()
    [[2.0, 2.0, 2.0]]
    """

    name: str = ""
    """Path in the network, such as "3" or "5.0.1"; set when the network is built."""

    input_gradient: bool = True
    """Whether backward has to work out the input's gradient; if not, layers may return an empty array."""

    keeps: tuple[str, ...] = ()
    """Names of the attributes in which a kept forward pass stores what backward needs; then they are dropped."""

    built: bool = False
    """Whether it belongs to a network."""

    sees_all: bool = False
    """Whether one output sees the whole image, whatever its size."""

    by_parts: bool = True
    """Whether a part of an image gives that part of the output, but for what windows see beyond its rim."""

    on_host: bool = False
    """Whether it computes in NumPy whatever the backend, so that a device has to be waited for."""

    made_with: tuple[tuple[Any, ...], dict[str, Any]]
    """The arguments that it was made with, so that a network can be written down."""

    _checked: Shape | None = None

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """An empty layer that knows its arguments."""
        made = object.__new__(cls)
        check_arguments(cls, arguments, options, made.setting_error)
        made.made_with = (arguments, options)
        return made

    def setting_error(self, setting: str, expected: str, came: str) -> PellucidError:
        """The one-line error for a setting of another kind."""
        return self.error(f"{setting} to be {expected}", came)

    def check(self, x: Array) -> None:
        """Raise PellucidError unless the layer takes a batch of this shape; asking again costs nothing."""
        shape = x.shape[1:]
        if shape != self._checked:
            self.output_shape(shape)
            self._checked = shape

    def parameters(self) -> dict[str, Parameter]:
        """This layer's own parameters, in order; known once it is built."""
        return {}

    def tie(self, name: str, parameter: Parameter) -> None:
        """Use a parameter of another layer as the one of that name."""
        setattr(self, name, parameter)

    def build(self, input_shape: Shape) -> Shape:
        """Fix what follows from the input's shape, such as the number of input channels; the output's shape."""
        return self.output_shape(input_shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one sample's output. Raises PellucidError where the input doesn't fit."""
        return input_shape

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """The layer's output for a batch x."""
        raise self.error("a forward of its own, or a Network that runs it", "none")

    def backward(self, dy: Array) -> Array:
        """From the gradient of the output to that of the input, writing the parameters' on the way."""
        raise self.error("a backward of its own, or a Network that runs it", "none")

    @property
    def window(self) -> Window:
        """What part of the input one place of the output sees."""
        return POINT

    def window_for(self, size: Pair) -> Window:
        """The window on an image (H, W); differs from `window` only where the padding follows from the size."""
        return self.window

    def multiply_adds(self, input_shape: Shape) -> int:
        """Multiplications of a weight with an input, for one sample (0 for what has no weights)."""
        return 0

    def pattern(self) -> Array | None:
        """The choices made in the last kept forward pass where the function has a kink; None if it has none."""
        return None

    def describe(self) -> str:
        """The layer's settings as a short phrase."""
        return ""

    @property
    def kind(self) -> str:
        """Name of the layer's class."""
        return type(self).__name__

    def answering(self) -> Layer:
        """The layer that gives the same at inference with the weights of now; what it does to them is done once."""
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute. Raises PellucidError for an array in a Parameter's place, and in a layer of a network for
        another Parameter: the network's vectors wouldn't have it.
        """
        before = self.__dict__.get(name)
        kept = isinstance(before, Parameter) and (self.built or not isinstance(value, Parameter | None))
        if kept and value is not before:
            raise self.error(f"to keep its Parameter {name} (write {name}.value[...])", shown(value))
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        """Asked for what is not there. Raises NotKeptError where backward finds nothing kept."""
        if name in type(self).keeps:
            raise NotKeptError(
                f"layer {self.__dict__.get('name', '') or '(unnamed)'} ({type(self).__name__}): backward: expected a "
                "forward pass before it that keeps what it needs (context training() or DIFFERENTIABLE)"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def forget(self) -> None:
        """Drop what forward kept for a backward pass."""
        for name in self.keeps:
            self.__dict__.pop(name, None)

    def __getstate__(self) -> dict[str, Any]:
        """A copy belongs to no network, and keeps nothing of a pass."""
        left = {"built", "_checked", *self.keeps}
        return {name: value for name, value in self.__dict__.items() if name not in left}

    def error(self, expected: str, came: object) -> PellucidError:
        """The one-line error for an input that doesn't fit."""
        return PellucidError(f"layer {self.name or '(unnamed)'} ({self.kind}): expected {expected}, got {came}")

    def whole(self, setting: str, value: Any) -> int:
        """A setting that is a whole number, or an error that names layer and setting."""
        try:
            if not isinstance(value, bool):
                return operator.index(value)
        except TypeError:
            pass
        raise self.error(f"{setting} to be a whole number", repr(value))

    def whole_pair(self, setting: str, value: Any) -> Pair:
        """A setting for rows and columns, given as one whole number or two."""
        if not isinstance(value, list | tuple):
            value = (value, value)
        if len(value) != 2:
            raise self.error(f"{setting} as one whole number or two", value)
        return self.whole(setting, value[0]), self.whole(setting, value[1])

    def image_shape(self, input_shape: Shape) -> tuple[int, int, int]:
        """The shape of one sample as (C, H, W), or an error that names the layer."""
        if len(input_shape) != 3:
            raise self.error("images (channels, height, width)", f"shape {input_shape}")
        return input_shape[0], input_shape[1], input_shape[2]

    def __repr__(self) -> str:
        return f"{self.kind}({self.describe()})"
