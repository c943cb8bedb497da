"""From nodes to the operations of a plan: what follows a convolution on every element is taken into it.

    Conv2d, Add, ReLU        one convolution, to whose totals another value is added on the way out
    Conv2d, ReLU, 2x2 pool   one convolution whose output never meets memory unpooled, where its algorithm can
    Linear, ReLU6            one product; the same after a norm that is left over, or a sum
    Flatten, Linear          one product; its weights are put into the order in which images lie in memory

Whatever is none of these stays a layer, whose forward pass the plan calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from pellucid.graph.node import INPUT, Node, Nodes
from pellucid.layers import (
    ELU,
    GELU,
    SELU,
    Add,
    AvgPool2d,
    BatchNorm2d,
    ChannelOrder,
    Clip,
    Conv2d,
    ConvTranspose2d,
    DepthToSpace,
    Flatten,
    GlobalAvgPool2d,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    InstanceNorm2d,
    LayerNorm2d,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Mish,
    Multiply,
    Pad,
    ReLU,
    Reshape,
    Resize,
    Sigmoid,
    SiLU,
    Slice,
    Softplus,
    SpaceToDepth,
    Tanh,
    Transpose,
)
from pellucid.layers.base import Layer
from pellucid.layers.joins import Concat
from pellucid.ops.arrays import Shape
from pellucid.ops.geometry import Geometry

LOW, HIGH = -math.inf, math.inf
POOL = Geometry(stride=(2, 2))

BOUNDED = ("convolution", "transposed", "product", "affine", "norm", "sum")
"""Kinds of operations that bound what they give, or take another activation in."""

FUNCTIONS = (ELU, GELU, SELU, HardSigmoid, HardSwish, LeakyReLU, Mish, Sigmoid, SiLU, Softplus, Tanh)
"""Activations that do more than to bound."""

NORMS = (GroupNorm, InstanceNorm2d, LayerNorm2d)
"""Norms of samples."""

MOVES = (ChannelOrder, DepthToSpace, Flatten, Pad, Reshape, Slice, SpaceToDepth, Transpose)
"""Layers that lay numbers out anew; a row of them is one step."""


@dataclass(frozen=True)
class Operation:
    """One step of a plan before it is prepared for a machine.

    kind: "convolution", "transposed" (one whose windows lie side by side), "product" (Linear), "affine" (a norm of
    batches), "norm" (one of samples), "sum", "gate" (two values multiplied), "bounds", "function" (another
    activation), "pool", "resize", "move" (numbers laid out anew), "concat", "layer", or "lines" for the convolutions
    `parts` in one.
    inputs: names of the values it sees, the one added to a convolution last. name: of the value it gives, that of the
    last of its nodes. nodes: those it stands for, first the one that gives `kind`. low, high: bounds of the result.
    added: whether the last input is added. pooled: whether the 2x2 max-pool is taken. parts: see `kind`.
    function: the activation, none that only bounds, that each number of the result goes through.
    """

    kind: str
    inputs: tuple[str, ...]
    name: str
    nodes: tuple[Node, ...]
    low: float = LOW
    high: float = HIGH
    added: bool = False
    pooled: bool = False
    parts: tuple[Operation, ...] = ()
    function: Layer | None = None

    @property
    def layer(self) -> Layer:
        """The layer that gives it its kind."""
        return self.nodes[0].layer

    @property
    def open(self) -> bool:
        """Whether it may still take in a sum, and bounds."""
        return self.unbounded and not self.added and not self.pooled

    @property
    def unbounded(self) -> bool:
        """Whether no activation follows."""
        return (self.low, self.high) == (LOW, HIGH) and self.function is None

    def followed(self, node: Node, **changes: object) -> Operation:
        """With one more node taken in."""
        return replace(self, name=node.name, nodes=(*self.nodes, node), **changes)  # type: ignore[arg-type]


PoolsToo = Callable[[Operation], bool]


@dataclass(frozen=True)
class Operations:
    """All operations in order. aliases: values that lie where another does, by name. outputs: what is given out."""

    steps: tuple[Operation, ...]
    aliases: dict[str, str]
    outputs: tuple[str, ...]

    def place(self, name: str) -> str:
        """The value whose memory a value has."""
        while name in self.aliases:
            name = self.aliases[name]
        return name


def operations(nodes: Nodes, shapes: dict[str, Shape], pools_too: PoolsToo) -> Operations:
    """The operations of nodes, for values of these shapes (of one sample each).

    pools_too: whether a convolution can give its 2x2 max-pool at once.
    """
    making = _Making(nodes, shapes, pools_too)
    for node in nodes:
        making.take(node)
    return Operations(tuple(making.made), making.aliases, nodes.outputs)


class _Making:
    """Operations in the making."""

    def __init__(self, nodes: Nodes, shapes: dict[str, Shape], pools_too: PoolsToo) -> None:
        self.nodes, self.shapes, self.pools_too = nodes, shapes, pools_too
        self.made: list[Operation] = []
        self.aliases: dict[str, str] = {}

    def take(self, node: Node) -> None:
        """Join a node to an operation that is there, or add one."""
        layer = node.layer
        if type(layer) is Flatten and self._lies_flat(node):
            self.aliases[node.name] = node.inputs[0]
        elif not (self._bound(node) or self._sum(node) or self._pool(node) or self._moved(node)):
            kind = self._kind(node)
            bounds = _bounds(layer) or (LOW, HIGH)
            self.made.append(Operation(kind, node.inputs, node.name, (node,), *bounds))

    def _kind(self, node: Node) -> str:
        layer, seen = node.layer, [self.shapes[name] for name in node.inputs]
        kind = type(layer)
        if isinstance(layer, Conv2d):
            depthwise = layer.groups == layer.channels == seen[0][0]
            return "convolution" if layer.groups == 1 or depthwise else "layer"
        if isinstance(layer, ConvTranspose2d):
            return "transposed" if _tiles(layer) else "layer"
        if kind is Linear:
            return "product"
        if kind is BatchNorm2d:
            return "affine"
        if kind in NORMS and len(seen[0]) == 3:
            return "norm"
        if isinstance(layer, Resize) and layer.inside:
            return "resize"
        if kind is Multiply and len(seen) == 2 and (seen[0] == seen[1] or _gates(seen)):
            return "gate"
        if kind in FUNCTIONS:
            return "function"
        if kind is Add and len(seen) == 2 and seen[0] == seen[1]:
            return "sum"
        if isinstance(layer, MaxPool2d | AvgPool2d):
            return "pool" if layer.dilation == (1, 1) else "layer"
        if kind is GlobalAvgPool2d:
            return "pool"
        if self._moves(node):
            return "move"
        if kind is Concat:
            return "concat" if len(seen[0]) in {1, 3} else "layer"
        return "bounds" if _bounds(layer) is not None else "layer"

    def _sole(self, name: str) -> int | None:
        """Number of the operation that gives a value which one node alone sees."""
        if self.nodes.sole_reader(name) is None:
            return None
        return next((i for i, step in enumerate(self.made) if step.name == name), None)

    def _bound(self, node: Node) -> bool:
        """Take an activation into the operation before it."""
        bounds, place = _bounds(node.layer), self._sole(node.inputs[0])
        if place is None or (bounds is None and type(node.layer) not in FUNCTIONS):
            return False
        before = self.made[place]
        if before.kind not in BOUNDED or not before.unbounded or before.pooled:
            return False
        if bounds is None:
            self.made[place] = before.followed(node, function=node.layer)
        else:
            self.made[place] = before.followed(node, low=bounds[0], high=bounds[1])
        return True

    def _sum(self, node: Node) -> bool:
        """Take a sum into the latest of the convolutions that could: what is added to it must be there before."""
        if type(node.layer) is not Add or len(node.inputs) != 2:
            return False
        first, second = node.inputs
        if self.shapes[first] != self.shapes[second]:
            return False
        found = [(self._sole(name), other) for name, other in ((first, second), (second, first))]
        candidates = [(place, other) for place, other in found if place is not None and self._adds(place, other)]
        if not candidates:
            return False
        place, other = max(candidates)
        before = self.made[place]
        self.made[place] = before.followed(node, inputs=(*before.inputs, other), added=True)
        return True

    def _adds(self, place: int, other: str) -> bool:
        """Whether the operation can add a value."""
        step = self.made[place]
        if not step.open or not (step.kind == "product" or (step.kind == "convolution" and _whole(step.layer))):
            return False
        while other in self.aliases:
            other = self.aliases[other]
        return other == INPUT or any(before.name == other for before in self.made[:place])

    def _pool(self, node: Node) -> bool:
        """Take a 2x2 max-pool into the convolution before it."""
        layer = node.layer
        if type(layer) is not MaxPool2d or layer.kernel != (2, 2) or layer.geometry != POOL or layer.ceil:
            return False
        place = self._sole(node.inputs[0])
        if place is None:
            return False
        before = self.made[place]
        if (
            before.kind != "convolution"
            or before.added
            or before.pooled
            or before.function is not None
            or not self.pools_too(before)
        ):
            return False
        self.made[place] = before.followed(node, pooled=True)
        return True

    def _moves(self, node: Node) -> bool:
        """Whether a layer does nothing but to move numbers, and to put zeros between them."""
        layer = node.layer
        zeros = not isinstance(layer, Pad) or (layer.mode == "constant" and layer.value == 0)
        return type(layer) in MOVES and zeros and node.inputs[0] not in self.aliases

    def _moved(self, node: Node) -> bool:
        """Take a move into the one before it."""
        place = self._sole(node.inputs[0])
        if place is None or self.made[place].kind != "move" or not self._moves(node):
            return False
        self.made[place] = self.made[place].followed(node)
        return True

    def _lies_flat(self, node: Node) -> bool:
        """Whether a Flatten is nothing: for images of one pixel or channel, or before nothing but affine layers."""
        shape, readers = self.shapes[node.inputs[0]], self.nodes.readers[node.name]
        if len(shape) == 1 or shape[0] == 1 or shape[1:] == (1, 1):
            return True
        return bool(readers) and node.name not in self.nodes.outputs and all(type(r.layer) is Linear for r in readers)


def _bounds(layer: Layer) -> tuple[float, float] | None:
    """Of an activation that is nothing else."""
    if type(layer) is ReLU:
        return 0.0, HIGH
    return (layer.low, layer.high) if isinstance(layer, Clip) else None


def _gates(seen: list[Shape]) -> bool:
    """Whether one of two values is one pixel of the other's channels."""
    return any(len(a) == 3 and b == (a[0], 1, 1) for a, b in (seen, seen[::-1]))


def _tiles(layer: ConvTranspose2d) -> bool:
    """Whether the windows of a transposed convolution lie side by side and cover its output."""
    return layer.geometry == Geometry(stride=layer.kernel) and layer.output_padding == (0, 0)


def _whole(layer: Layer) -> bool:
    """Whether each filter of a convolution sees all channels."""
    return isinstance(layer, Conv2d) and layer.groups == 1
