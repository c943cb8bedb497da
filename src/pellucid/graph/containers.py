"""Containers: networks as people write them. Each says in a few lines how it unrolls into nodes."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.graph.unroll import Container, Unrolling
from pellucid.layers.base import Layer
from pellucid.layers.joins import Add, Concat, Join


def _named(container: Layer, layers: Sequence[Layer], names: Sequence[str] | None) -> dict[str, Layer]:
    """The layers by name, by default their position."""
    names = [str(i) for i in range(len(layers))] if names is None else list(names)
    doubled = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if doubled is not None:
        raise container.error("a name for each layer", f"{doubled!r} twice")
    if len(names) != len(layers) or not all(names):
        raise container.error(f"{len(layers)} names, one a layer", f"{len(names)}: {', '.join(map(repr, names))}")
    return dict(zip(names, layers, strict=True))


class Sequential(Container):
    """One layer after the other. names: of the layers, by default "0", "1", ...

    Raises PellucidError, naming the layer, where one doesn't fit what comes before it.

    >>> layers = pl.nn.Sequential(pl.nn.Conv2d(4), pl.nn.ReLU(), pl.nn.Flatten())
    >>> pl.Network(layers, (1, 8, 8)).output_shape
    (144,)
    """

    def __init__(self, *layers: Layer, names: Sequence[str] | None = None) -> None:
        self.layers = _named(self, layers, names)

    def unroll(self, into: Unrolling, source: str) -> str | tuple[str, ...]:
        """Each sees the one before it."""
        outputs: tuple[str, ...] = (source,)
        for name, layer in self.layers.items():
            if len(outputs) > 1:
                raise self.error("several outputs only of its last layer", f"{', '.join(outputs)} before {name}")
            outputs = into.add_outputs(name, layer, outputs[0])
        return outputs


class Branches(Container):
    """Several layers that see the same input, and a join of what they give: Add(), Multiply() or Concat().

    Raises PellucidError where what they give doesn't fit together.

    >>> both = pl.nn.Branches(pl.nn.Conv2d(4, 1), pl.nn.Conv2d(6, 1), join=pl.nn.Concat())
    >>> pl.Network(both, (3, 8, 8)).output_shape
    (10, 8, 8)
    """

    def __init__(self, *branches: Layer, join: Join | None = None, names: Sequence[str] | None = None) -> None:
        self.join = Add() if join is None else join
        self.branches = _named(self, branches, names)
        if not branches:
            raise self.error("at least one branch", "none")

    def unroll(self, into: Unrolling, source: str) -> str:
        """Each branch sees the source, the join sees all of them."""
        values = [into.add(name, branch, source) for name, branch in self.branches.items()]
        return into.add(self.join.kind.lower(), self.join, *values)

    def describe(self) -> str:
        """How the branches are joined, where the container's own name doesn't say it."""
        return self.join.kind if type(self) is Branches else ""


class Sum(Branches):
    """The sum of what the branches give.

    Raises PellucidError where what they give differs in shape.

    >>> pl.Network(pl.nn.Sum(pl.nn.Conv2d(4, 1), pl.nn.Conv2d(4, 1)), (3, 8, 8)).output_shape
    (4, 8, 8)
    """

    def __init__(self, *branches: Layer, names: Sequence[str] | None = None) -> None:
        super().__init__(*branches, join=Add(), names=names)


class Residual(Branches):
    """body(x) + shortcut(x), the shortcut x itself unless given (He et al. 2016, section 3.2).

    Raises PellucidError where body and shortcut differ in shape.

    >>> block = pl.nn.Residual(pl.nn.Conv2d(4, padding=1), pl.nn.Conv2d(4, 1))
    >>> pl.Network(block, (3, 8, 8)).output_shape
    (4, 8, 8)
    """

    def __init__(self, body: Layer, shortcut: Layer | None = None) -> None:
        given = {"body": body} | ({} if shortcut is None else {"shortcut": shortcut})
        super().__init__(*given.values(), join=Add(), names=tuple(given))

    def unroll(self, into: Unrolling, source: str) -> str:
        """The body's value and what passes it by."""
        body, *passing = [into.add(name, branch, source) for name, branch in self.branches.items()]
        return into.add("add", self.join, body, *(passing or [source]))


class ConcatBranches(Branches):
    """The channels of what the branches give, one branch after the other."""

    kind = "Concat"

    def __init__(self, *branches: Layer, names: Sequence[str] | None = None) -> None:
        super().__init__(*branches, join=Concat(), names=names)
