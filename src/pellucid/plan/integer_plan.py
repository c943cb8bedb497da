"""An integer network's answer to a batch of one shape: its steps over one block of memory, run as compiled code.

As `Plan` does for floats: weights are packed once, every value has its place, what kernels do runs in one call into
compiled code, and steps that no kernel does are called between.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.graph.node import INPUT
from pellucid.ops import memory
from pellucid.ops.arrays import Array, Pair, Shape
from pellucid.plan.integer_affine import IntegerConv2d, IntegerConvTranspose2d
from pellucid.plan.integer_steps import (
    Images,
    IntegerAdd,
    IntegerConcat,
    IntegerOrder,
    IntegerPool2d,
    IntegerStep,
    fitted,
)
from pellucid.plan.placing import place
from pellucid.plan.plan import MOVING, Memory

MOST = 16
"""Plans kept for a network, which share one block of memory."""


@dataclass(frozen=True)
class _Order:
    """Steps as `place` sees them: every value has memory of its own."""

    steps: Sequence[IntegerStep]
    outputs: tuple[str, ...]

    def place(self, name: str) -> str:
        """The value itself."""
        return name


class IntegerPlan:
    """steps: of an integer network. shape: of its images, (C, H, W). number: of images. block: shared with others."""

    def __init__(self, steps: Sequence[IntegerStep], shape: Images, number: int, block: Memory) -> None:
        self.steps, self.number, self._memory = list(steps), number, block
        self.shapes = {INPUT: shape, **{step.name: step.output_shape for step in steps}}
        self._kinds = {step.name: np.dtype(np.int32 if step.wide else np.uint8) for step in steps}
        with ops.steps().part_of(number * sum(getattr(step, "multiply_adds", 0) for step in steps)):
            self.prepared = [prepare(step, [self.shapes[name] for name in step.inputs], number) for step in steps]
        self._last = steps[-1].name
        sizes = {step.name: number * step.output_bytes for step in steps}
        scratch = [getattr(made, "scratch", 0) for made in self.prepared]
        self.block = place(_Order(self.steps, (self._last,)), sizes, scratch)
        self._bound = 0

    def _bind(self) -> None:
        """Write the table of kernels for where the block lies now."""
        base = self._memory.address
        places = {name: base + offset for name, offset in self.block.values.items()}
        places |= {INPUT: MOVING, self._last: MOVING + 1}
        calls: list[Any] = []
        self._parts: list[tuple[int, int] | Callable[[dict[str, Array]], None]] = []
        for step, made, scratch in zip(self.steps, self.prepared, self.block.scratch, strict=True):
            if made is None:
                self._parts.append(self._called(step))
                continue
            first = len(calls)
            calls += made.calls([places[name] for name in step.inputs], places[step.name], base + scratch)
            before = self._parts[-1] if self._parts else None
            if isinstance(before, tuple):
                self._parts[-1] = (before[0], len(calls))
            else:
                self._parts.append((first, len(calls)))
        self._program = ops.steps().Program(calls, [MOVING, MOVING + 1])
        self._views = {
            name: self._memory.view(at, self._rows(name), self._kinds[name]) for name, at in self.block.values.items()
        }
        self._bound = base

    def _rows(self, name: str) -> Shape:
        C, H, W = self.shapes[name]
        return self.number, H, W, C

    def _called(self, step: IntegerStep) -> Callable[[dict[str, Array]], None]:
        """What runs a step over views of its inputs."""
        _, H, W = self.shapes.get(step.sized_by, (0, 0, 0))
        size: Pair | None = (H, W) if step.sized_by else None

        def run(values: dict[str, Array]) -> None:
            y = step.forward([values[name].transpose(0, 3, 1, 2) for name in step.inputs], size)
            values[step.name][...] = y.transpose(0, 2, 3, 1)

        return run

    def __call__(self, q: Array) -> Array:
        """What the last step gives, (N, K, P, Q), for images q (N, C, H, W) uint8."""
        stored = memory.channels_last(q).transpose(0, 2, 3, 1)
        output = memory.empty(self._rows(self._last), self._kinds[self._last])
        with self._memory.lock:
            self._memory.reserve(self.block.size)
            if self._bound != self._memory.address:
                self._bind()
            self._program.move(MOVING, stored)
            self._program.move(MOVING + 1, output)
            values: dict[str, Array] | None = None
            for part in self._parts:
                if isinstance(part, tuple):
                    self._program.run(*part)
                else:
                    values = values or {**self._views, INPUT: stored, self._last: output}
                    part(values)
        return output.transpose(0, 3, 1, 2)


class IntegerPlans:
    """Plans of one network by the number of images, and the memory that they share."""

    def __init__(self) -> None:
        self._lock, self._memory = threading.Lock(), Memory()
        self._plans: OrderedDict[tuple[int, int], IntegerPlan] = OrderedDict()

    def __reduce__(self) -> tuple[type[IntegerPlans], tuple[()]]:
        """A copy of a network makes plans of its own."""
        return IntegerPlans, ()

    def __call__(self, steps: Sequence[IntegerStep], shape: Images, number: int) -> IntegerPlan:
        """The plan for so many images of that shape."""
        key = (number, ops.threads())
        with self._lock:
            plan = self._plans.pop(key, None)
            if plan is None or plan.steps != steps:
                plan = IntegerPlan(steps, shape, number, self._memory)
            self._plans[key] = plan
            while len(self._plans) > MOST:
                self._plans.popitem(last=False)
            return plan


def prepare(step: IntegerStep, seen: Sequence[Images], number: int) -> Any:
    """The backend's step for a batch of `number`; None where it has no kernel. seen: shapes of its inputs."""
    steps, shape = ops.integer_steps(), (number, *step.input_shape)
    if isinstance(step, IntegerConv2d):
        geometry = fitted(step.geometry, step.same, (shape[2], shape[3]), step.kernel)
        limits = steps.UNCLIPPED if step.logits else (step.zeros[1], step.low, step.high)
        filters = steps.Filters(step.weight, step.bias, step.multiplier, step.shift, limits, step.logits)
        return steps.convolution(shape, filters, step.zeros[0], geometry, step.pool)
    if isinstance(step, IntegerConvTranspose2d):
        limits = steps.UNCLIPPED if step.logits else (step.zeros[1], step.low, step.high)
        filters = steps.Filters(step.weight, step.bias, step.multiplier, step.shift, limits, step.logits)
        size = step.grown((shape[2], shape[3]))
        return steps.transposed(shape, filters, step.zeros[0], size, step.geometry, step.pool)
    if isinstance(step, IntegerPool2d) and step.dilation == (1, 1):
        geometry = fitted(step.geometry, step.same, (shape[2], shape[3]), step.kernel)
        return steps.pooled(shape, step.kernel, geometry, step.ceil, step.average)
    if isinstance(step, IntegerConcat):
        pixels = number * math.prod(step.output_shape[1:])
        return steps.joined(pixels, [shape[0] for shape in seen], step.tables)
    if isinstance(step, IntegerOrder):
        return steps.ordered(number * math.prod(step.output_shape[1:]), step.input_shape[0], step.order)
    if isinstance(step, IntegerAdd) and len(seen) == 2 and seen[0] == seen[1] and not step.logits:
        return steps.addition(
            number * math.prod(step.output_shape), step.zeros, step.multipliers, step.shift, step.zero, step.low,
            step.high,
        )  # fmt: skip
    return None
