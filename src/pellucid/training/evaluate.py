"""Measuring a network on a data set."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.data import Loader
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan import Answers, AnyNetwork
from pellucid.task import Metrics, Task
from pellucid.training.communicator import Alone, Communicator


def evaluate(
    network: AnyNetwork, task: Task, loader: Loader, communicator: Communicator | None = None
) -> dict[str, float]:
    """The task's loss and measures over every image of the loader's data set, each once.

    The loss is a sum divided once, by all that counts: what it is doesn't depend on the size of the batches.

    The images are split over the ranks; every rank gets the same answer.
    """
    loss, metrics = measure(network, task, loader, communicator)
    return {"loss": loss, **metrics.result()}


def measure(
    network: AnyNetwork, task: Task, loader: Loader, communicator: Communicator | None = None
) -> tuple[float, Metrics]:
    """As `evaluate`: the loss, and what the measures follow from."""
    talk = communicator or Alone()
    metrics, loss_sum, count = task.metrics(), 0.0, 0.0
    answer = answers_of(network)
    loader = replace(loader, batch_size=max(loader.batch_size, talk.ranks))  # of large images there are few in one
    for batch in loader.shard(talk.rank, talk.ranks).epoch(0):
        outputs = answer(batch.inputs)
        total = talk.all_reduce(task.count(outputs, batch.targets))
        loss, _ = task.loss(outputs, batch.targets, total)
        loss_sum += float(loss) * (float(total[0]) or 1.0)  # a batch without anything to count has been divided by 1
        count += float(total[0])
        metrics.update(outputs, batch.targets)
    mean = float(talk.all_reduce(np.array([loss_sum]))[0]) / (count or 1.0)
    return mean, joined(metrics, task.metrics(), talk)


def answers_of(network: AnyNetwork) -> Callable[[Array], Any]:
    """What answers for the network in one pass; nothing of it stays, as the next one may see other weights."""
    return Answers(network) if isinstance(network, Network) else network.forward


def joined(metrics: Metrics, empty: Metrics, communicator: Communicator) -> Metrics:
    """What all ranks have collected, in `empty` (or `metrics` itself, where there is one rank)."""
    if communicator.ranks == 1:
        return metrics
    for state in communicator.all_gather(metrics.state()):
        empty.merge(state)
    return empty
