"""A network: layers whose parameters are one contiguous vector, and so is their gradient."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from pellucid.errors import PellucidError
from pellucid.layers import INFERENCE, Context, Layer, Parameter, Sequential, Upsampled, fuse
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.half import is_half


class Network:
    """Layers built for one input shape, with all trained parameters in `vector` and their gradient in `gradient`.

    layer: the network as written. input_shape: that of one sample, (C, H, W) or (F,). dtype: float32 or float64; or
    float16 or bfloat16, in which weights, activations and gradients are then stored, while sums and statistics
    are float32.
    seed: of the weights' start. fuse: run adjacent layers as one op where there is one (see layers.fusion).
    `statistics` is a third vector, of what layers keep without training it (running means).
    """

    def __init__(
        self,
        layer: Layer,
        input_shape: Shape,
        *,
        dtype: npt.DTypeLike = np.float32,
        seed: int = 0,
        fuse: bool = True,
    ) -> None:
        self.layer, self.input_shape, self.dtype, self.fused = (
            layer,
            tuple(input_shape),
            np.dtype(dtype),
            fuse,
        )
        name_layers(layer)
        self.output_shape = layer.build(self.input_shape)
        self._bind()
        self.initialize(seed)

    def _bind(self) -> None:
        """Lay all parameters out in the vectors, in the order of the layers."""
        self.parameters = dict(_named_parameters(self.layer))
        trained = [p for p in self.parameters.values() if p.trained]
        kept = [p for p in self.parameters.values() if not p.trained]
        self.vector = np.zeros(sum(p.size for p in trained), self.dtype)
        self.gradient = np.zeros_like(self.vector)
        self.statistics = np.zeros(sum(p.size for p in kept), np.float32 if is_half(self.dtype) else self.dtype)
        for group, values in ((trained, self.vector), (kept, self.statistics)):
            start = 0
            for parameter in group:
                part = slice(start, start + parameter.size)
                parameter.value = values[part].reshape(parameter.shape)
                if parameter.trained:
                    parameter.gradient = self.gradient[part].reshape(parameter.shape)
                start += parameter.size
        self._running = fuse(self.layer) if self.fused else self.layer
        self._kept = self._running  # what ran last to be differentiated: as written, where it was watched

    def initialize(self, seed: int) -> None:
        """Draw the weights anew. One seed gives the same weights in every float type, up to rounding."""
        rng = np.random.default_rng([seed, _WEIGHTS])
        for parameter in self.parameters.values():
            parameter.value[...] = parameter.initializer(rng, parameter.shape)

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """Output for a batch x (N, *input_shape); images may have another height and width if the layers allow."""
        if x.dtype != self.dtype:
            raise PellucidError(f"network input: expected {self.dtype}, got {x.dtype}")
        if x.ndim != len(self.input_shape) + 1:
            raise PellucidError(
                f"network input: expected (N, {', '.join(map(str, self.input_shape))}), got {x.shape}"
            )
        tree = self._running if context.watch is None else self.layer
        if context.keep:
            self._kept = tree
        y = tree.forward(x, context)
        if context.watch is None:
            return y
        context.watch(self.layer, y)
        return y

    def backward(self, dy: Array, *, input_gradient: bool = False) -> Array:
        """From the output's gradient to `gradient`; returns the input's (an empty array unless asked for)."""
        first = _first_leaf(self._kept)
        first.input_gradient = input_gradient
        try:
            return self._kept.backward(dy)
        finally:
            first.input_gradient = True

    def state(self) -> dict[str, Array]:
        """Every parameter and statistic by name, as views."""
        return {name: parameter.value for name, parameter in self.parameters.items()}

    def load_state(self, state: Mapping[str, Array], source: str = "the given weights") -> None:
        """Take over every value by name, in this network's float type. Nothing changes unless all fits.

        Raises PellucidError for a missing or unknown name or another shape, naming both sides.
        """
        for name, parameter in self.parameters.items():
            if name not in state:
                raise PellucidError(f"{source}: no {name}, which this network has with shape {parameter.shape}")
            if state[name].shape != parameter.shape:
                raise PellucidError(
                    f"{source}: {name} has shape {state[name].shape}, this network's has {parameter.shape}"
                )
        for name in state:
            if name not in self.parameters:
                raise PellucidError(f"{source}: {name} with shape {state[name].shape} is not in this network")
        for name, parameter in self.parameters.items():
            parameter.value[...] = state[name]

    def astype(self, dtype: npt.DTypeLike, *, fuse: bool | None = None) -> Network:
        """A copy of this network in another float type, with the same weights; fused as this one unless given."""
        fused = self.fused if fuse is None else fuse
        twin = Network(copy.deepcopy(self.layer), self.input_shape, dtype=dtype, fuse=fused)
        twin.load_state(self.state())
        return twin

    def layers(self) -> Iterator[Layer]:
        """Every layer as written, outermost first."""
        return self.layer.walk()

    def find(self, name: str) -> Layer:
        """The layer of that name. Raises PellucidError that lists those there are."""
        found = {layer.name: layer for layer in self.layers() if layer.name}
        if name not in found:
            raise PellucidError(f"no layer {name!r}: expected one of {', '.join(found)}")
        return found[name]

    def digest(self) -> str:
        """SHA-256 of all values: equal exactly where two networks' weights and statistics are."""
        return hashlib.sha256(self.vector.tobytes() + self.statistics.tobytes()).hexdigest()


_WEIGHTS = 0x57E16475  # keeps the stream of initial weights apart from every other stream of the same seed


def name_layers(layer: Layer) -> None:
    """Give every layer its path, such as "3" or "5.body.1"."""
    for name, child in layer.children().items():
        child.name = f"{layer.name}.{name}" if layer.name else name
        name_layers(child)


def _named_parameters(layer: Layer) -> Iterator[tuple[str, Parameter]]:
    for part in layer.walk():
        for name, parameter in part.parameters().items():
            yield f"{part.name}.{name}" if part.name else name, parameter


def _first_leaf(layer: Layer) -> Layer:
    """The layer that alone sees the network's input, through whatever starts with it."""
    while True:
        if isinstance(layer, Sequential) and layer.layers:
            layer = layer.layers[0]
        elif isinstance(layer, Upsampled):
            layer = layer.body
        else:
            return layer
