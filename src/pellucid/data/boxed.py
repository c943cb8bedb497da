"""Images with boxes, by name: scenes made of digits, or a folder in the layout of PASCAL VOC, COCO or YOLO."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.arguments import checked_but
from pellucid.data.boxes import PLAIN, Boxes
from pellucid.data.dataset import Dataset
from pellucid.data.formats.box_files import Outside
from pellucid.data.formats.coco import is_coco, read_coco
from pellucid.data.formats.voc_boxes import FOLDERS, is_voc_boxes, read_voc_boxes
from pellucid.data.formats.yolo import is_yolo, read_yolo
from pellucid.data.framing import Framing
from pellucid.data.held_out import HeldOut
from pellucid.data.layouts import listing
from pellucid.data.masked import drawn_scenes
from pellucid.data.scenes import Scenes
from pellucid.data.scenes.scenes import scene_framing
from pellucid.data.sources import Data, holds_digits, with_validation
from pellucid.errors import PellucidError
from pellucid.files import path_of
from pellucid.ops.arrays import Pair


@checked_but("source")
def load_boxed(
    source: str | Path = "mnist",
    scenes: Mapping[str, Any] | None = None,
    size: Pair | None = None,
    validation: float = 0,
    seed: int = 0,
    outside: Outside = "refuse",
    held_out: HeldOut | None = None,
    framing: Framing | None = None,
) -> Data:
    """The data of a VOC, COCO or YOLO folder; or, where the source is none, scenes. Targets are `Boxes`.

    source: the folder, or what the scenes' digits are, as for `load_data`. scenes: see `load_scenes`; the preset is
    "detection" unless given. size: (H, W) of the canvas for a folder's images. validation: fraction or number of the
    training images (of the digits, for scenes) kept apart. seed: of that split and of the scenes. outside: what
    happens to boxes that don't fit their image. held_out: how the split is drawn; see HeldOut. framing: how a model
    sees pictures; by default as the data suggest.

    >>> data = pl.data.load_boxed(scenes={"train": 2, "test": 1})
    >>> data.shape, len(data.class_names)
    ((1, 128, 128), 10)
    """
    draw = held_out or HeldOut(seed)
    folder = path_of(source, "source")
    if folder.is_dir() and has_boxes(folder):
        return _from_folder(folder, size, validation, draw, outside, framing)
    if folder.is_dir() and (scenes is None or not holds_digits(folder)):
        layouts = f"the folders {', '.join(FOLDERS)}, or annotations/train.json, or images and labels, or settings of"
        raise PellucidError(f"{folder}: expected {layouts} scenes and what they are made of; got {listing(folder)}")
    settings = {"preset": "detection", **(scenes or {})}
    (train, kept, test), lists = drawn_scenes(source, settings, validation, seed, draw)
    return Data(boxed_scenes(train), boxed_scenes(kept) if kept else None, boxed_scenes(test), lists)


def has_boxes(folder: Path) -> bool:
    """Whether a folder holds images with boxes, in a layout that is read here."""
    return is_voc_boxes(folder) or is_coco(folder) or is_yolo(folder)


def boxed_scenes(scenes: Scenes) -> Dataset:
    """Scenes as images with their digits' boxes."""
    N, _, H, W = scenes.images.shape
    kinds = np.full(len(scenes.labels), PLAIN, np.uint8)
    sizes = np.tile(np.array([[H, W]]), (N, 1))
    boxes = Boxes(scenes.boxes, scenes.labels, kinds, scenes.starts, sizes, (H, W))
    return Dataset(scenes.images, boxes, scenes.class_names, scenes.name, scene_framing(scenes.images))


def _from_folder(
    folder: Path, size: Pair | None, validation: float, draw: HeldOut, outside: Outside, framing: Framing | None
) -> Data:
    """With the list of the test images where these were drawn."""
    read = read_voc_boxes if is_voc_boxes(folder) else read_coco if is_coco(folder) else read_yolo
    parts, drawn = read(folder, size, draw, outside=outside, framing=framing)
    lists = {"test": parts["test"].keys or ()} if drawn else {}
    data = Data(parts["train"], parts.get("validation"), parts["test"], lists)
    return with_validation(data, validation, draw)
