"""Operations that are done some lines at a time, one behind the other: depthwise convolutions and their neighbours.

    Conv2d 1x1, depthwise Conv2d, Conv2d 1x1     one operation whose wide images never are in memory as a whole

The first or the last may be missing. Each may have an activation, and the last may add a value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from pellucid.layers import Conv2d
from pellucid.ops.geometry import Geometry
from pellucid.plan.operations import Operation, Operations

Suits = Callable[[Operation], bool]


def in_lines(plan: Operations, suits: Suits) -> Operations:
    """The operations with those joined that `suits`, told of the joined one, finds worth it."""
    readers = Counter(plan.place(name) for step in plan.steps for name in step.inputs)
    given = {plan.place(name) for name in plan.outputs}
    steps: list[Operation | None] = list(plan.steps)
    made = {step.name: i for i, step in enumerate(plan.steps)}

    def before(step: Operation) -> int | None:
        """Number of the operation that gives a step's first input, which it alone sees."""
        name = step.inputs[0]
        alone = name in made and readers[name] == 1 and name not in given
        return made[name] if alone else None

    def after(name: str) -> int | None:
        """Number of the one operation that sees a value."""
        if readers[name] != 1 or name in given:
            return None
        return next(i for i, step in enumerate(plan.steps) if name in map(plan.place, step.inputs))

    for i, step in enumerate(plan.steps):
        if not depthwise(step):
            continue
        chain = [i]
        first, last = before(step), after(step.name)
        if first is not None and steps[first] is plan.steps[first] and _pointwise(plan.steps[first], adds=False):
            chain.insert(0, first)
        if last is not None and plan.steps[last].inputs[0] == step.name and _pointwise(plan.steps[last], adds=True):
            chain.append(last)
        joined = _joined([plan.steps[j] for j in chain])
        if len(chain) > 1 and suits(joined):
            for j in chain:
                steps[j] = None
            steps[chain[-1]] = joined
    return replace(plan, steps=tuple(step for step in steps if step is not None))


def _joined(parts: list[Operation]) -> Operation:
    last = parts[-1]
    inputs = (*parts[0].inputs, *(last.inputs[1:] if len(parts) > 1 else ()))
    nodes = tuple(node for part in parts for node in part.nodes)
    return Operation("lines", inputs, last.name, nodes, last.low, last.high, last.added, parts=tuple(parts))


def depthwise(step: Operation) -> bool:
    """Whether it convolves every channel by itself."""
    layer = step.layer
    return step.kind == "convolution" and isinstance(layer, Conv2d) and layer.groups > 1 and not step.pooled


def _pointwise(step: Operation, *, adds: bool) -> bool:
    """Whether it is a 1x1 convolution of all channels and no more, with a sum where `adds` lets it."""
    layer = step.layer
    if step.kind != "convolution" or not isinstance(layer, Conv2d) or step.pooled or (step.added and not adds):
        return False
    return layer.kernel == (1, 1) and replace(layer.geometry, dilation=(1, 1)) == Geometry()
