"""One name for two things that people call concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from pellucid.graph.containers import ConcatBranches
from pellucid.layers import joins
from pellucid.layers.base import Layer


@overload
def Concat() -> joins.Concat: ...


@overload
def Concat(*branches: Layer, names: Sequence[str] | None = None) -> Layer: ...


def Concat(*branches: Layer, names: Sequence[str] | None = None) -> Layer:  # noqa: N802  # as a class: it makes a layer
    """Without branches the layer that joins its inputs' channels; with some, these branches so joined.

    From (C1, H, W), (C2, H, W), ... to (C1 + C2 + ..., H, W). names: of the branches, by default "0", "1", ...

    Raises PellucidError for images whose heights or widths differ.

    >>> pl.Network(pl.nn.Concat(pl.nn.Conv2d(4, 1), pl.nn.Conv2d(6, 1)), (3, 8, 8)).output_shape
    (10, 8, 8)
    """
    return ConcatBranches(*branches, names=names) if branches else joins.Concat()
