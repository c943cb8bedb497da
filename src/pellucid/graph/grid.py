"""Where the places of a layer's output lie on its input, and how much of it they see.

Along each axis, place i of the output has its centre at `start + i * step` of the input, in pixels whose middles
are whole numbers, and sees what is within `reach` of it. A window of R taps, stride t, dilation d, with a padding
of p before the image, has

    convolution              step t      start  d (R - 1) / 2 - p         reach d (R - 1) / 2
    transposed convolution   step 1 / t  start (p - d (R - 1) / 2) / t    reach d (R - 1) / (2 t)

and one layer after another  step a b,   start a1 + a b1,                 reach r1 + a r2.

Follows the arithmetic of Araujo, Norris, Sim 2019, "Computing receptive fields of convolutional neural networks".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from weakref import WeakKeyDictionary

from pellucid.graph.node import INPUT, Node, Nodes
from pellucid.layers.base import Layer
from pellucid.layers.resize import RepeatEdges
from pellucid.layers.window import Window


@dataclass(frozen=True)
class Axis:
    """The places of an output along one axis of the input, in pixels of the input.

    start: centre of place 0. step: from one centre to the next. reach: what a place sees to either side of its
    centre; infinite where it sees everything. period: an image moved by so many pixels moves the output of every
    layer on the way by whole places.
    """

    start: Fraction = Fraction(0)
    step: Fraction = Fraction(1)
    reach: Fraction | float = Fraction(0)
    period: int = 1

    def then(self, after: Axis) -> Axis:
        """The places of a second layer's output on this one's input."""
        return Axis(
            self.start + self.step * after.start,
            self.step * after.step,
            self.reach + self.step * after.reach,
            math.lcm(self.period, (self.step * after.period).numerator),
        )


Grid = tuple[Axis, Axis]
"""Rows and columns."""


def grid(nodes: Nodes) -> Grid:
    """Rows and columns of the output on the input, of a network of one output.

    Raises PellucidError where branches that are put together don't lie on the same places.
    """
    return grids(nodes)[nodes.outputs[0]]


def grids(nodes: Nodes) -> Mapping[str, Grid]:
    """Rows and columns of every value on the input; worked out once for the same nodes."""
    if (known := _KNOWN.get(nodes)) is not None:
        return known
    found = {INPUT: (Axis(), Axis())}
    for node in nodes:
        seen = [found[name] for name in node.seen]
        after = _axes(node.layer)
        rows, columns = (_merged(node, [grid[i] for grid in seen]).then(after[i]) for i in (0, 1))
        found[node.name] = rows, columns
    return _KNOWN.setdefault(nodes, MappingProxyType(found))


_KNOWN: WeakKeyDictionary[Nodes, Mapping[str, Grid]] = WeakKeyDictionary()


def _merged(node: Node, axes: list[Axis]) -> Axis:
    """The places of values that a layer puts upon each other."""
    places = {(axis.start, axis.step) for axis in axes}
    if len(places) > 1:
        found = " and ".join(f"{float(start):g} + {float(step):g} i" for start, step in sorted(places))
        raise node.layer.error("branches whose places have the same centres", found)
    start, step = places.pop()
    return Axis(start, step, max(axis.reach for axis in axes), math.lcm(*(axis.period for axis in axes)))


def _axes(layer: Layer) -> Grid:
    """The layer's places on its own input."""
    if isinstance(layer, RepeatEdges):
        return Axis(Fraction(-layer.before[0])), Axis(Fraction(-layer.before[1]))
    if not layer.window.fixed:
        raise layer.error("the same padding for images of every size", layer.describe())
    reach = math.inf if layer.sees_all else None
    return _axis(layer.window, 0, reach), _axis(layer.window, 1, reach)


def _axis(window: Window, axis: int, reach: float | None) -> Axis:
    geometry = window.geometry
    half = Fraction(geometry.dilation[axis] * (window.kernel[axis] - 1), 2)
    stride, padding = geometry.stride[axis], geometry.before[axis]
    if window.transposed:
        start, step, half = (padding - half) / stride, Fraction(1, stride), half / stride
    else:
        start, step = half - padding, Fraction(stride)
    return Axis(start, step, half if reach is None else reach, step.numerator)
