"""Segmentation data in the layout of PASCAL VOC.

    JPEGImages/NAME.jpg                   images
    SegmentationClass/NAME.png            masks: palette PNGs whose pixel values are the classes, 255 to be ignored
    ImageSets/Segmentation/train.txt      NAMEs, one a line; val.txt and test.txt likewise, in any usual naming of the
                                          parts, or trainval.txt in place of train and val
    classes.txt                           names of class 0, 1, ..., one a line; those of VOC where it is missing
    colours.txt                           of masks in colour: red, green, blue and class, one a line

Source: Everingham et al., "The PASCAL Visual Object Classes Challenge 2012 Development Kit", section 3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.arguments import checked
from pellucid.data.dataset import Dataset
from pellucid.data.formats.image_files import ImageFiles, canvas_framing, keeping
from pellucid.data.framing import Framing, resized
from pellucid.data.held_out import HeldOut
from pellucid.data.mask_files import IGNORED, MaskRule, read_colours, where_value
from pellucid.data.parts import PARTS, with_test
from pellucid.data.pictures import SUFFIXES, picture_format
from pellucid.data.text_files import class_list, listed_images
from pellucid.errors import PellucidError, at_once
from pellucid.files import read_whole
from pellucid.ops.arrays import Pair

VOC_CLASSES = (
    "background",
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
FOLDERS = ("JPEGImages", "SegmentationClass", "ImageSets")
Files = tuple[Path, Path]
"""An image and its mask."""


def is_voc(folder: Path) -> bool:
    """Whether the folder has VOC's masks and lists."""
    return all((folder / name).is_dir() for name in FOLDERS[1:])


@dataclass(frozen=True, eq=False)
class VocPair:
    """An image and its mask in their files, checked to be of one size (H, W); and what is in the mask."""

    image: Path
    mask: Path
    size: Pair
    values: frozenset[int]


@checked
def read_voc(
    folder: Path,
    size: Pair | None = None,
    *,
    parts: Sequence[str] = ("train", "val"),
    class_names: Sequence[str] | None = None,
) -> list[Dataset]:
    """The data sets of a VOC folder's lists: inputs (N, C, *size) uint8, targets masks (N, *size) uint8.

    An image larger than size (H, W) is made smaller, its shape kept; what is left of the canvas is black, and ignored
    in the mask. size None: a canvas on which all fit as they are. Images are grey where all are, else in colour.
    folder: of the data. parts: the lists that are read, a data set each.
    class_names: of class 0, 1, ...; by default those of the folder's classes.txt, or VOC's.

    Raises PellucidError, naming the file, for a list that is missing or empty, an image or a mask that is, a pair
    of different sizes, and a mask with a value that is no class and not 255.

    >>> from pathlib import Path
    >>> try:
    ...     pl.data.read_voc(Path("nowhere"), (64, 64))
    ... except pl.PellucidError as error:
    ...     print(error)
    nowhere/ImageSets/Segmentation/train.txt: no such file, expected a list of images, one a line
    """
    names = _class_names(folder) if class_names is None else tuple(class_names)
    rule = MaskRule(read_colours(folder, names))
    lists = {part: folder / "ImageSets" / "Segmentation" / f"{part}.txt" for part in parts}
    listed = {part: voc_pairs(folder, path) for part, path in lists.items()}
    return mask_datasets(folder, listed, names, rule, size)


def read_voc_parts(
    folder: Path, size: Pair | None, held_out: HeldOut, framing: Framing | None = None
) -> tuple[dict[str, Dataset], bool]:
    """(the data sets of a VOC folder by part, see `with_test`; whether the test was drawn); else as `read_voc`.

    framing: a model's own, which leaves nothing to choose.
    """
    names = _class_names(folder)
    rule = MaskRule(read_colours(folder, names))
    lists = voc_lists(folder / "ImageSets" / "Segmentation")
    pairs = {part: voc_pairs(folder, path) for part, path in lists.items()}
    listed, drawn = with_test(pairs, lambda pair: pair[0].relative_to(folder).as_posix(), held_out, folder)
    return dict(zip(listed, mask_datasets(folder, listed, names, rule, size, framing), strict=True)), drawn


def mask_datasets(
    folder: Path,
    files: Mapping[str, Sequence[Files]],
    names: tuple[str, ...],
    rule: MaskRule,
    size: Pair | None,
    framing: Framing | None = None,
) -> list[Dataset]:
    """A data set for each part, of pairs below a folder, all on one canvas; see `read_voc_parts`."""
    rule = rule.of_all(mask for pairs in files.values() for _, mask in pairs)
    listed = _all_checked(files, names, rule)
    every = [pair for pairs in listed.values() for pair in pairs]
    rule, notes = _understood(rule, names, every)
    said = list[str]()
    if framing is None:
        colour = any(picture_format(pair.image)[1] for pair in every)
        framing, said = canvas_framing([pair.image for pair in every], size, colour=colour)
    framing = framing.of_all(pair.size for pair in every)
    datasets = []
    for part, pairs in listed.items():
        images, masks = (
            keeping(_Images(tuple(pair.image for pair in pairs), framing)),
            MaskFiles(tuple(pairs), framing, rule),
        )
        shown = np.array([framing.part(pair.size) for pair in pairs])
        keys = tuple(pair.image.relative_to(folder).as_posix() for pair in pairs)
        datasets.append(Dataset(images, masks, names, f"{folder.name} {part}", framing, shown, keys, (*said, *notes)))
    return datasets


