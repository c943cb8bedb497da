"""Classes that a network never predicts, looked for after an epoch."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from pellucid import ops
from pellucid.network import Network

if TYPE_CHECKING:
    from pellucid.training.trainer import Trainer

SEEN = 256  # training images that are looked at
ENOUGH = 5  # images, or pixels, of a class among them: one that is never predicted then is no accident
NAMED = 5  # classes in a line


def never_predicted(trainer: Trainer) -> str:
    """A line that names such classes of a classifier, of images or of pixels; "" where there is none."""
    names = getattr(trainer.task, "class_names", ())
    if len(names) < 2 or not isinstance(trainer.network, Network):
        return ""
    ignored = getattr(trainer.task, "ignore_label", None)
    labels, guesses, seen = np.zeros(len(names), np.int64), np.zeros(len(names), np.int64), 0
    for batch in itertools.islice(trainer.loader.epoch(0), SEEN):
        targets = getattr(batch.targets, "first", batch.targets)
        if not isinstance(targets, np.ndarray) or targets.dtype.kind not in "iu":
            return ""
        outputs = ops.host(trainer.network.forward(batch.inputs))
        if outputs.ndim != targets.ndim + 1 or outputs.shape[1] != len(names):
            return ""
        counted = (targets >= 0) & (targets < len(names)) & (targets != (-1 if ignored is None else ignored))
        labels += np.bincount(targets[counted], minlength=len(names))
        guesses += np.bincount(outputs.argmax(1).ravel(), minlength=len(names))
        seen += len(targets)
        if seen >= SEEN:
            break
    missed = [name for name, many, given in zip(names, labels, guesses, strict=True) if many >= ENOUGH and not given]
    if not missed:
        return ""
    shown = ", ".join(missed[:NAMED]) + (f" and {len(missed) - NAMED} more" if len(missed) > NAMED else "")
    return f"never predicted: {shown}; more epochs, more images of it, or weights by class may help"
