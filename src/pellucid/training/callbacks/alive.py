"""Saying after the first epoch that a network doesn't learn, and what to try."""

from __future__ import annotations

import math
import sys

from pellucid.training.glance import Glance, glance
from pellucid.training.state import Record
from pellucid.training.trainer import Callback, Trainer

STEPS = 100
"""In which every network that learns has learnt something."""

CHANCE = 0.98
"""Part of ln(classes) that a loss has to come below in an epoch to count as learning."""

ALIKE = 1e-3
"""Logits that differ by less are those of images that a network can't tell apart."""

PACE = 0.02
"""Part of ln(classes) that a loss has to be expected to change by until the end."""

_NAMED = 5


class Alive(Callback):
    """Says once, on standard error, that the loss is still that of guessing, or that layers are silent.

    After the first epoch, and the first one that ends behind so many steps that something must have been learnt; and
    after a later one whose loss is that of guessing, as a network may die when the rate has grown. Where the first
    epoch has fewer steps, a loss of guessing alone says nothing; but it does where all images get the same answer, or
    where at its pace the loss wouldn't change until the end.
    """

    def __init__(self) -> None:
        self.looked = self.said = False
        self.first: Glance | None = None

    def start(self, trainer: Trainer) -> None:
        """A run that goes on has been looked at."""
        self.looked = trainer.state.step >= STEPS
        early = len(trainer.loader) < STEPS and trainer.communicator.rank == 0
        self.first = glance(trainer) if early and not trainer.state.step else None

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """Look, where there is something to be seen."""
        if self.said or trainer.communicator.rank != 0:
            return
        early = trainer.state.step < STEPS
        if early and self.first is None:
            return
        if early or not self.looked or guesses(trainer, record):
            self.looked = not early
            for line in complaints(trainer, record, self.first if early else None):
                self.said = True
                print(line, file=sys.stderr, flush=True)
        self.first = None


def complaints(trainer: Trainer, record: Record, first: Glance | None = None) -> list[str]:
    """What is wrong with the network after an epoch, a line each, with what to try.

    first: the network before it, where there were too few steps for a loss of guessing to say something.
    """
    lines = []
    now = glance(trainer)
    if now.silent:
        more = f" and {len(now.silent) - _NAMED} more" if len(now.silent) > _NAMED else ""
        lines.append(
            f"silent: no unit of layer {', '.join(now.silent[:_NAMED])}{more} is above 0 for any of {now.images} "
            f"images, nothing passes there; try a smaller learning rate (--rate {trainer.optimizer.rate / 10:.2g}), "
            "batch norm, or leaky-relu"
        )
    if guesses(trainer, record) and (first is None or (why := stands_still(trainer, first, now))):
        classes = len(getattr(trainer.task, "class_names", ()))
        lines.append(
            f"nothing learnt: after {trainer.state.step} steps the loss is {record['train']['loss']:.3f}, that of "
            f"guessing among {classes} classes is {math.log(classes):.3f}{'' if first is None else why}; try another "
            "learning rate (pellucid find-rate suggests one), mean and deviation of the images (--set "
            "data.normalize=true), or batch norm (convnet)"
        )
    return lines


def guesses(trainer: Trainer, record: Record) -> bool:
    """Whether a classifier's loss and accuracy in an epoch are those of guessing."""
    classes = len(getattr(trainer.task, "class_names", ()))
    loss, accuracy = record["train"].get("loss"), record["train"].get("accuracy")
    if accuracy is None or classes < 2:
        return False
    return bool(loss >= CHANCE * math.log(classes) and accuracy < 1.5 / classes)


def stands_still(trainer: Trainer, first: Glance, now: Glance) -> str:
    """What shows that a classifier has learnt nothing in a few steps; "" where nothing does."""
    if now.spread is None or first.loss is None or now.loss is None:
        return ""
    if now.spread < ALIKE:
        return f", and the outputs for {now.images} images are all alike"
    done, total = (
        sum(trainer.schedule(step) for step in range(steps)) for steps in (trainer.state.step, trainer.total_steps)
    )
    expected = abs(first.loss - now.loss) * total / max(done, 1e-12)
    if expected < PACE * math.log(len(getattr(trainer.task, "class_names", ()))):
        return f", and at this pace it would change by {expected:.2g} until the end"
    return ""
