"""One cell of the experiment: which network, what part of the data, which seed, and what came out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.analysis.depth.families import Budget
from pellucid.data import Dataset
from pellucid.data.randomness import generator
from pellucid.errors import PellucidError


@dataclass(frozen=True)
class Settings:
    """What all cells have in common, so that they can be compared.

    budget, size: what the networks have in common; see families. steps: of each training, whatever the amount of
    data. batch_size: images a step. rate: largest learning rate (AdamW, one cycle). weight_decay: of AdamW.
    data: name of the data set, or its folder.
    """

    budget: Budget = "parameters"
    size: int = 20_000
    steps: int = 400
    batch_size: int = 64
    rate: float = 0.003
    weight_decay: float = 0.01
    data: str = "mnist"

    def __post_init__(self) -> None:
        for name in ("size", "steps", "batch_size", "rate"):
            if getattr(self, name) <= 0:
                raise PellucidError(f"{name} {getattr(self, name)}: expected more than 0")


@dataclass(frozen=True)
class Cell:
    """Which network, what part of the training images, which seed."""

    depth: int
    fraction: float
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"depth-{self.depth:02d}_fraction-{self.fraction:g}_seed-{self.seed}"


@dataclass(frozen=True)
class Result:
    """What came out of a cell. accuracy: on the whole test set, from 0 to 1, after the last step. images: trained on.
    train_loss: mean over the last epoch.
    """

    accuracy: float
    images: int
    train_loss: float


def part_of(train: Dataset, fraction: float, seed: int) -> Dataset:
    """A random part of the training images: of one seed, a smaller part lies within every larger one.

    All networks of a seed learn from the same images, so that they can be compared in pairs. Raises PellucidError
    for a part of no image, or more than all.
    """
    count = round(fraction * len(train)) if 0 < fraction <= 1 else 0
    if not count:
        raise PellucidError(
            f"data fraction {fraction:g}: expected more than 0, at most 1 and at least one of {len(train):,} images"
        )
    return train.subset(np.sort(generator(seed, "depth experiment").permutation(len(train))[:count]))
