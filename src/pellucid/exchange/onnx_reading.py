"""A file's graph becoming nodes of ours: the state of it, and what the readers of operators ask and tell.

A value of the file is either known (`Known`: constants, shapes, and what follows from them), or it depends on the
network's input (`Unknown`: the value of one of our nodes). What is known is worked out; for the rest, a reader makes
layers. Everything about one sample: the batch, always the first axis, is kept apart. Where its size is open, a prime
stands for it while shapes are worked out, so that what depends on it can be told.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.exchange.onnx_file import LONGEST_NAME, FileNode, OnnxFile
from pellucid.exchange.onnx_fold import MOST_NUMBERS, Call, fold
from pellucid.graph import INPUT, Node
from pellucid.layers import Layer, Transpose
from pellucid.layers.joins import Join
from pellucid.ops.arrays import Array, Shape

LAST = (1, 2, 0)
"""The order that brings the channels of images behind their columns."""

PRIME = 1_000_003
"""Stands for an open batch size."""


@dataclass(frozen=True)
class Known:
    """Numbers that don't depend on the input. source: the tensor of the file that they are. learnt: from a tensor.

    rise: where there are as many along the first axis as images, and each image's are this much larger than those of
    the one before it; then only the first image's are here.
    """

    array: Array
    source: str = ""
    learnt: bool = False
    rise: int | None = None

    @property
    def of_the_batch(self) -> bool:
        """Whether the open batch size is among them, or a multiple of it."""
        array = self.array
        if array.dtype.kind not in "iuf" or array.dtype.itemsize < 4 or array.size > MOST_SHAPE or array.ndim > 1:
            return False
        with np.errstate(invalid="ignore"):  # of what is no number there is no rest
            return bool(np.any((array != 0) & (array % PRIME == 0)))


MOST_SHAPE = 16  # numbers that a shape may have


@dataclass(frozen=True)
class Unknown:
    """The value of a node. shape: of one sample. integers: whether it still has the type of bytes.

    rows: (H, W), where the file has it with the pixels of all images in one axis, (N H W, C), for a product of
    matrices; its shape is (H, W, C) all the same. above: a number, where the file only asks whether it is larger.
    flat: whether the file has all numbers of all images in one axis.
    """

    name: str
    shape: Shape
    integers: bool = False
    rows: Shape = ()
    above: float | None = None
    flat: bool = False

    @property
    def plain(self) -> bool:
        """Whether it is no more than the value."""
        return not self.integers and not self.rows and self.above is None and not self.flat


Value = Known | Unknown


class RefusedError(PellucidError):
    """An operator, or a setting of it, that has no form here."""


@dataclass
class Reading:
    """All that has been read so far. weights: of our parameters, by name. tied: parameters that are another one.

    bare: norms that were several operators, whose gamma and beta may be the next ones.
    """

    file: OnnxFile
    batch: int
    values: dict[str, Value | None]
    input_shape: Shape
    nodes: dict[str, Node] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    weights: dict[str, Array] = field(default_factory=dict)
    tied: dict[str, str] = field(default_factory=dict)
    known_as: dict[str, list[str]] = field(default_factory=dict)
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    folded: int = 0
    untrained: frozenset[str] = frozenset()
    bare: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.uses = Counter(name for node in self.file.nodes for name in node.inputs)
        self.uses.update(self.file.outputs)

    def take(self, name: str) -> str:
        """The name, or one like it, that no node has yet."""
        plain = name if name.isprintable() and len(name) <= LONGEST_NAME else ""
        plain = plain or f"node{len(self.nodes)}"
        candidate, number = plain, 1
        while candidate in self.nodes or candidate == INPUT:
            number += 1
            candidate = f"{plain}_{number}"
        return candidate

    def only_reader(self, value: Unknown) -> bool:
        """Whether nothing but the node that is being read sees a value."""
        return all(self.uses[name] == 1 for name in self.known_as.get(value.name, [""]))

    def drop(self, value: Unknown) -> None:
        """Take a node out again, of which nobody else has seen anything."""
        del self.nodes[value.name]
        for name in [key for key in self.weights if key.rpartition(".")[0] == value.name]:
            del self.weights[name]
        self.owners = {key: name for key, name in self.owners.items() if name.rpartition(".")[0] != value.name}


@dataclass
class At:
    """The place of one node of the file: what it sees, and what it becomes.

    instead: what it sees by place, where that isn't what the file says. turned: whether these are images, for the
    file's with channels last, to which all is turned back that is given. rows: of what is given so; see Unknown.
    """

    reading: Reading
    node: FileNode
    made: int = 0
    instead: dict[int, Value] = field(default_factory=dict)
    turned: bool = False
    rows: Shape = ()

    @property
    def opset(self) -> int:
        """The file's."""
        return self.reading.file.opset

    @property
    def batch(self) -> int:
        """The batch size, or what stands for it."""
        return self.reading.batch

    def get(self, name: str, default: Any = None) -> Any:
        """A setting."""
        found = self.node.attributes.get(name)
        return default if found is None else found

    def value(self, place: int) -> Value | None:
        """An input; None where there is none."""
        if place in self.instead:
            return self.instead[place]
        name = self.node.inputs[place] if place < len(self.node.inputs) else ""
        return self.reading.values[name] if name else None

    def unknown(self, place: int = 0) -> Unknown:
        """An input that depends on the network's."""
        found = self.value(place)
        if not isinstance(found, Unknown):
            raise RefusedError(f"input {place} a constant, where the network's own values are expected")
        return found

    def known(self, place: int) -> Known | None:
        """An input that doesn't; None where there is none."""
        found = self.value(place)
        if isinstance(found, Unknown):
            raise RefusedError(f"input {place} worked out by the network, where a constant is expected")
        if found is not None and found.of_the_batch and self.batch == PRIME:
            raise RefusedError("numbers that depend on how many images there are")
        return found

    def needed(self, place: int) -> Known:
        """An input that is there, and doesn't depend on the network's."""
        found = self.known(place)
        if found is None:
            raise RefusedError(f"no input {place}, which it needs")
        return found

    def wants(self, place: int) -> bool:
        """Whether anybody uses that output."""
        return place < len(self.node.outputs) and self.reading.uses[self.node.outputs[place]] > 0

    def call(self) -> Call:
        """The node as `onnx_fold` takes it, with what is known of its inputs."""
        known = tuple(
            found.array if isinstance(found := self.value(place), Known) else None
            for place in range(len(self.node.inputs))
        )
        return Call(self.node.operator, known, self.node.attributes, self.opset, len(self.node.outputs))

    def give(self, value: Value, place: int = 0) -> None:
        """Let an output of the node be that value."""
        if place < len(self.node.outputs) and (name := self.node.outputs[place]):
            if self.turned and isinstance(value, Unknown):
                self.reading.known_as.setdefault(value.name, []).append(name)
                value = replace(self.emit(Transpose(*LAST), value), rows=self.rows)
            self.reading.values[name] = value
            if isinstance(value, Unknown):
                self.reading.known_as.setdefault(value.name, []).append(name)

    def emit(
        self, layer: Layer, *inputs: Unknown, name: str = "", weights: Mapping[str, Known | Array] | None = None
    ) -> Unknown:
        """A node of ours. weights: the values of its parameters.

        Its name is that of the file's node, or of what that gives; of several nodes for one, numbers are put behind.
        """
        reading = self.reading
        wanted = name or self.node.name or self.node.outputs[0]
        taken = reading.take(f"{wanted}/{self.made}" if self.made and not name else wanted)
        self.made += 1
        layer.name = taken
        shapes = [value.shape for value in inputs]
        join = isinstance(layer, Join)
        shape = layer.output_shape(shapes) if join else layer.output_shape(shapes[0])  # type: ignore[arg-type]
        if math.prod(shape) > MOST_NUMBERS:
            raise RefusedError(f"{math.prod(shape):,} numbers a sample, expected at most {MOST_NUMBERS:,}")
        reading.nodes[taken] = Node(layer, [value.name for value in inputs], taken)
        reading.shapes[taken] = tuple(shape)
        for key, given in (weights or {}).items():
            self.weigh(f"{taken}.{key}", given)
        return Unknown(taken, tuple(shape))

    def weigh(self, parameter: str, given: Known | Array) -> None:
        """The value of a parameter; of one tensor of the file that stands at two places, both are the same."""
        reading = self.reading
        if isinstance(given, Known):
            if given.array.size and given.source:
                key = (given.source, f"{parameter.rpartition('.')[2]} {given.array.shape}")
                owner = reading.owners.setdefault(key, parameter)
                if owner != parameter:
                    reading.tied[parameter] = owner
            given = given.array
        reading.weights[parameter] = given

    def images(self, value: Value | None) -> Unknown | None:
        """The images that a value shows with their channels last; None for any other value."""
        node = self.reading.nodes.get(value.name) if isinstance(value, Unknown) else None
        if node is None or not isinstance(node.layer, Transpose) or node.layer.axes != LAST:
            return None
        source = node.inputs[0]
        shape = self.reading.input_shape if source == INPUT else self.reading.shapes[source]
        return Unknown(source, shape)

    def on_images(self) -> At:
        """The same place where all of its values are images with channels last: on the images themselves.

        An operator on each element by itself may be read there, so that two changes of the order meet and vanish.
        """
        values = [self.value(place) for place in range(len(self.node.inputs))]
        instead: dict[int, Value] = {}
        for place, value in enumerate(values):
            if isinstance(value, Unknown):
                images = self.images(value)
                if images is None:
                    return self
                instead[place] = images
            elif value is not None and value.array.size > 1:
                array = value.array
                if array.ndim > 4 or value.array.dtype.kind not in "fV":
                    return self
                first = array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(0, 3, 1, 2)
                instead[place] = Known(first, value.source, value.learnt)
        if not any(isinstance(value, Unknown) for value in instead.values()):
            return self
        return replace(self, instead=instead, turned=True)

    def input(self) -> Unknown:
        """The network's own input."""
        return Unknown(INPUT, self.reading.input_shape)

    def layer_of(self, value: Unknown) -> Layer | None:
        """The layer that gives a value; None for the network's input."""
        node = self.reading.nodes.get(value.name)
        return None if node is None else node.layer

    def sample_axis(self, axis: int, rank: int) -> int:
        """An axis of the file's tensor as one of a sample. Raises RefusedError for that of the batch."""
        if not -rank <= axis < rank:
            raise RefusedError(f"axis {axis} of a tensor of {rank} axes")
        if axis % rank == 0:
            raise RefusedError("along the axis of the batch, which would mix images")
        return axis % rank - 1

    def sample(self, shape: Sequence[int]) -> Shape:
        """Of a whole tensor's shape that of one sample. Raises RefusedError where its first axis isn't the batch."""
        if not shape or shape[0] != self.batch:
            shown = ", ".join(_side(side) for side in shape)
            raise RefusedError(f"a tensor of shape [{shown}], which would mix images")
        if any(side % PRIME == 0 for side in shape[1:]) or math.prod(shape[1:]) > MOST_NUMBERS:
            raise RefusedError("a shape that depends on how many images there are")
        return tuple(shape[1:])

    def whole(self, value: Unknown) -> Shape:
        """The shape of a value with its batch."""
        return (self.batch, *value.shape)


def _side(side: int) -> str:
    """The length of an axis in words, N the number of images where that is open."""
    images, rest = divmod(side, PRIME)
    return str(side) if rest or not images else "N" if images == 1 else f"N*{images}"


def fold_at(at: At) -> None:
    """Work out a node all of whose inputs are known."""
    reading, node = at.reading, at.node
    call = at.call()
    given = [value for place in range(len(node.inputs)) if isinstance(value := at.value(place), Known)]
    one = given[0] if len(given) == 1 else None
    for place, array in enumerate(fold(call)):
        if 0 not in array.strides or not array.ndim:
            reading.folded += array.size
            if reading.folded > MOST_NUMBERS:
                raise PellucidError(f"more than {MOST_NUMBERS:,} numbers to be worked out before it runs")
        same = node.operator in {"Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten"}
        source = given[0].source if same and given else ""
        learnt = any(value.learnt for value in given) or node.operator == "ConstantOfShape"
        made = Known(array, source, learnt)
        at.give(replace(one, array=array) if node.operator == "Identity" and one else made, place)
