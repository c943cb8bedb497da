"""A network's nodes as the parts that integer arithmetic knows, each of which becomes one step.

    Conv2d, ConvTranspose2d, Linear [BatchNorm2d] [clip] [MaxPool2d]  sums of products, scaled once, clipped, pooled
    BatchNorm2d [clip] [MaxPool2d]                                    the same, one product a channel
    Add, Multiply [clip]                                              rescaled once, clipped
    Concat, pools, activations, RepeatEdges, CropLike                 a part each
    ChannelOrder, Reshape, Slice, Transpose in a row                  a part: channels in another order, or some
    Flatten, Dropout, Identity                                        nothing: they lay out anew, or act in training
    Rounding, FakeQuantize                                            the scale of the part before it; where others
                                                                      see that too, ReLU if it cuts off below 0

A clip is ReLU or Clip, as ReLU6 is. A layer joins the part before it where it alone sees what that gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.errors import PellucidError
from pellucid.graph import INPUT, Node, Nodes
from pellucid.graph.fold import Affine
from pellucid.graph.rearranged import REARRANGING, Rearranged, rearranged
from pellucid.graph.rewrite import rewrite
from pellucid.layers import (
    ELU,
    GELU,
    SELU,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Clip,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    Identity,
    InstanceNorm2d,
    Layer,
    LayerNorm2d,
    LeakyReLU,
    Linear,
    LogSoftmax,
    MaxPool2d,
    Mish,
    Multiply,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from pellucid.layers.joins import Concat
from pellucid.layers.quantize import FakeQuantize
from pellucid.layers.resize import CropLike, RepeatEdges
from pellucid.ops.geometry import Geometry
from pellucid.plan.scale import Scale
from pellucid.precision.rounding import RoundedWeights, Rounding

CLIPS = (ReLU, Clip)
SMOOTH = (ELU, GELU, SELU, HardSigmoid, HardSwish, LeakyReLU, Mish, Sigmoid, SiLU, Softplus, Tanh)
ACTIVATIONS = (*CLIPS, *SMOOTH)
POOLS = (MaxPool2d, AvgPool2d, GlobalAvgPool2d)
MOVES = (RepeatEdges, CropLike)
SCALED = (Conv2d, ConvTranspose2d, Linear, BatchNorm2d, Add, Multiply)
SILENT = (Dropout, Identity)

LOGITS = "logits at the end in integers (the largest is the same class's)"
NORM = "BatchNorm2d in integers (it becomes part of the convolution before it)"
INSTEAD: dict[type[Layer], str] = {
    GroupNorm: NORM,
    InstanceNorm2d: NORM,
    LayerNorm2d: NORM,
    LogSoftmax: LOGITS,
    PReLU: "LeakyReLU in integers (one slope for all channels)",
    Softmax: LOGITS,
}
"""What does the work of a layer that has no integer form."""

KNOWN = (*SCALED, Concat, *ACTIVATIONS, *POOLS, *MOVES, *SILENT, Flatten, FakeQuantize, *REARRANGING)


@dataclass
class Part:
    """Nodes that are one step of the integer network.

    layer: the first one's; of a layer with rounded weights the layer itself. name: the first one's. inputs: names of
    the values it sees. value: of the one it gives. ranged: of the one whose range its scale has to hold, which is
    what a joined pool sees. sized_by: of a value that it takes only the height and width of. rounding: what says the
    scale of what it gives, if something does.
    """

    layer: Layer
    name: str
    inputs: tuple[str, ...]
    value: str
    ranged: str
    sized_by: str = ""
    rounded: RoundedWeights | None = None
    norm: BatchNorm2d | None = None
    clip: Layer | None = None
    pool: MaxPool2d | None = None
    rounding: Rounding | FakeQuantize | None = None

    @property
    def keeps_scale(self) -> bool:
        """Whether what it gives has the scale of what it sees."""
        return isinstance(self.layer, (*POOLS, *MOVES, Rearranged))

    @property
    def plain(self) -> bool:
        """Whether a part gives its sums as they are, so that they can be logits."""
        return isinstance(self.layer, Affine | Add) and not (self.clip or self.pool or self.rounding)

    def join(self, node: Node) -> bool:
        """Take in the node that alone sees the part's value, if it belongs there; whether it does."""
        layer = node.layer
        open_ = isinstance(self.layer, SCALED) and not (self.clip or self.pool or self.rounding)
        if isinstance(layer, BatchNorm2d) and open_ and self.norm is None and isinstance(self.layer, Affine):
            self.norm = layer
        elif isinstance(layer, CLIPS) and open_:
            self.clip = layer
        elif isinstance(layer, Rounding | FakeQuantize):
            self.rounding = layer
        elif isinstance(layer, MaxPool2d) and self._pools(layer):
            self.pool = layer
        else:
            return False
        self.value = node.name
        if not isinstance(layer, MaxPool2d | Rounding | FakeQuantize):
            self.ranged = node.name
        return True

    def _pools(self, pool: MaxPool2d) -> bool:
        """Whether a pool can be taken before rounding: its windows are whole squares side by side."""
        side = pool.kernel[0]
        squares = pool.kernel == (side, side) and pool.geometry == Geometry(stride=(side, side)) and not pool.ceil
        return squares and self.pool is None and isinstance(self.layer, Affine | BatchNorm2d)


