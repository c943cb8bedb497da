"""Training runs that take a second: a few hundred of MNIST's digits, and a network of every kind of state."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.data import Data, mnist_dataset
from pellucid.data.formats.idx import write_idx
from pellucid.graph import Sequential
from pellucid.layers import BatchNorm2d, Conv2d, Dropout, Flatten, Layer, Linear, ReLU
from pellucid.network import Network
from pellucid.recipes import Recipe, build_trainer, load_recipe
from pellucid.training import Trainer
from pellucid.training.folder import RunFolder, new_run_folder


@contextmanager
def one_thread_of_numpy() -> Iterator[None]:
    """Within the block, the plain backend on one thread: matrix products on busy cores wait for each other."""
    ops.set_threads(1)
    try:
        with ops.use_backend("numpy"):
            yield
    finally:
        ops.set_threads()


def layers() -> Layer:
    return Sequential(
        Conv2d(6, 3, stride=2), ReLU(), BatchNorm2d(), Conv2d(8, 3, stride=2), ReLU(), Flatten(),
        Dropout(0.2), Linear(10),
    )  # fmt: skip


@cache
def digits(train: int = 210, other: int = 90) -> Data:
    """Few digits; 210 make no whole number of batches of 32."""
    whole, test = mnist_dataset(train=True), mnist_dataset(train=False)
    validation = whole.subset(range(train, train + other), "mnist validation")
    return Data(whole.subset(range(train)), validation, test.subset(range(other)))


def write_digits(folder: Path, train: int, test: int) -> None:
    """MNIST's first digits as an IDX set, for commands that want a folder."""
    for of_train, prefix, count in ((True, "train", train), (False, "t10k", test)):
        some = mnist_dataset(of_train).subset(range(count))
        write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", np.asarray(some.inputs)[:, 0])
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", np.asarray(some.targets).astype(np.uint8))


SETTINGS: dict[str, Any] = {
    "training.epochs": 3,
    "training.batch_size": 32,
    "training.ema": 0.9,
    "training.clip": 1.0,
    "optimizer.rate": 0.01,
    "augmentation.shift": 1,
}


def small_recipe(**changes: Any) -> Recipe:
    """A recipe with all kinds of state; keys of [training] by their names."""
    return load_recipe("deep-convnet", SETTINGS | {f"training.{key}": value for key, value in changes.items()})


def small_trainer(
    recipe: Recipe | None = None, network: Callable[[], Layer] = layers, data: Data | None = None, **settings: Any
) -> Trainer:
    """A trainer by that recipe, but of the small network. settings: of the trainer."""
    recipe = recipe or small_recipe()
    trainer = build_trainer(recipe, data or digits(), **settings)
    seed, kind = recipe.training.seed, recipe.training.precision
    trainer.network = Network(network(), (1, 28, 28), seed=seed, dtype=kind)
    if trainer.average is not None:
        trainer.average = type(trainer.average)(trainer.network, trainer.average.decay)
    return trainer


def create_run_folder(name: str, path: Path | None = None) -> RunFolder:
    """A run's folder with nothing in it."""
    with new_run_folder(name, path) as run:
        return run
