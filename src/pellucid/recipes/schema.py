"""What a recipe says: network, task, data, augmentation, optimizer, schedule, training."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from pellucid.data import Augmentation
from pellucid.data.paired_augmentation import RandomCrop

Choice = dict[str, Any]
"""Something by `name`, and its options: those are the arguments of the class or function of that name."""


class DataSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the images come from.

    source: "mnist", or a directory. size: (height, width) that a folder's images are brought to.
    scenes: settings of scenes made of the source's images, for tasks that want them; see data.masked.load_scenes.
    validation: fraction (below 1) or number of training images kept apart, chosen by `seed`; 0: none.
    mean, std: of each channel, in units where white is 1; empty: the images stay 0 .. 1.
    """

    source: str = "mnist"
    size: tuple[int, int] | None = None
    scenes: dict[str, Any] | None = None
    validation: float = 0.0
    seed: int = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


class TrainingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How training runs.

    epochs: may be a fraction. batch_size: images a step. seed: of weights, order, dropout and augmentation.
    evaluate_samples: images measured after each epoch but the last, which measures all; 0: all.
    clip: largest norm of the gradient; 0: no limit. ema: decay of the moving average of the weights; 0: none.
    checkpoint_seconds: at most so long between checkpoints. log_every: steps between step lines of the history;
    0: none. precision: float type of weights and activations.
    """

    epochs: float = 5.0
    batch_size: int = 128
    seed: int = 0
    evaluate_samples: int = 0
    clip: float = 0.0
    ema: float = 0.0
    checkpoint_seconds: float = 30.0
    log_every: int = 0
    precision: Literal["float32", "float64"] = "float32"


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole training run, as data.

    network: of the zoo. task, optimizer, schedule: by name, each with its options; the optimizer's `rate` is
    the learning rate, which the schedule scales.
    """

    name: str = "unnamed"
    description: str = ""
    network: Choice
    task: Choice = msgspec.field(default_factory=lambda: {"name": "classify"})
    data: DataSettings = DataSettings()
    augmentation: Augmentation = Augmentation()
    crop: RandomCrop = RandomCrop()
    optimizer: Choice
    schedule: Choice = msgspec.field(default_factory=lambda: {"name": "constant"})
    training: TrainingSettings = TrainingSettings()