@dataclass(frozen=True)
class IntegerGraph:
    """parts: in order. output: name of the value that the network gives. input_scale: where the network says it."""

    parts: tuple[Part, ...]
    output: str
    input_scale: Scale | None = None

    @property
    def logits(self) -> Part | None:
        """The part whose sums the network gives as they are, moved perhaps; None where there is no such."""
        by_value = {part.value: part for part in self.parts}
        part = by_value.get(self.output)
        while part is not None and isinstance(part.layer, MOVES) and len(self.readers(part.inputs[0])) == 1:
            part = by_value.get(part.inputs[0])
        if part is None or not part.plain or (part.value != self.output and len(self.readers(part.value)) > 1):
            return None
        return part

    @property
    def after_logits(self) -> set[str]:
        """Names of the values that are logits, where some are."""
        first = self.logits
        if first is None:
            return set()
        found = {first.value}
        for part in self.parts:
            if part.inputs[0] in found:
                found.add(part.value)
        return found

    def readers(self, value: str) -> list[Part]:
        """The parts that see a value."""
        return [part for part in self.parts if value in part.inputs]

    def scaled_as(self, part: Part) -> Part:
        """The part whose range gives a part's scale: itself, or the concatenation that alone sees what it gives.

        So what is concatenated is rounded once, to the scale of all.
        """
        if part.rounding is not None:
            return part
        value = part.value
        while value != self.output and len(readers := self.readers(value)) == 1:
            if isinstance(readers[0].layer, Concat):
                return self.scaled_as(readers[0])
            if not readers[0].keeps_scale or readers[0].rounding is not None:
                break
            value = readers[0].value
        return part


def integer_graph(nodes: Nodes) -> IntegerGraph:
    """The parts of a network, built or not.

    Raises PellucidError, naming the layer, for a layer without integer form, and for several outputs.
    """
    if len(nodes.outputs) > 1:
        raise PellucidError(f"integer network: expected one output, got {', '.join(nodes.outputs)}")
    heard = rewrite(nodes, lambda node: [] if _silent(node, nodes) else [node])
    told = rewrite(rearranged(heard), lambda node: [] if isinstance(node.layer, Flatten) else [node])
    nodes = rewrite(told, lambda node: _rounding(node, told))
    found: list[Part] = []
    by_value: dict[str, Part] = {}
    for node in nodes:
        before = by_value.get(node.inputs[0])
        if before is None or nodes.sole_reader(before.value) is not node or not before.join(node):
            before = _begun(node)
            found.append(before)
        by_value[node.name] = before
    first = told.sole_reader(INPUT)
    return IntegerGraph(tuple(found), nodes.outputs[0], scale_of(first.layer) if first else None)


def scale_of(layer: Layer) -> Scale | None:
    """That which a layer rounds to, of bytes; None where it does nothing of that kind."""
    if isinstance(layer, Rounding):
        return layer.scale
    bytes_ = isinstance(layer, FakeQuantize) and layer.high - layer.low == 255
    return Scale(layer.scale, layer.zero - layer.low) if bytes_ else None


def _silent(node: Node, nodes: Nodes) -> bool:
    """Whether a node does nothing: what only lies anew is rounded already."""
    before = nodes.by_name.get(nodes.by_name[node.name].inputs[0])
    again = isinstance(node.layer, FakeQuantize) and before is not None and isinstance(before.layer, REARRANGING)
    return again or isinstance(node.layer, SILENT)


def _rounding(node: Node, nodes: Nodes) -> list[Node]:
    """What stands for a node that rounds: itself where it alone sees a part; else nothing, or ReLU."""
    layer = node.layer
    if not isinstance(layer, FakeQuantize):
        return [node]
    source = nodes.by_name[node.name].inputs[0]
    before = nodes.by_name.get(source)
    if before is None:
        return []
    reader = nodes.sole_reader(source)
    alone = reader is not None and reader.name == node.name and not isinstance(before.layer, FakeQuantize)
    if alone and scale_of(layer) is not None:
        return [node]
    cuts = layer.zero == layer.low and isinstance(before.layer, SCALED)
    return [Node(ReLU(), node.inputs, node.name)] if cuts else []


def _begun(node: Node) -> Part:
    """A part that starts with the node."""
    layer, seen = node.layer, node.seen
    rounded = layer if isinstance(layer, RoundedWeights) else None
    layer = layer.inner if isinstance(layer, RoundedWeights) else layer
    if not isinstance(layer, (*KNOWN, Rearranged)):
        expected = INSTEAD.get(type(layer), f"a layer with an integer form ({_names(KNOWN)})")
        raise layer.error(expected, layer.kind)
    if isinstance(layer, AvgPool2d) and layer.count_padding:
        raise layer.error("a pool that doesn't count its padding, in integers", layer.describe())
    if isinstance(layer, Multiply) and len(seen) != 2:
        raise layer.error("two inputs, in integers", len(seen))
    sized_by = next((name for name in node.inputs if name not in seen), "")
    return Part(layer, node.name, seen, node.name, node.name, sized_by, rounded)


def _names(kinds: Sequence[type[Layer]]) -> str:
    return ", ".join(kind.__name__ for kind in kinds)
