"""The training loop, and what can be hung into it."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.arguments import Checked
from pellucid.data import Batch, Loader
from pellucid.data.randomness import generator
from pellucid.errors import OutOfMemoryError, PellucidError
from pellucid.layers import Context
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.parameter_groups import ParameterGroup
from pellucid.task import Metrics, Task
from pellucid.training.averaging import WeightAverage
from pellucid.training.communicator import Alone, Communicator
from pellucid.training.diagnosis import not_finite
from pellucid.training.evaluate import evaluate, joined
from pellucid.training.fitting_batch import too_large
from pellucid.training.master_weights import TrainedWeights, trained_weights
from pellucid.training.optimizers import Optimizer
from pellucid.training.recorded import ROOM, RecordedSteps, recorded_steps, sound
from pellucid.training.schedules import Schedule
from pellucid.training.signals import StopRequest, stop_signals
from pellucid.training.single_values import check_statistics
from pellucid.training.state import Record, TrainingState
from pellucid.training.teacher import Teacher

READ_SECONDS = 0.2
"""Between two looks at the losses of recorded steps."""


class Callback(Checked):
    """Called at four moments; by default does nothing. It may look at everything and change nothing.

    Where several processes train together, each has the same callbacks; only rank 0 writes and prints.
    """

    def start(self, trainer: Trainer) -> None:
        """Training begins, or goes on from a checkpoint (then trainer.state.step is above 0)."""

    def step(self, trainer: Trainer, loss: float) -> None:
        """A step is done, with this loss over its batch."""

    def looks(self, trainer: Trainer, step: int) -> bool:
        """Whether `step` looks at more, after that step of the training, than the loss and the state's counters.

        Where it doesn't, it may be called when further steps are done: waiting for each step would cost much time on
        a GPU.
        """
        return type(self).step is not Callback.step

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """An epoch is done and evaluated; the record is also the last of trainer.state.history."""

    def end(self, trainer: Trainer, finished: bool) -> None:
        """Training is over: finished, asked to stop, or broken off by an exception. Called exactly once."""


@dataclass(frozen=True, eq=False)
class Passed:
    """What a batch gave: this rank's part of the loss, the gradient of all ranks, what all count; and outputs with
    their targets."""

    loss: float
    gradient: Array
    total: Array
    seen: list[tuple[Any, Any]]


@dataclass
class Trainer(Checked):
    """Trains a network for a number of epochs, measures it after each, and can stop and go on at any step.

    network, task, optimizer, schedule: what is trained, for what, and how.
    loader: the training images. epochs: how often each is seen; may be a fraction, such as 1.5.
    evaluations: loaders of what is measured after every epoch, by name ("validation", "test").
    samples: loaders that stand in for those of the same name, to save time: validation's in every epoch, others' in
    every epoch but the last.
    seed: of dropout; the order of the images is the loader's business.
    clip: largest norm of the gradient; a longer one is shortened (Pascanu et al. 2013). 0: no limit.
    parts: of a batch, computed one behind the other, their gradients added; statistics of norms are each part's own.
    average: moving average of the weights, which is measured and kept instead of the last ones. None: no average.
    groups: which parameters learn how in epoch 0, 1, ...; None: as the network's own groups say, in all of them.
    teacher: a network whose answers are learnt from beside the targets; None: the targets alone.
    callbacks: called in their order. communicator: the processes that share each batch.
    """

    network: Network
    task: Task
    loader: Loader
    optimizer: Optimizer
    schedule: Schedule
    epochs: float
    evaluations: Mapping[str, Loader] = field(default_factory=dict)
    samples: Mapping[str, Loader] = field(default_factory=dict)
    seed: int = 0
    clip: float = 0.0
    parts: int = 1
    average: WeightAverage | None = None
    groups: Callable[[int], Sequence[ParameterGroup]] | None = None
    teacher: Teacher | None = None
    callbacks: Sequence[Callback] = ()
    communicator: Communicator = field(default_factory=Alone)
    state: TrainingState = field(default_factory=TrainingState)

    def __post_init__(self) -> None:
        if not 0 < self.epochs < math.inf:
            raise PellucidError(f"epochs = {self.epochs}: expected a number above 0")
        self.loader = self.loader.shard(self.communicator.rank, self.communicator.ranks)
        if not self.schedule.steps:
            self.schedule = replace(self.schedule, steps=self.total_steps, epoch_steps=len(self.loader))
        self._weights = trained_weights(self.network)
        self.stopped = False  # whether somebody asked to stop
        self.stop_reason = ""
        self.metrics: Metrics = self.task.metrics(training=True)

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        return max(1, round(self.epochs * len(self.loader)))

    @property
    def total_epochs(self) -> int:
        """Epochs of the whole training; the last one may be a part of one."""
        return math.ceil(self.total_steps / len(self.loader))

    @property
    def weights(self) -> TrainedWeights:
        """What the optimizer moves of the network."""
        if self._weights.network is not self.network:  # somebody has given the trainer another one
            self._weights = trained_weights(self.network)
        return self._weights

    @property
    def judge(self) -> str:
        """What decides which epoch was the best. Never the test set."""
        return "validation" if "validation" in self.evaluations else "train"

    def stop(self, reason: str) -> None:
        """Let training be finished after this step: the epoch is measured as it is, and no other begins.

        For callbacks; unlike Ctrl-C, it is an end and no interruption. Where several processes train together, each
        has to call it at the same step.
        """
        self.stop_reason = reason

    def fit(self) -> bool:
        """Train to the end, or until a callback calls `stop`: True.

        Or until SIGINT or SIGTERM ask to stop: False, and `fit` again would go on.

        Raises PellucidError where the loss or a gradient is no longer finite, and before the first step where a
        batch would leave batch norm one value a channel.
        """
        self.stopped = finished = False
        self.stop_reason = ""
        check_statistics(self.network, self.loader, self.total_steps, self.parts)
        if not self.state.step:  # the network may have been given other weights since this was made
            self.weights.restart()
            if self.average is not None:
                self.average.restart(self.network)
        recorded = recorded_steps(self) if self.groups is None else None  # recorded steps move the same parts always
        with stop_signals() as stop:
            try:
                for callback in self.callbacks:
                    callback.start(self)
                while self.state.epoch < self.total_epochs and not (self.stopped or self.stop_reason):
                    if self.groups is not None:
                        self.network.set_groups(self.groups(self.state.epoch))
                    if recorded is None:
                        self._run_epoch(stop)
                    else:
                        self._run_recorded(recorded, stop)
                finished = not self.stopped
            except OutOfMemoryError as error:
                if recorded is not None:
                    recorded.steps.clear()
                raise too_large(error, self.network, self.loader, self._loss_gradient) from None
            finally:
                with ExitStack() as ends:  # each is called, even if another one fails; who began first ends last
                    for callback in self.callbacks:
                        ends.callback(callback.end, self, finished)
        return finished

    def _run_epoch(self, stop: StopRequest) -> None:
        """The rest of the current epoch and its evaluation, unless somebody asks to stop."""
        state = self.state
        batches = self.loader.epoch(state.epoch, state.batch)
        start = time.perf_counter()
        for batch in itertools.islice(batches, self.total_steps - state.step):
            loss, self.stopped = self._step(batch, stop)
            state.count(loss, batch.global_size, len(self.loader))
            state.epoch_seconds += time.perf_counter() - start
            for callback in self.callbacks:
                callback.step(self, loss)
            if self.stopped:
                return
            if self.stop_reason:
                break
            start = time.perf_counter()
        self._finish_epoch()

    def _run_recorded(self, steps: RecordedSteps, stop: StopRequest) -> None:
        """As _run_epoch, by steps that wait for nothing; every now and then their losses are read."""
        state = self.state
        steps.begin()
        while state.batch < len(self.loader) and state.step < self.total_steps:
            start, taken = time.perf_counter(), 0
            left = min(len(self.loader) - state.batch, self.total_steps - state.step, ROOM)
            while taken < left:
                steps.step()
                taken += 1
                if stop.asked or time.perf_counter() - start > READ_SECONDS or self._watched(state.step + taken):
                    break
            self.stopped = stop.asked
            done = steps.read()
            seconds = (time.perf_counter() - start) / taken
            for one in done:
                if not sound(one, scaled=self.weights.scales):
                    batch = next(iter(self.loader.epoch(state.epoch, state.batch)))
                    raise self._diagnose(batch, None)
                state.count(one.loss, one.images, len(self.loader))
                state.epoch_seconds += seconds
                for callback in self.callbacks:
                    callback.step(self, one.loss)
            if self.stopped:
                return
            if self.stop_reason:
                break
        self._finish_epoch()

    def _watched(self, step: int) -> bool:
        """Whether somebody wants to see the trainer as it is after that step."""
        return any(callback.looks(self, step) for callback in self.callbacks)

    def _step(self, batch: Batch, stop: StopRequest) -> tuple[float, bool]:
        """Forward, loss, backward, sum over the ranks, update: the whole batch's loss, and whether to stop."""
        passed = self._whole(batch) if self.parts == 1 else self._in_parts(batch)
        loss, gradient, total = passed.loss, passed.gradient, passed.total
        loss, stopping = self._sum(loss, float(stop.asked))

        norm = math.sqrt(ops.squared_norm(gradient))
        if math.isfinite(loss) and self.weights.overflowed(norm):
            return loss, bool(stopping)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise self._diagnose(batch, total)
        if 0 < self.clip < norm:
            gradient *= gradient.dtype.type(self.clip / norm)
        parts = self.network.parts if self.network.groups else None
        self.weights.update(
            partial(self.optimizer.update, scale=self.schedule(self.state.step), parts=parts), gradient
        )
        if self.average is not None:
            self.average.update(self.weights.vector, self.network.statistics, self.state.step)
        for outputs, targets in passed.seen:
            self.metrics.update(outputs, targets)
        return loss, bool(stopping)

    def _whole(self, batch: Batch) -> Passed:
        """Forwards and backwards, all of the batch at once."""
        outputs = self.weights.outputs(self.network.forward(batch.inputs, self._context(batch)))
        total = self.communicator.all_reduce(self.task.count(outputs, batch.targets))
        loss, gradient = self._loss(outputs, batch, total)
        with np.errstate(over="ignore", invalid="ignore"):  # the gradient's norm tells
            self.network.backward(self.weights.to_backward(gradient))
        gradient = self.communicator.all_reduce(self.weights.gradient())
        return Passed(loss, gradient, total, [(outputs, batch.targets)])

    def _in_parts(self, batch: Batch) -> Passed:
        """As `_whole`, a part of the batch at a time: sums over all that counts, divided at the end."""
        loss, counted = 0.0, np.zeros(1)
        gradient: Array = ops.zeros(self.weights.vector.shape, self.weights.vector.dtype)
        seen = []
        cuts = [len(batch) * part // self.parts for part in range(self.parts + 1)]
        for first, end in itertools.pairwise(cuts):
            if first == end:
                continue
            here = slice(first, end)
            part = replace(
                batch, inputs=batch.inputs[here], targets=batch.targets[here], samples=batch.samples[here],
                offset=batch.offset + first,
            )  # fmt: skip
            outputs = self.weights.outputs(self.network.forward(part.inputs, self._context(part)))
            own = self.task.count(outputs, part.targets)
            share, slope = self._loss(outputs, part, own)
            weight = float(own[0]) or 1.0
            with np.errstate(over="ignore", invalid="ignore"):
                self.network.backward(self.weights.to_backward(slope))
                own_gradient = self.weights.gradient()
                own_gradient *= gradient.dtype.type(weight)
                gradient = ops.add(gradient, own_gradient)
            loss, counted = loss + weight * float(share), counted + own
            seen.append((outputs, part.targets))
        total = self.communicator.all_reduce(counted)
        divisor = float(total[0]) or 1.0
        gradient = self.communicator.all_reduce(gradient)
        gradient *= gradient.dtype.type(1 / divisor)
        return Passed(loss / divisor, gradient, total, seen)

    def _sum(self, *numbers: float) -> list[float]:
        """Each number's sum over the ranks."""
        summed: list[float] = self.communicator.all_reduce(np.array(numbers, np.float64)).tolist()
        return summed

    def _context(self, batch: Batch) -> Context:
        """A training pass whose random numbers belong to the step: there is no generator's state to keep."""
        return Context(
            training=True,
            keep=True,
            rng=generator(self.seed, "dropout", self.state.step),
            first=batch.offset,
            total=batch.global_size,
            all_reduce=self.communicator.all_reduce if self.communicator.ranks > 1 else None,
        )

    def _diagnose(self, batch: Batch, total: Array | None) -> PellucidError:
        context = replace(self._context(batch), all_reduce=None)

        def loss_gradient(outputs: Array) -> Array:
            return self.weights.to_backward(self._loss(self.weights.outputs(outputs), batch, total)[1])

        return not_finite(self.network, batch.inputs, context, loss_gradient, self.state.step + 1)

    def _loss(self, outputs: Array, batch: Batch, total: Array | None) -> tuple[float, Array]:
        """The task's loss and its gradient, with the teacher's part; divided by what all count, by default here."""
        loss, gradient = self.task.loss(outputs, batch.targets, total)
        if self.teacher is None:
            return loss, gradient
        whole = self.task.count(outputs, batch.targets) if total is None else total
        each = getattr(self.task, "each", None)  # of a classifier
        counts = each(outputs, batch.targets) if each else None
        return self.teacher.beside(loss, gradient, outputs, batch.inputs, float(whole[0]), counts)

    def _loss_gradient(self, outputs: Array, targets: Any) -> Array:
        """The gradient that the network takes back, but for a teacher's part."""
        gradient: Array = self.task.loss(self.weights.outputs(outputs), targets, None)[1]
        return self.weights.to_backward(gradient)

    def _finish_epoch(self) -> None:
        """Measure, write down, and start counting anew."""
        state = self.state
        train = self.joined_metrics().result()
        record: Record = {
            "epoch": state.epoch + 1,
            "step": state.step,
            "rate": self.optimizer.rate * self.schedule(state.step - 1),
            "train": {"loss": state.loss_sum / state.images, **train},
            **self._evaluate(last=state.epoch + 1 == self.total_epochs),
        }
        state.seconds += state.epoch_seconds
        record["seconds"] = round(state.seconds, 3)
        record["images_per_second"] = round(state.images / max(state.epoch_seconds, 1e-9), 1)
        self._compare(record)
        state.close_epoch(record)
        self.metrics = self.task.metrics(training=True)
        for callback in self.callbacks:
            callback.epoch(self, record)

    def joined_metrics(self) -> Metrics:
        """What all ranks have measured in the current epoch so far."""
        return joined(self.metrics, self.task.metrics(training=True), self.communicator)

    def _evaluate(self, last: bool) -> Record:
        """Measures of every evaluation, with the averaged weights where there are some."""
        measures: Record = {}
        with self.final_weights():
            for name, whole in self.evaluations.items():
                # epochs are compared by the same images: what decides which is the best stays with its sample
                loader = whole if last and name != self.judge else self.samples.get(name, whole)
                measures[name] = evaluate(self.network, self.task, loader, self.communicator)
                measures[name]["images"] = len(loader.dataset)
        return measures

    @contextmanager
    def final_weights(self) -> Iterator[Network]:
        """Within the block, the network has the weights that are measured and kept: the averaged, if any are."""
        with self.average.applied(self.network) if self.average is not None else nullcontext():
            yield self.network

    def _compare(self, record: Record) -> None:
        """Note whether this epoch is the best so far."""
        value = record[self.judge][self.task.primary]
        best, state = self.state.best, self.state
        if best is None or math.isnan(best) or (value > best if self.task.larger_is_better else value < best):
            state.best, state.best_epoch = value, record["epoch"]
