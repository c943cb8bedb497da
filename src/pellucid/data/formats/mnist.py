"""MNIST: 70,000 handwritten digits that travel with the package (see data/mnist/LICENSE.md)."""

from pathlib import Path

import numpy as np

from pellucid.arguments import checked
from pellucid.data.dataset import Dataset
from pellucid.data.formats.idx_sets import read_idx_pair
from pellucid.data.loader import normalized
from pellucid.data.randomness import generator
from pellucid.ops.arrays import Array

FOLDER = Path(__file__).parents[1] / "mnist"
CLASS_NAMES = tuple("0123456789")

Rows = tuple[Array, Array]  # x and t


@checked
def mnist_dataset(train: bool) -> Dataset:
    """The 60,000 training or the 10,000 test images: inputs (N, 1, 28, 28) uint8, targets (N,) int64.

    >>> pl.data.mnist_dataset(train=False).inputs.shape
    (10000, 1, 28, 28)
    """
    prefix = "train" if train else "t10k"
    images, labels = FOLDER / f"{prefix}-images-idx3-ubyte.gz", FOLDER / f"{prefix}-labels-idx1-ubyte.gz"
    return read_idx_pair(images, labels, CLASS_NAMES, f"mnist {'train' if train else 'test'}")


@checked
def load_mnist(
    normalize: bool = True, flatten: bool = True, one_hot_label: bool = False, shuffle: bool | int = False
) -> tuple[Rows, Rows]:
    """MNIST as arrays: (x_train, t_train), (x_test, t_test), 60,000 and 10,000 rows.

    normalize: x is float32 in 0 .. 1, else uint8 in 0 .. 255.
    flatten: x is (N, 784), else (N, 1, 28, 28).
    one_hot_label: t is (N, 10) with a 1 at the digit (x's type), else (N,) int64.
    shuffle: the training rows in random order, by this seed; True means the seed 0. The test rows stay.

    The signature follows Saitoh, "Deep Learning from Scratch" (2016).

    >>> (x_train, t_train), (x_test, t_test) = pl.data.load_mnist()
    >>> x_train.shape, t_test.shape
    ((60000, 784), (10000,))
    """
    pairs = []
    for train in (True, False):
        dataset = mnist_dataset(train)
        x, t = np.asarray(dataset.inputs), np.asarray(dataset.targets)
        if train and shuffle is not False:
            order = generator(0 if shuffle is True else shuffle, "shuffle").permutation(len(x))
            x, t = x[order], t[order]
        if normalize:
            x = normalized(x)
        if one_hot_label:
            t = np.eye(len(CLASS_NAMES), dtype=x.dtype)[t]
        pairs.append((x.reshape(len(x), -1) if flatten else x, t))
    return pairs[0], pairs[1]
