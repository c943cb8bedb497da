"""Families of networks that differ in depth and agree in what they may cost, or in what they see.

All have three stages of as many convolutions each, a 2x2 pool after each stage, and one affine layer; every stage is
twice as wide as the one before. So depth comes in threes, and every network pools alike.

    parameters        3x3 filters; the width is chosen so that the parameters come to the budget's size
    operations        3x3 filters; the width is chosen so that the multiply-adds come to it
    receptive-field   all equally wide; the filters of a stage together see a square of the budget's size, so that few
                      filters are large and many small: 9x9, or 5x5 + 5x5, or 5x5 + 3x3 + 3x3, or four of 3x3
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pellucid.analysis.cost import NetworkCost, nodes_cost
from pellucid.analysis.receptive_field import find_view
from pellucid.errors import PellucidError
from pellucid.graph import Nodes, unroll
from pellucid.layers import Conv2d, Layer
from pellucid.ops.arrays import Shape
from pellucid.zoo import plain_convnet

Budget = Literal["parameters", "operations", "receptive-field"]

BUDGETS: dict[Budget, int] = {"parameters": 20_000, "operations": 2_000_000, "receptive-field": 9}
"""Each budget's size, unless another is asked for."""

STAGES = 3
FIELD_WIDTH = 8  # channels of the first stage where the budget is the receptive field
TOLERANCE = 0.05  # by how much a network's cost may miss the budget
_STEPS = 8  # widths are tried in steps of an eighth of a channel of the first stage


@dataclass(frozen=True)
class Member:
    """One network of a family.

    depth: number of convolutions. widths: channels of each stage. kernels: sides of a stage's filters.
    field: pixels a side that a unit of the last convolution sees, on an image without borders.
    """

    depth: int
    widths: tuple[int, ...]
    kernels: tuple[int, ...]
    parameters: int
    multiply_adds: int
    field: int

    def create(self, classes: int) -> Layer:
        """Its layers."""
        return plain_convnet(classes, widths=self.widths, kernels=self.kernels)


def family(budget: Budget, size: int, depths: Sequence[int], image_shape: Shape, classes: int) -> list[Member]:
    """The networks of those depths at that budget, for images (C, H, W).

    Raises PellucidError where a depth is not in threes, or no width meets the budget.
    """
    for depth in depths:
        if depth < STAGES or depth % STAGES:
            raise PellucidError(f"depth {depth}: expected a multiple of {STAGES}, as there are {STAGES} stages")
    if len(set(depths)) < 2:
        raise PellucidError(f"depths {', '.join(map(str, depths))}: expected at least two different ones")
    return [_member(budget, size, depth, image_shape, classes) for depth in sorted(set(depths))]


def _member(budget: Budget, size: int, depth: int, image_shape: Shape, classes: int) -> Member:
    per_stage = depth // STAGES
    kernels = _shared(size, per_stage) if budget == "receptive-field" else (3,) * per_stage

    def cost(eighths: int) -> NetworkCost:
        return nodes_cost(_built(_widths(eighths), kernels, image_shape, classes), image_shape)

    if budget == "receptive-field":
        eighths = FIELD_WIDTH * _STEPS
    else:
        eighths = _nearest(lambda e: cost(e).parameters if budget == "parameters" else cost(e).multiply_adds, size)
    found = cost(eighths)
    reached = found.parameters if budget == "parameters" else found.multiply_adds
    if budget != "receptive-field" and abs(reached / size - 1) > TOLERANCE:
        raise PellucidError(
            f"budget of {size:,} {budget}: {depth} convolutions come to {reached:,} at the nearest, "
            f"expected at most {TOLERANCE:.0%} from it; try another size"
        )
    nodes = _built(_widths(eighths), kernels, image_shape, classes)
    last = [node.name for node in nodes if isinstance(node.layer, Conv2d)][-1]
    field = find_view(nodes, image_shape, last).field().size
    assert field is not None
    return Member(depth, _widths(eighths), kernels, found.parameters, found.multiply_adds, field[0])


def _shared(field: int, count: int) -> tuple[int, ...]:
    """Sides of so many filters that together see field x field pixels."""
    reach = (field - 1) // 2
    if field % 2 == 0 or not 1 <= count <= reach:
        most = STAGES * reach
        raise PellucidError(
            f"receptive field {field} a stage: expected an odd side, shared by at most {most} convolutions in all, "
            f"got {STAGES * count} of them"
        )
    return tuple(2 * (reach // count + (i < reach % count)) + 1 for i in range(count))


def _widths(eighths: int) -> tuple[int, ...]:
    return tuple(max(1, round(eighths * 2**stage / _STEPS)) for stage in range(STAGES))


def _built(widths: tuple[int, ...], kernels: tuple[int, ...], image_shape: Shape, classes: int) -> Nodes:
    """The layers with their parameters' shapes, but none of them in memory."""
    nodes = unroll(plain_convnet(classes, widths=widths, kernels=kernels))
    nodes.build(image_shape)
    return nodes


def _nearest(cost: Callable[[int], int], target: int) -> int:
    """The argument from 1 on for which an increasing function comes nearest to the target."""
    high = 1
    while cost(high) < target:
        high *= 2
    low = high // 2
    while high - low > 1:  # cost(low) < target <= cost(high)
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) < target else (low, middle)
    return min((e for e in (low, high) if e >= 1), key=lambda e: abs(cost(e) - target))
