"""Data by name: the built-in sets, or a directory."""

from dataclasses import dataclass
from pathlib import Path

from pellucid.data.dataset import Dataset
from pellucid.data.mnist import mnist_dataset
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Pair


@dataclass(frozen=True, eq=False)
class Data:
    """What is learnt from (train), what choices are made by (validation, or None), what is reported (test)."""

    train: Dataset
    validation: Dataset | None
    test: Dataset


def load_data(
    source: str | Path = "mnist", size: Pair | int | None = None, validation: float = 0, seed: int = 0
) -> Data:
    """The data of a name ("mnist") or a directory.

    size: (height, width) that a folder's images are brought to. validation: fraction (below 1) or number of the
    training images kept apart for choices; 0 for none. seed: of that split, and of the test images' where the
    directory has none apart; the same seed gives the same split.
    """
    train, test = load_parts(source, size, seed)
    if not validation:
        return Data(train, None, test)
    rest, part = train.split(validation, seed)
    return Data(rest, part, test)


def load_parts(source: str | Path, size: Pair | int | None, seed: int) -> tuple[Dataset, Dataset]:
    """(train, test) of a name or a directory."""
    if source == "mnist":
        return mnist_dataset(train=True), mnist_dataset(train=False)
    raise PellucidError(f"no data {str(source)!r}: expected mnist or a directory")
