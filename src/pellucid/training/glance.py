"""A network in training, looked at over some training images: what it makes of them, and what is silent in it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pellucid import ops
from pellucid.data.randomness import generator
from pellucid.layers import Context, Layer
from pellucid.network import Network
from pellucid.ops.arrays import Array

if TYPE_CHECKING:
    from pellucid.training.trainer import Trainer

IMAGES = 64
"""That are looked at, at most."""

_RECTIFIERS = ("ReLU", "ReLU6")


@dataclass(frozen=True)
class Glance:
    """images: that were looked at. loss: over them; None where the task isn't one class an image.

    spread: how far apart their logits are, the largest difference between two images in any class; as loss. silent:
    the rectifiers whose outputs are all 0, by name.
    """

    images: int
    loss: float | None
    spread: float | None
    silent: tuple[str, ...]


def glance(trainer: Trainer) -> Glance:
    """A look at the first images of the first epoch, by a training pass whose random numbers are always the same.

    So two of them differ by what was learnt in between alone, and not by running means and variances, which take some
    steps to come true. The pass is that of a copy: nothing changes in the network itself.
    """
    batch = next(iter(trainer.loader.epoch(0)))
    inputs, targets = batch.inputs[:IMAGES], batch.targets
    silent: list[str] = []

    def watch(layer: Layer, output: Array) -> None:
        if layer.kind in _RECTIFIERS and not np.any(ops.host(output)):
            silent.append(layer.name)

    alone = trainer.communicator.ranks == 1  # else statistics of a share that may be one image
    context = Context(training=alone, rng=generator(trainer.seed, "glance"), watch=watch)
    twin: Network = copy.deepcopy(trainer.network)
    outputs = trainer.weights.outputs(twin.forward(inputs, context))
    classes = len(getattr(trainer.task, "class_names", ()))
    if trainer.task.primary != "accuracy" or outputs.ndim != 2 or outputs.shape[1] != classes or not len(inputs):
        return Glance(len(inputs), None, None, tuple(silent))
    logits = ops.host(outputs)
    loss = float(trainer.task.loss(outputs, targets[:IMAGES])[0])
    return Glance(len(inputs), loss, float(np.ptp(logits, axis=0).max()), tuple(silent))
