"""From files to batches: data sets, their readers, augmentation and the loader."""

from pellucid.data.arrays import arrays
from pellucid.data.augmentation import Augmentation
from pellucid.data.boxed import load_boxed
from pellucid.data.boxes import Boxes
from pellucid.data.dataset import Dataset, Images, Rows
from pellucid.data.formats.idx import read_idx, write_idx
from pellucid.data.formats.mnist import load_mnist, mnist_dataset
from pellucid.data.formats.voc import read_voc
from pellucid.data.loader import Batch, Loader, normalized
from pellucid.data.masked import load_masked, load_scenes
from pellucid.data.named import coco, folder, mnist, voc, yolo
from pellucid.data.paired_augmentation import RandomCrop
from pellucid.data.pictures import read_picture
from pellucid.data.prepare import prepare_character
from pellucid.data.scenes import Scenes, make_scenes, scene_settings
from pellucid.data.sources import Data, load_data

__all__ = [
    "Augmentation",
    "Batch",
    "Boxes",
    "Data",
    "Dataset",
    "Images",
    "Loader",
    "RandomCrop",
    "Rows",
    "Scenes",
    "arrays",
    "coco",
    "folder",
    "load_boxed",
    "load_data",
    "load_masked",
    "load_mnist",
    "load_scenes",
    "make_scenes",
    "mnist",
    "mnist_dataset",
    "normalized",
    "prepare_character",
    "read_idx",
    "read_picture",
    "read_voc",
    "scene_settings",
    "voc",
    "write_idx",
    "yolo",
]
