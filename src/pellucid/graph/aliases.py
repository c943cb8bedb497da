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
    """Without branches the layer that joins its inputs' channels; with some, these branches so joined."""
    return ConcatBranches(*branches, names=names) if branches else joins.Concat()
