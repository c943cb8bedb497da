"""Schedules: what part of the learning rate a step gets. Pure functions of the step: nothing to save.

All start with a warm-up of `warmup` steps, in which the rate grows evenly from a first small one
(Goyal et al. 2017, section 2.2).
"""

import math
from dataclasses import dataclass, fields

import numpy as np

from pellucid.errors import PellucidError


@dataclass(frozen=True)
class Schedule:
    """The full rate at every step.

    steps: of the whole training; 0 where the trainer is to say. epoch_steps: of one epoch. warmup: length of the
    warm-up in epochs.

    >>> warm = pl.optim.Schedule(steps=100, epoch_steps=10, warmup=1)
    >>> [round(warm(step), 2) for step in (0, 4, 10, 99)]
    [0.09, 0.45, 1.0, 1.0]
    """

    steps: int = 0
    epoch_steps: int = 1
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if not (isinstance(self.steps, int) and self.steps >= 0):
            raise PellucidError(f"schedule: steps = {self.steps}, expected a whole number (settings go by name)")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
                raise PellucidError(f"schedule: {field.name} = {value!r}, expected a number")
            if value < 0:
                raise PellucidError(f"schedule: {field.name} = {value}, expected 0 or more")
        if self.epoch_steps < 1:
            raise PellucidError(f"schedule: epoch_steps = {self.epoch_steps}, expected 1 or more")

    def __call__(self, step: int) -> float:
        """Factor of the learning rate at a step, counted from 0."""
        warmup = round(self.warmup * self.epoch_steps)
        if step < warmup:
            return (step + 1) / (warmup + 1) * self.after(0, max(self.steps - warmup, 1))
        return self.after(step - warmup, max(self.steps - warmup, 1))

    def after(self, step: int, steps: int) -> float:
        """The factor without warm-up, at a step of so many."""
        return 1.0


@dataclass(frozen=True)
class Constant(Schedule):
    """The full rate at every step.

    >>> pl.optim.Constant()(1000)
    1.0
    """


@dataclass(frozen=True)
class Step(Schedule):
    """Multiplies the rate by `factor` every `every` epochs.

    >>> step = pl.optim.Step(steps=40, epoch_steps=10, every=2, factor=0.1)
    >>> [round(step(i), 3) for i in (0, 19, 20)]
    [1.0, 1.0, 0.1]
    """

    every: float = 1.0
    factor: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.every <= 0 or not 0 < self.factor <= 1:
            raise PellucidError(
                f"schedule step: every = {self.every}, factor = {self.factor}, expected above 0, and a factor up to 1"
            )

    def after(self, step: int, steps: int) -> float:
        """factor^(times passed)."""
        return float(self.factor ** int(step / (self.every * self.epoch_steps)))


@dataclass(frozen=True)
class Cosine(Schedule):
    """Falls along half a cosine to `final` of the rate (Loshchilov, Hutter 2017, without restarts).

    >>> cosine = pl.optim.Cosine(steps=100)
    >>> [round(cosine(step), 3) for step in (0, 50, 100)]
    [1.0, 0.5, 0.0]
    """

    final: float = 0.0

    def after(self, step: int, steps: int) -> float:
        """From 1 to final."""
        return anneal(1.0, self.final, step / steps)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Rises from `start` of the rate to all of it at `peak` of the way, then falls to `final` (Smith, Topin 2019).

    Both along half a cosine.

    >>> cycle = pl.optim.OneCycle(steps=100)
    >>> [round(cycle(step), 3) for step in (0, 30, 100)]
    [0.04, 1.0, 0.0]
    """

    start: float = 0.04
    peak: float = 0.3
    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.peak < 1:
            raise PellucidError(f"schedule one-cycle: peak = {self.peak}, expected between 0 and 1")

    def after(self, step: int, steps: int) -> float:
        """Up, then down."""
        way = step / steps
        if way < self.peak:
            return anneal(self.start, 1.0, way / self.peak)
        return anneal(1.0, self.final, (way - self.peak) / (1 - self.peak))


def anneal(start: float, end: float, way: float) -> float:
    """From start to end along half a cosine; way goes from 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * min(way, 1.0))) / 2


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "step": Step,
    "cosine": Cosine,
    "one-cycle": OneCycle,
}
