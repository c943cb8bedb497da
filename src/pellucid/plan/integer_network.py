"""A network in integers only: what a processor without floats runs, and what the exported C computes bit for bit."""

from __future__ import annotations

import numpy as np

from pellucid.errors import PellucidError
from pellucid.layers import INFERENCE, Context
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.memory import channels_last
from pellucid.plan.integer_steps import IntegerConv2d, IntegerStep
from pellucid.plan.scale import Scale


class IntegerNetwork:
    """Integer steps one after the other, with the scales at its two ends.

    steps: first to last. input_shape, output_shape: of one sample, as in the network it was made from.
    input_scale: what the input's bytes mean. logit_step: what one unit of the int32 output is worth.
    bits: of the weights.
    """

    dtype = np.dtype(np.float32)  # of what `forward` takes and gives, as a Network's

    def __init__(
        self,
        steps: list[IntegerStep],
        input_shape: Shape,
        output_shape: Shape,
        input_scale: Scale,
        logit_step: float,
        bits: int,
    ) -> None:
        self.steps, self.bits = steps, bits
        self.input_shape, self.output_shape = input_shape, output_shape
        self.input_scale, self.logit_step = input_scale, logit_step

    def integer_logits(self, q: Array) -> Array:
        """int32 output (N, *output_shape) for a batch of bytes q (N, *input_shape) uint8."""
        if q.dtype != np.uint8 or q.shape[1:] != self.input_shape:
            shape = ", ".join(map(str, self.input_shape))
            raise PellucidError(f"integer network: expected uint8 (N, {shape}), got {q.dtype} {q.shape}")
        x = channels_last(q.reshape(len(q), *self.steps[0].input_shape))
        for step in self.steps:
            x = step.forward(x)
        return x.reshape(len(q), *self.output_shape)

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """float32 logits for a float batch x (N, *input_shape): rounded to bytes, then integers, then scaled."""
        if context.training or context.keep:
            raise PellucidError("integer network: it can only infer; train the network that it was made from")
        return self.integer_logits(self.input_scale.quantize(x)).astype(np.float32) * np.float32(self.logit_step)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all constants, packed."""
        return sum(step.weight_bytes for step in self.steps)

    @property
    def activation_bytes(self) -> int:
        """Bytes of the outputs of all steps, and of the input, for one sample."""
        outputs = [
            int(np.prod(step.output_shape)) * (4 if isinstance(step, IntegerConv2d) and step.logits else 1)
            for step in self.steps
        ]
        return int(np.prod(self.input_shape)) + sum(outputs)
