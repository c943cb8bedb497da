"""Which learning rate to begin with: a short training in which it rises from almost nothing until the loss explodes.

Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array
from pellucid.training.diagnosis import NotFiniteError
from pellucid.training.schedules import Schedule
from pellucid.training.trainer import Callback, Trainer

LOWEST, HIGHEST = 1e-6, 10.0
EXPLODED = 3.0
"""The loss, as a multiple of the least so far, at which there is nothing more to be learnt."""

_LEAST_STEPS = 20
_SMOOTHING = 0.9  # weight of the past in the loss that is judged
_SKIPPED = 0.1  # of the steps: by then nothing has changed
_FALL = 0.05  # of the loss, that counts as one


@dataclass(frozen=True)
class Rates:
    """rates: (n,) of each step. losses: (n,) of its batch, and smoothed.

    suggestion: where the smoothed loss has fallen half way. least: where it is lowest, beyond which it rises.
    """

    rates: Array
    losses: Array
    smoothed: Array
    suggestion: float
    least: float


@dataclass(frozen=True)
class Rising(Schedule):
    """From `low` times the rate to all of it, by the same factor at each step."""

    low: float = 1e-6

    def after(self, step: int, steps: int) -> float:
        """low^(1 - way), which is 1 at the last step."""
        return float(self.low ** (1 - step / max(steps - 1, 1)))


class _Watch(Callback):
    """Keeps the losses, and ends the training when they explode."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def step(self, trainer: Trainer, loss: float) -> None:
        """Keep it."""
        self.losses.append(loss)
        smooth = smoothed(self.losses)
        if len(smooth) > _LEAST_STEPS and smooth[-1] > EXPLODED * smooth.min():
            trainer.stop("the loss has exploded")


def find_rate(trainer: Trainer, steps: int = 120, lowest: float = LOWEST, highest: float = HIGHEST) -> Rates:
    """Train the trainer's network for so many steps, on rates from the lowest to the highest; its weights are lost.

    Raises PellucidError for rates that aren't in order, and where the loss has exploded before anything was learnt.
    """
    if steps < _LEAST_STEPS or not 0 < lowest < highest:
        raise PellucidError(
            f"find-rate: expected {_LEAST_STEPS} steps or more, rates in order, got {steps}, {lowest:g}, {highest:g}"
        )
    watch = _Watch()
    trainer.optimizer.rate = highest
    trial = replace(
        trainer,
        epochs=steps / len(trainer.loader),
        schedule=Rising(steps, len(trainer.loader), low=lowest / highest),
        evaluations={},
        samples={},
        average=None,
        callbacks=[watch],
    )
    try:
        finished = trial.fit()
    except NotFiniteError:
        finished = True
    if not finished:
        raise KeyboardInterrupt
    rates = highest * np.array([trial.schedule(step) for step in range(len(watch.losses))])
    return suggested(rates, watch.losses)


def smoothed(losses: Sequence[float]) -> Array:
    """The running mean of losses, corrected for its start."""
    mean, smooth = 0.0, []
    for step, loss in enumerate(losses, 1):
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        smooth.append(mean / (1 - _SMOOTHING**step))
    return np.array(smooth)


def suggested(rates: Array, losses: Sequence[float]) -> Rates:
    """What the losses at rising rates say.

    Half way down from the first steps' loss to the least: there the network learns, and is far from exploding. Raises
    PellucidError where the loss never falls.
    """
    smooth = smoothed(losses)
    first = max(2, round(_SKIPPED * len(smooth)))
    if len(smooth) < _LEAST_STEPS // 2 or not np.isfinite(smooth).all():
        raise PellucidError("find-rate: the loss exploded within the first steps: expected a lower lowest rate")
    start, least = float(np.median(smooth[:first])), first + int(smooth[first:].argmin())
    if smooth[least] > (1 - _FALL) * start:
        raise PellucidError("find-rate: the loss never falls: expected more steps, or other images or network")
    half = first + int(np.argmax(smooth[first : least + 1] <= (start + smooth[least]) / 2))
    return Rates(rates, np.array(losses), smooth, float(rates[half]), float(rates[least]))
