"""What a recipe says: network, task, data, augmentation, optimizer, schedule, training."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from pellucid.data import Augmentation
from pellucid.data.colours import Colours
from pellucid.data.framing import Fit
from pellucid.data.paired_augmentation import RandomCrop

Choice = dict[str, Any]
"""Something by `name`, and its options: those are the arguments of the class or function of that name."""


class DataSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the images come from.

    source: "mnist", or a directory. size: (height, width) that a folder's images are brought to.
    scenes: settings of scenes made of the source's images, for tasks that want them; see data.masked.load_scenes.
    validation: fraction (below 1) or number of training images kept apart, chosen by `seed`; 0: none.
    mean, std: of each channel, in units where white is 1; empty: the images stay 0 .. 1. normalize: whether those of
    the training images are measured, where none are given; a run's recipe has them then.
    fit: how pictures that have a class, or labels, are brought to it: "stretch", "crop" of their middle, "letterbox".
    boxes: "refuse" or "clip" boxes of a folder's images that aren't wholly inside them or have no area.
    """

    source: str = "mnist"
    size: tuple[int, int] | None = None
    scenes: dict[str, Any] | None = None
    validation: float = 0.0
    seed: int = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    normalize: bool = False
    boxes: Literal["refuse", "clip"] = "refuse"
    fit: Fit = "stretch"


class GroupSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters that learn at another rate or decay, or not at all: the arguments of `ParameterGroup`."""

    names: str
    rate: float = 1.0
    decay: float = 1.0
    frozen: bool = False


class TrainingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How training runs.

    epochs: may be a fraction. batch_size: images a step. parts: that a batch is computed in, their gradients
    added: for batches larger than memory. patience: epochs without a better measure, of the validation part if there
    is one, after which training ends; 0: it never does. seed: of weights, order, dropout and augmentation.
    evaluate_samples: images measured after each epoch; the last one measures all of the test set, but of validation
    the same as before, so that the best epoch is told by equal images; 0: all.
    clip: largest norm of the gradient; 0: no limit. ema: decay of the moving average of the weights; 0: none.
    checkpoint_seconds: at most so long between checkpoints. log_every: steps between step lines of the history;
    0: none. start_from: run folder, or model file, whose weights are taken over: of the same network, of one that
    differs in its last layer only, or of a classifier that is the backbone; or a network's name, for weights that
    come as a package (`pellucid[pretrained]`); "": none. freeze_norms: whether norms of batches keep their parameters
    and statistics, as is best where images are few. head_epochs: so many at first in which only the last layer
    learns. whiten: whether the first convolution begins with filters that whiten patches of the training images.
    precision: float type that weights, activations and gradients are stored in. weight_bits: 8, 4 or 2 lets
    the network learn with weights rounded to so many bits and activations to 8, for `pellucid shrink`; 0: as it is.
    """

    epochs: float = 5.0
    batch_size: int = 128
    parts: int = 1
    patience: int = 0
    seed: int = 0
    evaluate_samples: int = 0
    clip: float = 0.0
    ema: float = 0.0
    checkpoint_seconds: float = 30.0
    log_every: int = 0
    start_from: str = ""
    freeze_norms: bool = False
    head_epochs: int = 0
    whiten: bool = False
    precision: Literal["float64", "float32", "float16", "bfloat16"] = "float32"
    weight_bits: Literal[0, 2, 4, 8] = 0


class TeacherSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trained classifier whose answers are learnt from beside the labels; see `training.Teacher`.

    source: run folder, or model file, of one for the same classes and images of the same size; "": none. share: of
    the teacher in the loss. temperature: that both networks' logits are divided by.
    """

    source: str = ""
    share: float = 0.5
    temperature: float = 2.0


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole training run, as data.

    network: of the zoo. task, optimizer, schedule: by name, each with its options; the optimizer's `rate` is
    the learning rate, which the schedule scales. groups: which parameters learn at another rate, the last one counts.
    `network.pretrained = true` is `training.start_from` with the network's own name, or its backbone's.
    """

    name: str = "unnamed"
    description: str = ""
    network: Choice
    task: Choice = msgspec.field(default_factory=lambda: {"name": "classify"})
    data: DataSettings = DataSettings()
    augmentation: Augmentation = Augmentation()
    colours: Colours = Colours()
    crop: RandomCrop = RandomCrop()
    optimizer: Choice
    schedule: Choice = msgspec.field(default_factory=lambda: {"name": "constant"})
    training: TrainingSettings = TrainingSettings()
    teacher: TeacherSettings = TeacherSettings()
    groups: tuple[GroupSettings, ...] = ()
