"""Groups of parameters: some learn at another rate, without weight decay, or not at all.

All parameters are one vector, so a group is parts of it. Fine-tuning wants this: the layers that were there learn
slowly or are frozen, the new ones learn at the full rate.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pellucid.errors import PellucidError
from pellucid.layers.base import Parameter


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are trained alike.

    names: a parameter's name ("3.weight"), the path of a layer or container around it ("3"), or a pattern with `*`
    ("*.bias"). rate: factor of the learning rate. decay: factor of the weight decay. frozen: whether they stay as
    they are.
    """

    names: str
    rate: float = 1.0
    decay: float = 1.0
    frozen: bool = False

    def __post_init__(self) -> None:
        for setting in ("rate", "decay"):
            value = getattr(self, setting)
            if not 0 <= value < math.inf:
                raise PellucidError(f"group {self.names}: {setting} = {value}, expected 0 or more")

    def holds(self, name: str) -> bool:
        """Whether the parameter of that name belongs to it."""
        return name == self.names or name.startswith(f"{self.names}.") or fnmatchcase(name, self.names)


@dataclass(frozen=True)
class VectorPart:
    """Elements start to below stop of the vector, their factors of the learning rate and of the weight decay."""

    start: int
    stop: int
    rate: float = 1.0
    decay: float = 1.0


def checked_groups(groups: Sequence[ParameterGroup], names: Sequence[str]) -> tuple[ParameterGroup, ...]:
    """The groups themselves. Raises PellucidError for one that holds none of these parameters."""
    for group in groups:
        if not any(group.holds(name) for name in names):
            near = difflib.get_close_matches(group.names, names, 1, 0.3)
            hint = f"; nearest is {near[0]}" if near else ""
            raise PellucidError(f"group {group.names}: no parameter of that name or path{hint}")
    return tuple(groups)


def group_of(name: str, groups: Sequence[ParameterGroup]) -> ParameterGroup:
    """The group that holds a parameter: of several the last one; one with no effect where there is none."""
    return next((group for group in reversed(groups) if group.holds(name)), _EVERY)


def vector_parts(parameters: Mapping[str, Parameter], groups: Sequence[ParameterGroup]) -> list[VectorPart]:
    """The parts of the vector that learn, neighbours of equal factors joined; parameters in the vector's order."""
    parts: list[VectorPart] = []
    start = 0
    for name, parameter in parameters.items():
        group, stop = group_of(name, groups), start + parameter.size
        if not group.frozen:
            part = VectorPart(start, stop, group.rate, group.decay)
            before = parts[-1] if parts else None
            if before is not None and (before.stop, before.rate, before.decay) == (start, part.rate, part.decay):
                parts[-1] = VectorPart(before.start, stop, part.rate, part.decay)
            else:
                parts.append(part)
        start = stop
    return parts


_EVERY = ParameterGroup("*")