def _understood(rule: MaskRule, names: Sequence[str], pairs: Sequence[VocPair]) -> tuple[MaskRule, list[str]]:
    """The rule for all masks together, and what is to be said of it: black and white for two classes are those."""
    values = frozenset[int]().union(*(pair.values for pair in pairs))
    if rule.colours or len(names) != 2 or values != {0, IGNORED}:
        return rule, []
    return replace(rule, white_is_one=True), [f"masks of 0 and {IGNORED} only: {IGNORED} is taken for {names[1]}"]


def voc_pairs(folder: Path, path: Path) -> list[Files]:
    """The images and masks of one list. Raises PellucidError as `read_voc` does."""
    images = images_by_name(folder / "JPEGImages")
    names = listed_images(path, images.__contains__)
    return [_pair(folder, name, images) for name in names]


def voc_lists(folder: Path) -> dict[str, Path]:
    """The lists of images in a folder by part; trainval is that of training where there is no other.

    Raises PellucidError where there is none of training images.
    """
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    files = {path.stem.lower(): path for path in there if path.suffix.lower() == ".txt"}
    found = {part: files[name] for part, names in PARTS.items() for name in reversed(names) if name in files}
    if "train" not in found and "trainval" in files:
        found = {"train": files["trainval"], **{part: path for part, path in found.items() if part == "test"}}
    if "train" not in found:
        raise PellucidError(f"{folder / 'train.txt'}: no such file, expected a list of images, one a line")
    return found


def images_by_name(images: Path) -> dict[str, Path]:
    """The files of a folder by their names without suffix, which may be written in any case; .jpg goes first."""
    files = sorted(images.iterdir(), reverse=True) if images.is_dir() else []
    pictures = [path for path in files if path.suffix.lower() in SUFFIXES and path.is_file()]
    return {path.stem: path for path in sorted(pictures, key=lambda path: path.suffix.lower() == ".jpg")}


def _class_names(folder: Path) -> tuple[str, ...]:
    path = folder / "classes.txt"
    if not path.exists():
        return VOC_CLASSES
    names = class_list(path)
    if not 2 <= len(names) < IGNORED:
        raise PellucidError(f"{path}: expected 2 to {IGNORED - 1} different class names, got {len(names)}")
    return names


def _pair(folder: Path, name: str, images: Mapping[str, Path]) -> Files:
    image = images.get(name)
    mask = folder / "SegmentationClass" / f"{name}.png"
    if image is None:
        raise PellucidError(f"{folder / 'JPEGImages' / f'{name}.jpg'}: no such image")
    if not mask.is_file():
        raise PellucidError(f"{mask}: no such mask, expected one for {image.name}")
    return image, mask


def _all_checked(
    files: Mapping[str, Sequence[Files]], names: Sequence[str], rule: MaskRule
) -> dict[str, list[VocPair]]:
    """The images and masks by part. Raises PellucidError that names every file with something wrong, to a number."""
    listed: dict[str, list[VocPair]] = {part: [] for part in files}
    wrong = []
    for part, pairs in files.items():
        for image, mask in pairs:
            try:
                listed[part].append(_checked(image, mask, names, rule))
            except PellucidError as error:
                wrong.append(str(error))
    if wrong:
        raise PellucidError(at_once(wrong))
    return listed


def _checked(image: Path, mask: Path, class_names: Sequence[str], rule: MaskRule) -> VocPair:
    """An image and its mask. Raises PellucidError, naming the file, for another size and a value that is no class."""
    (H, W), _ = picture_format(image)
    indices = rule.read(mask)
    if indices.shape != (H, W):
        h, w = indices.shape
        raise PellucidError(f"{mask}: the mask is {h}x{w} pixels, its image {image.name} is {H}x{W}")
    found = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    wrong = [int(value) for value in found if value >= len(class_names) and value != IGNORED]
    if wrong:
        where = where_value(indices, wrong[0])
        raise PellucidError(f"{mask}: {where}, expected 0 to {len(class_names) - 1} or {IGNORED} (ignore)")
    return VocPair(image, mask, (H, W), frozenset(found.tolist()))


@dataclass(frozen=True, eq=False)
class _Images(ImageFiles):
    """Images (N, channels, H, W) uint8."""

    def fingerprint(self) -> bytes:
        """Hash of the files' contents."""
        return _fingerprint("_Images", self.framing, self.files)


def _fingerprint(kind: str, framing: Framing, paths: Sequence[Path]) -> bytes:
    state = hashlib.sha256(repr((kind, framing.size)).encode())
    for path in paths:
        state.update(hashlib.sha256(read_whole(path)).digest())
    return state.digest()


@dataclass(frozen=True, eq=False)
class MaskFiles:
    """Masks, `[indices]` of which are an array (n, H, W) uint8."""

    pairs: tuple[VocPair, ...]
    framing: Framing
    rule: MaskRule

    dtype = np.dtype(np.uint8)

    def __len__(self) -> int:
        """Number of masks."""
        return len(self.pairs)

    def fingerprint(self) -> bytes:
        """Hash of the files' contents."""
        return _fingerprint("MaskFiles", self.framing, [pair.mask for pair in self.pairs])

    @property
    def present(self) -> frozenset[int]:
        """The classes of which there are pixels."""
        values = frozenset[int]().union(*(pair.values for pair in self.pairs))
        return frozenset({1 if value == IGNORED else value for value in values} if self.rule.white_is_one else values)

    def __getitem__(self, indices: Any) -> Any:
        from PIL import Image

        masks = np.full((len(indices), *self.framing.size), IGNORED, np.uint8)
        for mask, i in zip(masks, indices, strict=True):
            h, w = self.framing.part(self.pairs[i].size)
            classes = Image.fromarray(self.rule.read(self.pairs[i].mask))
            mask[:h, :w] = resized(classes, (h, w), sharp=True)
        return masks
