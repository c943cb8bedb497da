"""Saying after the first epoch that a network doesn't learn, and what to try."""

from __future__ import annotations

import math
import sys
from itertools import islice

import numpy as np

from pellucid import ops
from pellucid.layers import INFERENCE, Layer
from pellucid.ops.arrays import Array
from pellucid.training.state import Record
from pellucid.training.trainer import Callback, Trainer

IMAGES = 64
"""Training images by which it is told whether a layer is silent."""

STEPS = 100
"""In which every network that learns has learnt something."""

CHANCE = 0.98
"""Part of ln(classes) that a loss has to come below in an epoch to count as learning."""

_RECTIFIERS = ("ReLU", "ReLU6")
_NAMED = 5


class Alive(Callback):
    """Says once, on standard error, that the loss is still that of guessing, or that layers are silent.

    After the first epoch, or the first one that ends behind so many steps that something must have been learnt; and
    after a later one whose loss is that of guessing, as a network may die when the rate has grown.
    """

    def __init__(self) -> None:
        self.looked = self.said = False

    def start(self, trainer: Trainer) -> None:
        """A run that goes on has been looked at."""
        self.looked = trainer.state.step >= STEPS

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """Look once, and again where it is worth it."""
        if self.said or trainer.state.step < STEPS or trainer.communicator.rank != 0:
            return
        if not self.looked or guesses(trainer, record):
            self.looked = True
            for line in complaints(trainer, record):
                self.said = True
                print(line, file=sys.stderr, flush=True)


def complaints(trainer: Trainer, record: Record) -> list[str]:
    """What is wrong with the network after an epoch, a line each, with what to try."""
    lines = []
    silent = silent_layers(trainer)
    if silent:
        more = f" and {len(silent) - _NAMED} more" if len(silent) > _NAMED else ""
        lines.append(
            f"silent: no unit of layer {', '.join(silent[:_NAMED])}{more} is above 0 for any of {IMAGES} images, "
            f"nothing passes there; try a smaller learning rate (--rate {trainer.optimizer.rate / 10:.2g}), "
            "batch norm, or leaky-relu"
        )
    if guesses(trainer, record):
        classes = len(getattr(trainer.task, "class_names", ()))
        lines.append(
            f"nothing learnt: after {trainer.state.step} steps the loss is {record['train']['loss']:.3f}, that of "
            f"guessing among {classes} classes is {math.log(classes):.3f}; try another learning rate (pellucid "
            "find-rate suggests one), mean and deviation of the images (--set data.normalize=true), or batch norm "
            "(convnet)"
        )
    return lines


def guesses(trainer: Trainer, record: Record) -> bool:
    """Whether a classifier's loss and accuracy in an epoch are those of guessing."""
    classes = len(getattr(trainer.task, "class_names", ()))
    loss, accuracy = record["train"].get("loss"), record["train"].get("accuracy")
    if accuracy is None or classes < 2:
        return False
    return bool(loss >= CHANCE * math.log(classes) and accuracy < 1.5 / classes)


def silent_layers(trainer: Trainer) -> list[str]:
    """The rectifiers whose outputs are all 0 for some training images, by name."""
    loader = trainer.loader
    found: list[str] = []

    def watch(layer: Layer, output: Array) -> None:
        if layer.kind in _RECTIFIERS and not np.any(ops.host(output)):
            found.append(layer.name)

    for batch in islice(loader.epoch(0), 1):
        trainer.network.forward(batch.inputs[:IMAGES], INFERENCE.watched_by(watch))
    return found
