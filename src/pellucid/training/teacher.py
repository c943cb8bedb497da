"""A trained network that another one learns from, beside the labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.arguments import Checked
from pellucid.errors import PellucidError
from pellucid.layers.distillation import Distillation
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.training.evaluate import answers_of


@dataclass(frozen=True, eq=False)
class Teacher(Checked):
    """Its answers to the very images of a batch, changed at random as they are, are a part of the loss.

    network: a classifier of the same classes, for images of the same size. share: of the teacher in the loss, the
    rest is the labels'. loss: how far the answers are from the teacher's. factor, shift: a number a channel, which
    the learner's images are multiplied by and then added, to be as the teacher knows them; None: they are.
    """

    network: Network
    share: float = 0.5
    loss: Distillation = field(default_factory=Distillation)
    factor: Array | None = None
    shift: Array | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise PellucidError(f"teacher.share = {self.share}: expected above 0, up to 1")

    @cached_property
    def _answer(self) -> Callable[[Array], Any]:
        return answers_of(self.network)

    def beside(
        self, loss: float, gradient: Array, outputs: Array, inputs: Array, total: float, each: Array | None = None
    ) -> tuple[float, Array]:
        """The task's loss and its gradient for the outputs (N, K), joined by the teacher's part.

        inputs: (N, C, H, W), what the outputs answer. total: what all images of the batch count together.
        each: what each counts by its label, by default 1; so both parts weigh classes alike.
        """
        own, slope = self.loss(outputs, self.logits(inputs), total, each)
        share = gradient.dtype.type(self.share)
        gradient *= 1 - share
        slope *= share
        return (1 - self.share) * float(loss) + self.share * own, ops.add(gradient, slope)

    def logits(self, inputs: Array) -> Array:
        """The teacher's answers (N, K) in float32 to the learner's images."""
        x = ops.host(inputs).astype(np.float32, copy=False)
        if self.factor is not None and self.shift is not None:
            x = x * self.factor.reshape(-1, 1, 1) + self.shift.reshape(-1, 1, 1)
        return ops.host(self._answer(x.astype(self.network.dtype, copy=False))).astype(np.float32)
