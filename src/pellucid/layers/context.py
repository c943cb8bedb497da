"""How a forward pass is meant: training or inference is an argument, never a global."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pellucid.ops.arrays import Array

if TYPE_CHECKING:
    from pellucid.layers.base import Layer


@dataclass(frozen=True)
class Context:
    """What a layer may want to know of the pass that it is part of.

    training: dropout drops and batch normalisation uses the batch's own statistics.
    keep: layers store what their backward needs.
    rng: source of the pass's random numbers; every layer draws in its turn. Needed where something is dropped.
    first, total: the batch is samples first, first + 1, ... of `total`, where several processes share a batch;
        random numbers are drawn for all `total` samples, so that they belong to the sample, not to the process.
    all_reduce: sum of an array over those processes; None in a process alone.
    watch: called with each layer and its output, in the order of the pass.

    >>> pl.nn.Context(keep=True).training
    False
    """

    training: bool = False
    keep: bool = False
    rng: np.random.Generator | None = None
    first: int = 0
    total: int | None = None
    all_reduce: Callable[[Array], Array] | None = None
    watch: Callable[[Layer, Array], None] | None = None

    def watched_by(self, watch: Callable[[Layer, Array], None]) -> Context:
        """The same pass with an onlooker."""
        return replace(self, watch=watch)


INFERENCE = Context()
"""Nothing dropped, nothing stored."""

DIFFERENTIABLE = Context(keep=True)
"""Inference that can be followed by a backward pass."""


def training(rng: np.random.Generator | None = None) -> Context:
    """Context of a training pass in one process.

    rng: source of what dropout draws; it isn't needed where nothing is dropped.

    >>> pl.nn.training().keep
    True
    """
    return Context(training=True, keep=True, rng=rng)
