"""A network for one input shape, when it only has to answer: steps over one block of memory, run as compiled code.

    plan = Plan(network, (1, 3, 224, 224))
    logits = plan(x)

Norms are folded into their neighbours, activations and sums into the convolutions before them, weights are packed or
transformed once, every value has its place in one block. Steps that kernels do run one after the other in one call
into compiled code; layers that none does are called between.

A network in 16 bits is widened once: values between steps are float32, what comes in is widened, what goes out
rounded. In bfloat16 products are computed as such where the processor can (`ops.steps()`); all sums are float32.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid import ops
from pellucid.arguments import Checked
from pellucid.errors import PellucidError
from pellucid.graph.node import INPUT, Nodes
from pellucid.layers import INFERENCE
from pellucid.network import Network
from pellucid.ops import memory
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.half import is_half
from pellucid.plan.folded import Folded
from pellucid.plan.lines import in_lines
from pellucid.plan.operations import Operation, Operations, operations
from pellucid.plan.placing import Block, place
from pellucid.plan.prepare import lines_suit, pools_too, prepare

FLOAT = 4
FEW = 1 << 13  # numbers that NumPy converts while a kernel is called
MOVING = -(1 << 62)  # stands for the address of the input; those of the outputs follow it


class Memory:
    """The block of memory that plans of one network share: as large as the largest of them needs."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.address = self.size = 0
        self._block: Array = np.empty(0, np.uint8)

    def reserve(self, size: int) -> None:
        """Let it have at least so many bytes; what lay in it is lost where it grows."""
        if size > self.size or not self.size:
            self._block = np.empty(size + memory.ALIGNMENT, np.uint8)
            start = self._block.ctypes.data
            self.address, self.size = start + -start % memory.ALIGNMENT, size

    def view(self, offset: int, shape: Shape, kind: npt.DTypeLike = np.float32) -> Array:
        """Numbers of that shape at a place in it."""
        start, size = self.address - self._block.ctypes.data + offset, np.dtype(kind).itemsize
        return self._block[start : start + size * math.prod(shape)].view(kind).reshape(shape)


@dataclass(frozen=True)
class PlanStep:
    """An operation, and what the backend has prepared for it: None where its layer is called."""

    operation: Operation
    prepared: Any

    @property
    def algorithm(self) -> str:
        """Name of what computes it."""
        return "layer" if self.prepared is None else str(self.prepared.algorithm)


