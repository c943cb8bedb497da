"""What a number format costs and saves: one network in many, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.analysis.cost import network_cost
from pellucid.data import Loader
from pellucid.errors import PellucidError
from pellucid.network import Network
from pellucid.ops import memory
from pellucid.ops.arrays import Array
from pellucid.ops.formats import float_type
from pellucid.plan import AnyNetwork, IntegerNetwork, answering
from pellucid.precision.integer_graph import integer_graph
from pellucid.task import Task

TIMED_IMAGES, TIMED_ROUNDS, TIMED_RUNS = 128, 15, 5
REFERENCE = "float64"
"""The format that the others' logits and predictions are compared with."""


@dataclass(frozen=True)
class FormatRow:
    """One format's measures.

    measure: the task's primary one, over all images. weight_bytes: of all values kept between batches.
    activation_bytes: of the input and of what each step writes, for one image; ReLU, and max-pool where it is joined
    to a convolution, write nothing of their own. Of every layer where the network has no integer form. In 16 bits as
    training stores them: what only answers has float32 between its steps.
    milliseconds: of an image, in a batch of at most TIMED_IMAGES. instructions: that multiplied its numbers.
    logit_difference: the largest, from float64's.
    changed: predictions other than float64's, of `predictions`.
    """

    format: str
    measure: float
    weight_bytes: int
    activation_bytes: int
    images_per_second: float
    milliseconds: float
    instructions: str
    logit_difference: float
    changed: int
    predictions: int


def in_formats(network: Network, names: Sequence[str]) -> dict[str, AnyNetwork]:
    """The network in the float formats of these names."""
    return {name: network.astype(float_type(name)) for name in names}


def compare_formats(
    networks: Mapping[str, AnyNetwork],
    task: Task,
    loader: Loader,
    *,
    shown: Collection[str] | None = None,
    advance: Callable[[], None] = lambda: None,
) -> list[FormatRow]:
    """A row a network, over all images of the loader. One is named "float64": the others are compared with it.

    shown: names of the networks that get a row; by default all. advance: called after each image.
    """
    outputs = {name: [] for name in networks}  # type: dict[str, list[Array]]
    metrics = {name: task.metrics() for name in networks}
    for batch in loader.epoch(0):
        for name, network in networks.items():
            y = answering(network)(batch.inputs.astype(network.dtype)).astype(np.float64)
            outputs[name].append(y)
            metrics[name].update(y, batch.targets)
        for _ in batch.samples:
            advance()
    networks = {name: network for name, network in networks.items() if shown is None or name in shown}
    speed = _speeds(networks, next(loader.epoch(0)).inputs[:TIMED_IMAGES])
    exact = np.concatenate(outputs[REFERENCE])
    rows = []
    for name, network in networks.items():
        y = np.concatenate(outputs[name])
        rows.append(
            FormatRow(
                name,
                float(metrics[name].result()[task.primary]),
                weight_bytes(network),
                activation_bytes(network),
                speed[name],
                1e3 / speed[name],
                ops.instructions(_form(network)),
                float(np.abs(y - exact).max()),
                int((y.argmax(axis=1) != exact.argmax(axis=1)).sum()),
                exact.argmax(axis=1).size,
            )
        )
    return rows


def _form(network: AnyNetwork) -> str:
    """What its numbers are stored in."""
    return "int8" if isinstance(network, IntegerNetwork) else network.dtype.name


def weight_bytes(network: AnyNetwork) -> int:
    """Bytes of weights and statistics as they are stored."""
    if isinstance(network, IntegerNetwork):
        return network.weight_bytes
    return network.vector.nbytes + network.statistics.nbytes


def activation_bytes(network: AnyNetwork) -> int:
    """Bytes of the input and of every step's output, for one image."""
    if isinstance(network, IntegerNetwork):
        return network.activation_bytes
    try:
        shapes = network.nodes.shapes(network.input_shape)
        parts = integer_graph(network.nodes).parts
        written = sum(prod(shapes[part.value]) for part in parts) * network.dtype.itemsize
    except PellucidError:  # a layer that integers don't know: what the layers declare
        written = network_cost(network).activation_bytes
    return prod(network.input_shape) * network.dtype.itemsize + written


def _speeds(networks: Mapping[str, AnyNetwork], images: Array) -> dict[str, float]:
    """Images a second of each: the median of rounds in which each has its turn.

    float64 is timed by itself, after the others: the threads of its large matrix products go on spinning for a while,
    and what ran next would pay for it.
    """
    apart = {name: network for name, network in networks.items() if network.dtype == np.float64}
    others = {name: network for name, network in networks.items() if name not in apart}
    seconds = {**_seconds(others, images), **_seconds(apart, images)}
    return {name: len(images) / seconds[name] for name in networks}


def _seconds(networks: Mapping[str, AnyNetwork], images: Array) -> dict[str, float]:
    """Median seconds of a batch, in turns of a few batches each."""
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(TIMED_ROUNDS):
        for name, network in networks.items():
            run, x = _runner(network, images)
            memory.release()  # what the one before has left in the pool fits nobody else
            run(x)
            start = time.perf_counter()
            for _ in range(TIMED_RUNS):
                run(x)
            seconds[name].append((time.perf_counter() - start) / TIMED_RUNS)
    return {name: float(np.median(taken)) for name, taken in seconds.items()}


def _runner(network: AnyNetwork, images: Array) -> tuple[Any, Array]:
    """What is timed, and its input as it would come: bytes for integers."""
    if isinstance(network, IntegerNetwork):
        return network.integer_logits, network.input_scale.quantize(images)
    return answering(network), images.astype(network.dtype)
