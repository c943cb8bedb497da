"""A network in integers only: what a processor without floats runs, and what the exported C computes bit for bit."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.graph.lifetimes import spans
from pellucid.graph.node import INPUT
from pellucid.layers import INFERENCE, Context
from pellucid.network import Network
from pellucid.ops.arrays import Array, Pair, Shape
from pellucid.ops.memory import channels_last
from pellucid.plan.integer_plan import IntegerPlans
from pellucid.plan.integer_steps import Images, IntegerPool2d, IntegerStep
from pellucid.plan.scale import Scale


class IntegerNetwork:
    """Integer steps in order, each after those whose values it sees, with the scales at the network's two ends.

    steps: first to last, which gives the output. input_shape, output_shape: of one sample, as in the network it was
    made from. input_scale: what the input's bytes mean. logit_step: what one unit of the int32 output is worth.
    bits: of the weights. scales: what the bytes of each value mean, by its step's name; nothing is computed with
    them, and files of earlier versions have none.
    """

    dtype = np.dtype(np.float32)  # of what `forward` takes and gives, as a Network's

    def __init__(
        self,
        steps: Sequence[IntegerStep],
        input_shape: Shape,
        output_shape: Shape,
        input_scale: Scale,
        logit_step: float,
        bits: int,
        scales: Mapping[str, Scale] | None = None,
    ) -> None:
        self.scales = {INPUT: input_scale, **(scales or {})}
        self.steps, self.bits = list(steps), bits
        self.input_shape, self.output_shape = tuple(input_shape), tuple(output_shape)
        self.input_scale, self.logit_step = input_scale, logit_step
        self._last_uses, self._plans = last_uses(self.steps), IntegerPlans()

    def integer_logits(self, q: Array) -> Array:
        """int32 output (N, *output_shape) for a batch of bytes q (N, *input_shape) uint8.

        Where the output is a map, images may have another height and width.
        """
        if ops.integer_steps() is not None and q.size and q.shape[1:] == self.input_shape:
            self._check(q)
            shape = images_shape(q.shape[1:])
            y = self._plans(self.steps, shape, len(q))(q.reshape(len(q), *shape))
        else:
            _, y = deque(self.values(q), maxlen=1).pop()
        return y if len(self.output_shape) == 3 else y.reshape(len(q), *self.output_shape)

    def values(self, q: Array) -> Iterator[tuple[str, Array]]:
        """Each step's name and what it gives (N, C, H, W), in order, for a batch such as `integer_logits` takes."""
        self._check(q)
        y = channels_last(q.reshape(len(q), *images_shape(q.shape[1:])))
        values, sizes = {INPUT: y}, {INPUT: _size(y)}
        for i, step in enumerate(self.steps):
            y = step.forward([values[name] for name in step.inputs], sizes.get(step.sized_by))
            values[step.name], sizes[step.name] = y, _size(y)
            for name in self._last_uses[i]:
                del values[name]
            yield step.name, y

    def _check(self, q: Array) -> None:
        expected = ", ".join(map(str, self.input_shape))
        given = q.shape[1:]
        if q.dtype != np.uint8 or len(given) != len(self.input_shape) or given[0] != self.input_shape[0]:
            raise PellucidError(f"integer network: expected uint8 (N, {expected}), got {q.dtype} {q.shape}")
        if given != self.input_shape and not self.any_size:
            raise PellucidError(f"integer network: expected images of (N, {expected}), got {q.shape}")

    @property
    def any_size(self) -> bool:
        """Whether images may have another height and width: the output is a map, and nothing sees all of it."""
        averages = [step for step in self.steps if isinstance(step, IntegerPool2d) and step.average]
        whole = any(step.kernel == step.stride == step.input_shape[1:] for step in averages)
        return len(self.output_shape) == 3 and not whole

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """float32 logits for a float batch x (N, *input_shape): rounded to bytes, then integers, then scaled."""
        if context.training or context.keep:
            raise PellucidError("integer network: it can only infer; train the network that it was made from")
        return self.integer_logits(self.input_scale.quantize(x)).astype(np.float32) * np.float32(self.logit_step)

    @property
    def shapes(self) -> dict[str, Images]:
        """Of every value for one sample, by name."""
        return {INPUT: images_shape(self.input_shape), **{step.name: step.output_shape for step in self.steps}}

    @property
    def weight_bytes(self) -> int:
        """Bytes of all constants, packed."""
        return sum(step.weight_bytes for step in self.steps)

    @property
    def activation_bytes(self) -> int:
        """Bytes of the outputs of all steps, and of the input, for one sample."""
        return math.prod(self.input_shape) + sum(step.output_bytes for step in self.steps)


AnyNetwork = Network | IntegerNetwork
"""A network that answers, whatever it computes in."""


def images_shape(shape: Shape) -> Images:
    """(C, H, W) of one sample; features (F,) are images of one pixel."""
    return (shape[0], 1, 1) if len(shape) == 1 else (shape[0], shape[1], shape[2])


def last_uses(steps: Sequence[IntegerStep]) -> list[list[str]]:
    """For each step, the values that nobody needs once it has run."""
    found: list[list[str]] = [[] for _ in steps]
    for name, (_, end) in spans([(step.name, step.inputs) for step in steps], [steps[-1].name]).items():
        if 0 <= end < len(steps):
            found[end].append(name)
    return found


def _size(x: Array) -> Pair:
    return x.shape[2], x.shape[3]