class Plan(Checked):
    """A network's answer to a batch of one shape.

    network: of float32 or 16 bits, on a backend with steps (`ops.steps()`). shape: the batch, (N, C, H, W) or (N, F),
    not empty; it comes in the network's type, and so does the answer go out.
    folded, block: shared with other plans of the network; its own unless given. Calls from several threads at once
    are done one after the other. Weights are those that the network had when the plan was made.
    Raises InputError for arguments of other types, PellucidError, naming the layer, where the network doesn't take
    such a batch.
    """

    def __init__(
        self, network: Network, shape: Shape, *, folded: Folded | None = None, block: Memory | None = None
    ) -> None:
        if ops.steps() is None or network.dtype == np.float64 or min(shape, default=0) < 1:
            raise PellucidError(
                f"plan: expected a network of 32 or 16 bits, a batch with content and the backend numba, got "
                f"{network.dtype}, {shape} and {ops.backend()}"
            )
        self.dtype = network.dtype
        self.shape = tuple(map(int, shape))
        network.nodes.shapes(self.shape[1:])
        self.folded = folded or Folded(network)
        self._memory = block or Memory()
        nodes = self.folded.nodes
        self.shapes = nodes.shapes(self.shape[1:])
        number = self.shape[0]
        work = sum(node.layer.multiply_adds(self.shapes[node.inputs[0]]) for node in nodes)
        with ops.steps().part_of(number * work):
            self._prepare(nodes, number)
        self.sizes = {name: number * math.prod(one) * FLOAT for name, one in self.shapes.items()}
        self.block: Block = place(
            self.operations, self.sizes, [getattr(s.prepared, "scratch", 0) for s in self.steps]
        )
        self._given = list(dict.fromkeys(self.operations.place(name) for name in self.operations.outputs))
        self._bound = 0

    def _prepare(self, nodes: Nodes, number: int) -> None:
        """The operations of nodes and their steps, for `number` samples."""
        single = operations(
            nodes,
            self.shapes,
            lambda step: pools_too(step, [self.shapes[name] for name in step.inputs], number, self.folded.form),
        )
        self.operations: Operations = in_lines(
            single,
            lambda step: lines_suit(step, [self.shapes[single.place(n)] for n in step.inputs], number, self.folded),
        )
        self.steps = [
            PlanStep(step, prepare(step, self.seen(step), self.shapes[step.name], number, self.folded))
            for step in self.operations.steps
        ]

    def seen(self, step: Operation) -> list[Shape]:
        """Shapes of what an operation sees as it lies in memory, of one sample."""
        return [self.shapes[self.operations.place(name)] for name in step.inputs]

    def _bind(self) -> None:
        """Write the table of kernels for where the block lies now."""
        base = self._memory.address
        places = {name: base + offset for name, offset in self.block.values.items()}
        places[INPUT] = MOVING
        places |= {name: MOVING + 1 + i for i, name in enumerate(self._given) if name != INPUT}
        calls: list[Any] = []
        self._lines: list[tuple[int, int]] = []  # of each step in the program; none of a layer
        self._parts: list[tuple[int, int] | Callable[[dict[str, Array]], None]] = []
        for step, scratch in zip(self.steps, self.block.scratch, strict=True):
            if step.prepared is None:
                self._parts.append(self._layer(step.operation))
                self._lines.append((len(calls), len(calls)))
                continue
            inputs = [places[self.operations.place(name)] for name in step.operation.inputs]
            first = len(calls)
            calls += step.prepared.calls(inputs, places[step.operation.name], base + scratch)
            self._lines.append((first, len(calls)))
            before = self._parts[-1] if self._parts else None
            if isinstance(before, tuple):
                self._parts[-1] = (before[0], len(calls))
            else:
                self._parts.append((first, len(calls)))
        self._program = ops.steps().Program(calls, [MOVING + i for i in range(len(self._given) + 1)])
        self._views = {name: self._memory.view(at, self._stored(name)) for name, at in self.block.values.items()}
        self._bound = base

    def _stored(self, name: str) -> Shape:
        """Shape of the memory of a value: images channels last, whatever else as it is."""
        one = self.shapes[name]
        return (self.shape[0], *one[1:], one[0]) if len(one) == 3 else (self.shape[0], *one)

    def _layer(self, step: Operation) -> Callable[[dict[str, Array]], None]:
        """What runs a layer over views of its inputs."""
        node = step.nodes[0]

        def run(values: dict[str, Array]) -> None:
            given = [self._seen_as(name, values[self.operations.place(name)]) for name in step.inputs]
            y = node.layer.forward(given if node.join else given[0], INFERENCE)  # type: ignore[arg-type]
            self._seen_as(step.name, values[step.name])[...] = y

        return run

    def _seen_as(self, name: str, stored: Array) -> Array:
        """A value as layers see it."""
        rows, one = stored.reshape(self._stored(name)), self.shapes[name]
        return rows.transpose(0, 3, 1, 2) if len(one) == 3 else rows

    def __call__(self, x: Array) -> Any:
        """The network's output for a batch of the plan's shape, a list of them where it has several."""
        x = ops.array(x)
        if x.shape != self.shape or x.dtype != self.dtype:
            raise PellucidError(f"plan: expected {self.dtype} {self.shape}, got {x.dtype} {x.shape}")
        stored = _stored(widened(x))
        with self._memory.lock:
            self._ready()
            given = {name: memory.empty(self._stored(name), np.float32) for name in self._given}
            if INPUT in given:
                given[INPUT][...] = stored
            self._run(stored, given)
        outputs = [self._seen_as(name, given[self.operations.place(name)]) for name in self.operations.outputs]
        return narrowed(outputs[0] if len(outputs) == 1 else outputs, self.dtype)

    def step_seconds(self, rounds: int = 20) -> list[float]:
        """Seconds that each step takes in an answer to a batch of zeros, the least of several rounds."""
        x = memory.empty(self._stored(INPUT), np.float32)
        x[...] = 0
        with self._memory.lock:
            self._ready()
            given = {name: memory.empty(self._stored(name), np.float32) for name in self._given}
            self._move(x, given)
            values = {**self._views, INPUT: x, **given}
            taken = [self._seconds(values) for _ in range(rounds + 1)]  # the first warms up
        return [min(times) for times in zip(*taken[1:], strict=True)]

    def _seconds(self, values: dict[str, Array]) -> list[float]:
        """Of each step in one answer."""
        found: list[float] = []
        for part in self._parts:
            if isinstance(part, tuple):
                lines = self._lines[len(found) :]
                found += self._program.seconds([line for line in lines if part[0] <= line[0] < part[1]])
            else:
                start = time.perf_counter()
                part(values)
                found.append(time.perf_counter() - start)
        return found

    def _ready(self) -> None:
        self._memory.reserve(self.block.size)
        if self._bound != self._memory.address:
            self._bind()

    def _move(self, stored: Array, given: dict[str, Array]) -> None:
        """Tell the program where the input and the outputs lie."""
        self._program.move(MOVING, stored)
        for i, array in enumerate(given.values()):
            self._program.move(MOVING + 1 + i, array)

    def _run(self, stored: Array, given: dict[str, Array]) -> None:
        program = self._program
        self._move(stored, given)
        values: dict[str, Array] | None = None
        for part in self._parts:
            if isinstance(part, tuple):
                program.run(*part)
            else:
                values = values or {**self._views, INPUT: stored, **given}
                part(values)


def narrowed(y: Any, dtype: np.dtype[Any]) -> Any:
    """What a network of the type gives out, an array or several: rounded where it has 16 bits."""
    if not is_half(dtype):
        return y
    if isinstance(y, list):
        return [narrowed(one, dtype) for one in y]
    return y.astype(dtype) if y.size < FEW else ops.narrow(y, dtype)


def widened(x: Array) -> Array:
    """A batch in float32 as plans compute with it."""
    if not is_half(x.dtype):
        return x
    return x.astype(np.float32) if x.size < FEW else ops.widen(x)


def _stored(x: Array) -> Array:
    """A batch as kernels read it: images as (N, H, W, C), C-contiguous."""
    return memory.channels_last(x).transpose(0, 2, 3, 1) if x.ndim == 4 else np.ascontiguousarray(x)
