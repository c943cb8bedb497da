"""A network: a graph of layers whose parameters are one contiguous vector, and so is their gradient."""

from __future__ import annotations

import copy
import hashlib
import html
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid import ops
from pellucid.arguments import check_arguments
from pellucid.errors import InputError, PellucidError
from pellucid.graph import Executor, Nodes, fuse, unroll
from pellucid.layers import INFERENCE, Context, Layer, Parameter
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.formats import checked_float
from pellucid.ops.half import is_float, is_half
from pellucid.parameter_groups import ParameterGroup, VectorPart, checked_groups, group_of, vector_parts


class Network:
    """Layers built for one input shape, with all trained parameters in `vector` and their gradient in `gradient`.

    layer: the network as written, a layer or a container. input_shape: that of one sample, (C, H, W) or (F,).
    dtype: float32 or float64; or float16 or bfloat16, in which weights, activations and gradients are then stored,
    while sums and statistics are float32.
    seed: of the weights' start; None leaves them 0, and memory that nobody has touched takes no room.
    fuse: run adjacent layers as one op where there is one (see graph.fuse).
    `nodes` are the layers as they were written, in order; `statistics` is a third vector, of what layers keep without
    training it (running means).
    Raises PellucidError, naming the layer, where the layers don't fit together, or belong to another network.

    >>> layers = pl.nn.Sequential(pl.nn.Conv2d(8), pl.nn.Flatten(), pl.nn.Linear(10))
    >>> net = pl.Network(layers, (1, 28, 28))
    >>> net(np.zeros((5, 1, 28, 28), np.float32)).shape
    (5, 10)
    >>> net.vector.shape == net.gradient.shape
    True
    """

    def __init__(
        self,
        layer: Layer,
        input_shape: Shape,
        *,
        dtype: npt.DTypeLike = np.float32,
        seed: int | None = 0,
        fuse: bool = True,
    ) -> None:
        check_arguments(Network, (), {"seed": seed, "fuse": fuse})
        self.layer, self.input_shape, self.fused = layer, _checked(input_shape), fuse
        self.dtype = checked_float(dtype)
        self.groups: tuple[ParameterGroup, ...] = ()
        self._unroll()
        for node in self.nodes:
            if node.layer.built:
                raise node.layer.error("a layer of no network so far (copy.deepcopy makes one)", "another network's")
        shapes = self.nodes.build(self.input_shape)
        outputs = [shapes[name] for name in self.nodes.outputs]
        self.output_shape: Any = outputs[0] if len(outputs) == 1 else tuple(outputs)
        self._own_layers()
        self._bind()
        if seed is not None:
            self.initialize(seed)

    def _unroll(self) -> None:
        self.nodes: Nodes = unroll(self.layer)

    def _own_layers(self) -> None:
        """From now on all layers and containers are this network's, and keep their names."""
        for layer in self.layers():
            layer.built = True

    def _bind(self, *, keep: bool = False) -> None:
        """Lay all parameters out in the vectors, in the order of the layers. keep: with the values that they have."""
        self.parameters = _named_parameters(self.nodes)
        trained = [p for p in self.parameters.values() if p.trained]
        kept = [p for p in self.parameters.values() if not p.trained]
        self._vector = ops.zeros(sum(p.size for p in trained), self.dtype)
        self._gradient = ops.zeros(self._vector.shape, self.dtype)
        wide = np.dtype(np.float32) if is_half(self.dtype) else self.dtype
        self._statistics = ops.zeros(sum(p.size for p in kept), wide)
        for group, values in ((trained, self._vector), (kept, self._statistics)):
            start = 0
            for parameter in group:
                part = slice(start, start + parameter.size)
                if keep:
                    values[part] = parameter.value.astype(values.dtype).reshape(-1)
                parameter.value = values[part].reshape(parameter.shape)
                if parameter.trained:
                    parameter.gradient = self.gradient[part].reshape(parameter.shape)
                start += parameter.size
        self._plain = Executor(self.nodes)
        self._running = Executor(fuse(self.nodes, self.input_shape)) if self.fused else self._plain
        self._kept = self._running  # what ran last to be differentiated: as written, where it was watched

    @property
    def vector(self) -> Array:
        """All trained parameters, one behind the other; assigning copies into it."""
        return self._vector

    @vector.setter
    def vector(self, values: Array) -> None:
        _copy_into(self._vector, values, "vector")

    @property
    def gradient(self) -> Array:
        """Their gradient, which backward writes; assigning copies into it."""
        return self._gradient

    @gradient.setter
    def gradient(self, values: Array) -> None:
        _copy_into(self._gradient, values, "gradient")

    @property
    def statistics(self) -> Array:
        """All that layers keep without training it; assigning copies into it."""
        return self._statistics

    @statistics.setter
    def statistics(self, values: Array) -> None:
        _copy_into(self._statistics, values, "statistics")

    def initialize(self, seed: int) -> None:
        """Draw the weights anew. One seed gives the same weights in every float type, up to rounding."""
        if seed < 0:
            raise InputError(f"seed: expected a whole number of at least 0, got {seed}")
        rng = np.random.default_rng([seed, _WEIGHTS])
        for parameter in self.parameters.values():
            parameter.value[...] = parameter.initializer(rng, parameter.shape).astype(parameter.value.dtype)

    def __call__(self, x: Array, context: Context = INFERENCE) -> Array:
        """The output for a batch: `forward`."""
        return self.forward(x, context)

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """Output for a batch x (N, *input_shape); images may have another height and width if the layers allow.

        A network of several outputs gives a list of them.
        """
        x = ops.array(x)
        if x.dtype != self.dtype:
            raise PellucidError(f"network input: expected {self.dtype}, got {x.dtype}")
        if x.ndim != len(self.input_shape) + 1:
            raise PellucidError(
                f"network input: expected (N, {', '.join(map(str, self.input_shape))}), got {x.shape}"
            )
        executor = self._running if context.watch is None else self._plain
        if context.keep:
            self._kept = executor
        y: Array = executor.forward(x, context)  # a list where there are several outputs
        return y

    def backward(self, dy: Array | Sequence[Array | None], *, input_gradient: bool = False) -> Array:
        """From the output's gradient to `gradient`; returns the input's (an empty array unless asked for).

        dy: the output's gradient, or a list with one for each output, None for zeros. What forward has kept is used
        up. Raises PellucidError before a forward pass that keeps it, and for a gradient of another shape.
        """
        given = dy if isinstance(dy, list | tuple) else [dy]
        parts = [None if part is None else ops.array(part) for part in given]
        dx = self._kept.backward(parts, input_gradient=input_gradient)
        return ops.empty((0,), self.dtype) if dx is None else dx

    def group(self, names: str, *, rate: float = 1.0, decay: float = 1.0, frozen: bool = False) -> None:
        """Train the parameters of that name, path or pattern at another rate or decay, or not at all.

        See `ParameterGroup`; of several that hold a parameter, the last one counts. Below the lowest layer that
        learns, backward does nothing. Raises PellucidError where no parameter is so called.
        """
        self.set_groups([*self.groups, ParameterGroup(names, rate, decay, frozen)])

    def set_groups(self, groups: Sequence[ParameterGroup]) -> None:
        """Exactly these groups instead of those there are."""
        trained = {name: p for name, p in self.parameters.items() if p.trained}
        self.groups = checked_groups(groups, list(trained))
        for name, parameter in trained.items():
            parameter.learns = not group_of(name, self.groups).frozen
        for executor in (self._plain, self._running):
            executor.note_parameters()

    @property
    def parts(self) -> list[VectorPart]:
        """The parts of the vector that learn, with their factors of rate and decay."""
        return vector_parts({name: p for name, p in self.parameters.items() if p.trained}, self.groups)

    def state(self) -> dict[str, Array]:
        """Every parameter and statistic by name, as views."""
        return {name: parameter.value for name, parameter in self.parameters.items()}

    def load_state(self, state: Mapping[str, Array], source: str = "the given weights") -> None:
        """Take over every value by name, in this network's float type. Nothing changes unless all fits.

        Raises PellucidError for a missing or unknown name or another shape, naming both sides, and for what are no
        numbers, or larger ones than the float type holds.
        """
        if not isinstance(state, Mapping):
            raise InputError(f"{source}: expected arrays by name, got {type(state).__name__}")
        for name, parameter in self.parameters.items():
            if name not in state:
                raise PellucidError(f"{source}: no {name}, which this network has with shape {parameter.shape}")
            given = state[name]
            if not hasattr(given, "dtype"):
                raise InputError(f"{source}: {name}: expected an array, got {type(given).__name__}")
            if given.shape != parameter.shape:
                raise PellucidError(f"{source}: {name} has shape {given.shape}, this network's has {parameter.shape}")
        for name, values in state.items():
            if name not in self.parameters:
                came = f" with shape {values.shape}" if hasattr(values, "shape") else ""
                raise PellucidError(f"{source}: {name}{came} is not in this network")
        found = {
            name: _of_type(ops.array(state[name]), parameter.value.dtype, f"{source}: {name}")
            for name, parameter in self.parameters.items()
        }
        for name, parameter in self.parameters.items():
            parameter.value[...] = found[name]

    def astype(self, dtype: npt.DTypeLike, *, fuse: bool | None = None) -> Network:
        """A copy of this network in another float type, with the same weights; fused as this one unless given."""
        settings = {"dtype": np.dtype(dtype), "fused": self.fused if fuse is None else fuse}
        twin = object.__new__(type(self))
        twin.__setstate__(copy.deepcopy(self.__getstate__()) | settings)
        return twin

    def __copy__(self) -> Network:
        """With layers of its own, as a layer belongs to one network."""
        return copy.deepcopy(self)

    def _rebuild(self) -> None:
        """Nodes and vectors anew, over the layers' present values: what a copy needs."""
        self._unroll()
        self._own_layers()
        self._bind(keep=True)
        self.set_groups(self.groups)

    def __getstate__(self) -> dict[str, Any]:
        """The layers, whose parameters have the values, and the settings."""
        names = ("layer", "input_shape", "output_shape", "dtype", "fused", "groups")
        return {name: self.__dict__[name] for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._rebuild()

    def layers(self) -> Iterator[Layer]:
        """Every container and layer as written, outermost first."""
        return (layer for layer, _ in self.nodes.layers())

    def find(self, name: str) -> Layer:
        """The layer of that name. Raises PellucidError that lists those there are."""
        found = {layer.name: layer for layer in self.layers() if layer.name}
        if name not in found:
            raise PellucidError(f"no layer {name!r}: expected one of {', '.join(found)}")
        return found[name]

    def digest(self) -> str:
        """SHA-256 of all values: equal exactly where two networks' weights and statistics are."""
        return hashlib.sha256(self.vector.tobytes() + self.statistics.tobytes()).hexdigest()

    def __repr__(self) -> str:
        """A tree of the layers with their output shapes and numbers of parameters."""
        return "\n".join(_tree(self))

    def _repr_html_(self) -> str:
        """The nodes as a table, for notebooks."""
        shapes = self.nodes.shapes(self.input_shape)
        rows = []
        for node in self.nodes:
            own = sum(p.size for p in node.layer.parameters().values() if p.trained)
            cells = (node.name, repr(node.layer), "x".join(map(str, shapes[node.name])), f"{own:,}" if own else "")
            rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
        shape = "x".join(map(str, self.input_shape))
        title = f"input {shape}, {self.vector.size:,} parameters, {self.dtype}"
        head = "".join(f"<th>{name}</th>" for name in ("name", "layer", "output", "parameters"))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><caption>{title}</caption><tr>{head}</tr>{body}</table>"


_WEIGHTS = 0x57E16475  # keeps the stream of initial weights apart from every other stream of the same seed


def _checked(shape: Any) -> Shape:
    """The shape of one sample. Raises InputError for what is none."""
    try:
        found = tuple(operator.index(size) for size in shape)
    except TypeError:
        found = (0,)
    if min(found, default=1) < 1:
        raise InputError(f"network: expected the shape of one sample, such as (3, 32, 32), got {shape!r}")
    return found


def _copy_into(target: Array, values: Array, name: str) -> None:
    """Copy, unless it is itself, as after `network.vector -= ...`."""
    if values is target:
        return
    given = ops.array(values)
    if given.shape != target.shape:
        raise PellucidError(
            f"network.{name}: expected {target.size} numbers, shape {target.shape}, got {given.shape}"
        )
    target[...] = _of_type(given, target.dtype, f"network.{name}")


def _of_type(values: Array, kind: np.dtype[Any], name: str) -> Array:
    """The numbers in a float type. Raises InputError for what are none, and for some that it can't hold."""
    if not (is_float(values.dtype) or values.dtype.kind in "iub"):
        raise InputError(f"{name}: expected numbers, got {values.dtype}")
    with np.errstate(over="ignore"):
        found = values.astype(kind, copy=False)
    if isinstance(found, np.ndarray) and found.dtype != values.dtype:
        infinite = np.isinf(found)
        if infinite.any() and not np.isinf(values[infinite]).all():
            raise InputError(f"{name}: expected numbers that {kind} can hold, got larger ones")
    return found


def _named_parameters(nodes: Nodes) -> dict[str, Parameter]:
    """Every parameter by name; one that several layers share has the first one's name."""
    found: dict[str, Parameter] = {}
    seen: set[int] = set()
    for node in nodes:
        for name, parameter in node.layer.parameters().items():
            if id(parameter) not in seen:
                seen.add(id(parameter))
                found[f"{node.name}.{name}" if node.name else name] = parameter
    return found


def _tree(network: Network) -> Iterator[str]:
    """The lines of `repr`."""
    shapes = network.nodes.shapes(network.input_shape)
    outputs = {group.name: group.outputs for group in network.nodes.groups} | {
        n.name: (n.name,) for n in network.nodes
    }
    shape = "x".join(map(str, network.input_shape))
    yield f"Network: input {shape}, {network.vector.size:,} parameters, {network.dtype}"
    for layer, depth in network.nodes.layers():
        if not layer.name and depth < 0:
            continue
        settings = layer.describe()
        own = sum(parameter.size for parameter in layer.parameters().values() if parameter.trained)
        given = " and ".join("x".join(map(str, shapes[name])) for name in outputs[layer.name])
        title = f"{'  ' * (depth + 1)}{layer.name.rpartition('.')[2]}: {layer.kind}" + (
            f"({settings})" if settings else ""
        )
        yield f"{title} -> {given}" + (f", {own:,} parameters" if own else "")
