"""From files to batches: data sets, their readers, augmentation and the loader."""

from pellucid.data.augmentation import Augmentation
from pellucid.data.dataset import Dataset, Images, Rows
from pellucid.data.idx import read_idx, write_idx
from pellucid.data.loader import Batch, Loader, normalized
from pellucid.data.mnist import load_mnist, mnist_dataset
from pellucid.data.pictures import read_picture
from pellucid.data.prepare import prepare_character
from pellucid.data.sources import Data, load_data

__all__ = [
    "Augmentation",
    "Batch",
    "Data",
    "Dataset",
    "Images",
    "Loader",
    "Rows",
    "load_data",
    "load_mnist",
    "mnist_dataset",
    "normalized",
    "prepare_character",
    "read_idx",
    "read_picture",
    "write_idx",
]
