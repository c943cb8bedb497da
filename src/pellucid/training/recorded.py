"""Training steps that the backend records once and replays, where it can: no step waits for the host.

Forward, loss, backward, clipping, update, averages and counts run one behind the other where the network lives. What
changes from step to step lies there too: the rates, orders and augmentations of an epoch are written ahead, and each
step moves the counters on by itself. Losses and norms are written down there, and read many steps at a time.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid import ops
from pellucid.layers import Context
from pellucid.ops.arrays import Array
from pellucid.ops.half import is_half
from pellucid.training.feed import Feed, feed_for
from pellucid.training.loss_scale import GROWTH_STEPS, LARGEST, SMALLEST
from pellucid.training.master_weights import HalfWeights

if TYPE_CHECKING:
    from pellucid.training.trainer import Trainer

ROOM = 4096
"""Steps whose losses are kept until they are read."""


@dataclass(frozen=True)
class Done:
    """A step that was done: its loss, the norm of its gradient, and the images of its batch."""

    loss: float
    norm: float
    images: int


class RecordedSteps:
    """The steps of a trainer, on a backend that records (`ops.recorder`)."""

    def __init__(self, trainer: Trainer, recorder: Any) -> None:
        self.trainer, self.recorder = trainer, recorder
        self.feed: Feed = feed_for(trainer.loader, recorder)
        self.counters = ops.zeros((recorder.COUNTERS,), np.int64)
        self.settings = ops.zeros((recorder.SETTINGS,), np.float64)
        self.records = ops.zeros((ROOM, 2), np.float64)
        self.rates = ops.zeros((len(trainer.loader),), np.float64)
        self.counts = ops.zeros((2,), np.int64)
        self.rng = recorder.StepGenerator(trainer.seed)
        self.steps: dict[int, Callable[[], None]] = {}
        self.images: list[int] = []  # of each step since the records were read
        self.batch = 0
        trainer.optimizer.prepare(trainer.weights.vector)

    def begin(self) -> None:
        """Write down where the trainer stands, and what the rest of its epoch needs."""
        trainer = self.trainer
        state, scale = trainer.state, self._scale
        self.batch = state.batch
        self.feed.begin(state.epoch)
        first = state.step - state.batch
        rates = [trainer.schedule(first + i) * trainer.optimizer.rate for i in range(len(trainer.loader))]
        self.rates[...] = np.array(rates, np.float64)
        row = state.batch * trainer.loader.batch_size
        updates, good, skipped = (
            trainer.optimizer.steps,
            scale.good_steps if scale else 0,
            scale.skipped if scale else 0,
        )
        self.counters[...] = np.array([state.batch, row, state.step, 0, updates, good, skipped, 0], np.int64)
        self.settings[...] = np.array([0, 0, 0, 0, 0, scale.value if scale else 1.0], np.float64)
        self.counts[...] = 0
        self.rng.begin(state.step)

    def step(self) -> None:
        """The epoch's next step is on its way."""
        size = self.feed.size(self.batch)
        if size not in self.steps:
            self.steps[size] = self.recorder.Recorded(self._step_of(size))
        self.feed.next(self.batch, size)
        self.steps[size]()
        self.images.append(size)
        self.batch += 1

    def read(self) -> list[Done]:
        """Wait for all steps under way; what they gave since the last time. The trainer's counts take theirs in."""
        trainer = self.trainer
        records = ops.host(self.records[: len(self.images)])
        counters, counts = ops.host(self.counters), ops.host(self.counts)
        self.counters[3:4] = 0
        self.counts[...] = 0
        trainer.metrics.merge({"images": counts[0], "right": counts[1]})
        trainer.optimizer.steps = int(counters[4])
        if self._scale is not None:
            self._take_scale(counters)
        done = [Done(float(loss), float(norm), n) for (loss, norm), n in zip(records, self.images, strict=True)]
        self.images = []
        return done

    @property
    def _scale(self) -> Any:
        weights = self.trainer.weights
        return weights.scale if isinstance(weights, HalfWeights) else None

    def _take_scale(self, counters: Array) -> None:
        scale = self._scale
        value, skipped = float(ops.host(self.settings)[5]), int(counters[6])
        if skipped > scale.skipped:
            count = skipped - scale.skipped
            print(
                f"float16: a gradient overflowed; {count} steps left out, loss scale now {value:g}", file=sys.stderr
            )
        scale.value, scale.good_steps, scale.skipped = value, int(counters[5]), skipped

    def _step_of(self, size: int) -> Callable[[], None]:
        """A whole step on a batch of so many images, all of it work for the backend."""
        trainer, recorder, network = self.trainer, self.recorder, self.trainer.network
        scaled = self._scale is not None

        def step() -> None:
            x, targets = self.feed.batch(size, self.counters)
            self.rng.restart()
            context = Context(training=True, keep=True, rng=self.rng)
            outputs = network.forward(x, context)
            loss, gradient = trainer.task.loss(ops.widen(outputs) if scaled else outputs, targets)
            if scaled:
                narrow = ops.empty(gradient.shape, network.dtype)
                recorder.scale_gradient(gradient, self.settings, narrow)
                gradient = narrow
            network.backward(gradient)
            decay = trainer.average.decay if trainer.average is not None else 0.0
            arrays = self.rates, self.counters, self.settings, self.records, self.rng.state
            recorder.decide(
                network.gradient, loss, *arrays, images=size, clip=trainer.clip, decay=decay, scaled=scaled,
                growth=(GROWTH_STEPS, SMALLEST, LARGEST),
            )  # fmt: skip
            self._update()
            trainer.task.count_into(outputs, targets, self.counts, self.settings)  # type: ignore[attr-defined]

        return step

    def _update(self) -> None:
        trainer, recorder = self.trainer, self.recorder
        network, optimizer, w = trainer.network, trainer.optimizer, trainer.weights.vector
        rule, constants = optimizer.rule()
        for part in network.parts:
            here = slice(part.start, part.stop)
            slots = [optimizer.slots[name][here] for name in optimizer.SLOTS]
            arrays = w[here], network.gradient[here], network.vector[here], slots, self.settings
            recorder.update(rule, constants, *arrays, part.rate, optimizer.weight_decay * part.decay)
        if trainer.average is not None:
            recorder.average(trainer.average.vector, w, self.settings)
            recorder.average(trainer.average.statistics, network.statistics, self.settings)


def sound(done: Done, *, scaled: bool) -> bool:
    """Whether training survives such a step."""
    return math.isfinite(done.loss) and (scaled or math.isfinite(done.norm))


def recorded_steps(trainer: Trainer) -> RecordedSteps | None:
    """The trainer's steps recorded; None where its backend, layers, task or ranks don't allow that."""
    recorder = ops.recorder()
    if recorder is None or trainer.communicator.ranks > 1 or trainer.parts > 1 or trainer.teacher is not None:
        return None
    if any(node.layer.on_host for node in trainer.network.nodes):
        return None
    mixes = trainer.loader.colours is not None and trainer.loader.colours.mixup
    if mixes or not hasattr(trainer.task, "count_into") or not getattr(trainer.task, "records", True):
        return None
    assert not is_half(trainer.weights.vector.dtype)
    return RecordedSteps(trainer, recorder)
