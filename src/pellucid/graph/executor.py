"""Runs nodes: forwards, freeing each value after its last use; backwards, adding gradients where a value forks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.graph.lifetimes import lifetimes
from pellucid.graph.node import INPUT, Nodes
from pellucid.layers.base import Layer, Parameter
from pellucid.layers.context import INFERENCE, Context
from pellucid.ops.arrays import Array
from pellucid.ops.half import is_float


@dataclass(slots=True)
class _Step:
    """A node whose values are numbered. dead: values that nobody needs once it has run.

    closing: containers whose last value it gives. learns: whether a parameter of its own does.
    summed: those of its parameters that other layers have too, whose gradients are added up. frozen: those that don't
    learn, whose gradient is 0.
    """

    layer: Layer
    inputs: tuple[int, ...]
    output: int
    join: bool
    dead: tuple[int, ...]
    closing: tuple[Layer, ...]
    learns: bool = False
    summed: tuple[Parameter, ...] = ()
    frozen: tuple[Parameter, ...] = ()


class Executor:
    """Nodes ready to run. What backward needs is kept by the layers, and dropped as soon as it has been used."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self._slots = {name: i for i, name in enumerate([INPUT, *(node.name for node in nodes)])}
        self._outputs = tuple(self._slots[name] for name in nodes.outputs)
        self._steps = self._numbered(nodes)
        self._hollow: dict[int, list[tuple[int, Layer]]] = {}  # by the node before which they stand
        for group in reversed(nodes.groups):
            if group.last == group.first:
                self._hollow.setdefault(group.first, []).append((self._slots[group.source], group.container))
        self._kept_shapes: list[tuple[int, ...]] | None = None  # of the outputs, between forward and backward
        self._kept_input: tuple[Any, ...] = ()  # its shape and type
        self.note_parameters()

    def _numbered(self, nodes: Nodes) -> list[_Step]:
        ends = {self._slots[name]: end for name, (_, end) in lifetimes(nodes).items()}
        closing: dict[int, list[Layer]] = {}
        for group in reversed(nodes.groups):  # innermost first
            if group.last > group.first:
                closing.setdefault(group.last - 1, []).append(group.container)
        steps = []
        for i, node in enumerate(nodes):
            inputs = tuple(self._slots[name] for name in node.inputs)
            output = self._slots[node.name]
            dead = tuple(slot for slot in {*inputs, output} if ends[slot] == i)
            steps.append(_Step(node.layer, inputs, output, node.join, dead, tuple(closing.get(i, ()))))
        return steps

    def note_parameters(self) -> None:
        """Take in which parameters there are, which learn, and which are shared; to be called when that changes."""
        own = [[p for p in step.layer.parameters().values() if p.trained] for step in self._steps]
        uses = Counter(id(parameter) for parameters in own for parameter in parameters)
        for step, parameters in zip(self._steps, own, strict=True):
            step.learns = any(parameter.learns for parameter in parameters)
            step.frozen = tuple(parameter for parameter in parameters if not parameter.learns)
            step.summed = tuple(parameter for parameter in parameters if uses[id(parameter)] > 1)
        self._wanted = {wanted: self._gradient_wanted(wanted) for wanted in (False, True)}

    def _gradient_wanted(self, input_gradient: bool) -> list[bool]:
        """For each value, whether its gradient leads to something that learns, or to an input's that is wanted."""
        wanted = [False] * len(self._slots)
        wanted[0] = input_gradient
        for step in self._steps:
            wanted[step.output] = step.learns or any(wanted[slot] for slot in step.inputs)
        return wanted

    def forward(self, x: Array, context: Context = INFERENCE) -> Any:
        """The output for a batch, or a list of all outputs."""
        if context.keep:
            self._kept_shapes = None  # until the pass is through
        values: list[Any] = [None] * len(self._slots)
        values[0] = x
        if context.watch is not None:
            self._run_watched(values, context, context.watch)
        else:
            for step in self._steps:
                _run(step, values, context)
        outputs = [values[slot] for slot in self._outputs]
        if context.keep:
            self._kept_shapes, self._kept_input = [y.shape for y in outputs], (x.shape, x.dtype)
        return outputs[0] if len(outputs) == 1 else outputs

    def _run_watched(self, values: list[Any], context: Context, watch: Callable[[Layer, Array], None]) -> None:
        """Forwards, with an onlooker who sees each value before it is freed."""
        for i, step in enumerate(self._steps):
            self._show_hollow(i, values, watch)
            y = _run(step, values, context, free=False)
            watch(step.layer, y)
            for container in step.closing:
                watch(container, y)
            for slot in step.dead:
                values[slot] = None
        self._show_hollow(len(self._steps), values, watch)

    def _show_hollow(self, place: int, values: list[Any], watch: Callable[[Layer, Array], None]) -> None:
        """Show what containers without a layer give, which is what they see."""
        for slot, container in self._hollow.get(place, ()):
            if values[slot] is not None:
                watch(container, values[slot])

    def backward(self, dy: Array | Sequence[Array | None], *, input_gradient: bool = False) -> Array | None:
        """From the gradient of each output to those of the parameters; returns the input's where it is asked for.

        A gradient of None stands for zeros. Raises PellucidError before a forward pass that keeps what is needed, and
        for a gradient of another shape than the output's.
        """
        gradients: list[Any] = [None] * len(self._slots)
        for slot, part in zip(self._outputs, self._checked(dy), strict=True):
            _collect(gradients, slot, part)
        self._kept_shapes = None
        wanted = self._wanted[input_gradient]
        sums: dict[int, Array] = {}
        for step in reversed(self._steps):
            layer: Layer = step.layer
            gradient = gradients[step.output]
            gradients[step.output] = None
            if gradient is None or not wanted[step.output]:
                _zero_gradients(layer)
            else:
                layer.input_gradient = any(wanted[slot] for slot in step.inputs)
                parts: Any = layer.backward(gradient)
                gradient = None  # the last reference, where nobody else needs it
                for slot, part in zip(step.inputs, parts if step.join else (parts,), strict=True):
                    if part is not None and wanted[slot]:
                        _collect(gradients, slot, part)
                part = parts = None
            layer.forget()
            for parameter in step.frozen:
                parameter.set_gradient(0)
            for parameter in step.summed:
                before = sums.get(id(parameter))
                now = parameter.gradient
                sums[id(parameter)] = now.copy() if before is None else ops.add(before, now)
        self._share(sums)
        if input_gradient and gradients[0] is None:  # no way leads to it
            return np.zeros(*self._kept_input)
        result: Array | None = gradients[0]
        return result

    def _checked(self, dy: Array | Sequence[Array | None]) -> Sequence[Array | None]:
        if self._kept_shapes is None:
            raise PellucidError(
                "backward: expected a forward pass before it that keeps what it needs (context training() or "
                "DIFFERENTIABLE), for each backward pass one"
            )
        given: Sequence[Array | None] = dy if isinstance(dy, list | tuple) else [dy]  # type: ignore[list-item]
        shapes = [None if gradient is None else gradient.shape for gradient in given]
        expected = self._kept_shapes
        if len(shapes) != len(expected):
            raise PellucidError(
                f"backward: expected a gradient for each of {len(expected)} outputs, got {len(shapes)}"
            )
        for name, shape, wanted in zip(self.nodes.outputs, shapes, expected, strict=True):
            if shape is not None and shape != wanted:
                raise PellucidError(
                    f"backward: expected a gradient of the output {name}'s shape {wanted}, got {shape}"
                )
        for part in given:
            if part is not None and not is_float(part.dtype):
                raise PellucidError(f"backward: expected a gradient of floating-point numbers, got {part.dtype}")
        return given

    def _share(self, sums: dict[int, Array]) -> None:
        """A parameter of several layers gets the sum of their gradients."""
        for step in self._steps:
            for parameter in step.summed:
                parameter.set_gradient(sums[id(parameter)])


def _run(step: _Step, values: list[Any], context: Context, free: bool = True) -> Any:
    """A step's value, put among the others; what nobody needs any more goes."""
    inputs = step.inputs
    given: Any = [values[slot] for slot in inputs] if step.join else values[inputs[0]]
    y = values[step.output] = step.layer.forward(given, context)
    if free:
        for slot in step.dead:
            values[slot] = None
    return y


def _collect(gradients: list[Any], slot: int, part: Array | None) -> None:
    """Add to a value's gradient; never in place, as others may hold the same array."""
    if part is not None:
        gradients[slot] = part if gradients[slot] is None else ops.add(gradients[slot], part)


def _zero_gradients(layer: Layer) -> None:
    """Of a layer from which no way leads to what the gradient is asked for."""
    for parameter in layer.parameters().values():
        if parameter.trained:
            parameter.set_gradient(0)
