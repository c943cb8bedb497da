"""Segmentation data in the layout of PASCAL VOC.

    JPEGImages/NAME.jpg                   images
    SegmentationClass/NAME.png            masks: palette PNGs whose pixel values are the classes, 255 to be ignored
    ImageSets/Segmentation/train.txt      NAMEs, one a line; val.txt likewise, and test.txt where there is one
    classes.txt                           names of class 0, 1, ..., one a line; those of VOC where it is missing

Source: Everingham et al., "The PASCAL Visual Object Classes Challenge 2012 Development Kit", section 3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pellucid.data.dataset import Dataset
from pellucid.data.framing import Framing, resized
from pellucid.data.pictures import SUFFIXES, open_picture, picture_format, wide_note, wide_range
from pellucid.errors import PellucidError
from pellucid.files import read_whole
from pellucid.ops import memory
from pellucid.ops.arrays import Array, Pair, Shape

if TYPE_CHECKING:
    from PIL.Image import Image

IGNORED = 255
VOC_CLASSES = (
    "background",
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
FOLDERS = ("JPEGImages", "SegmentationClass", "ImageSets")


def is_voc(folder: Path) -> bool:
    """Whether the folder has VOC's masks and lists."""
    return all((folder / name).is_dir() for name in FOLDERS[1:])


@dataclass(frozen=True, eq=False)
class VocPair:
    """An image and its mask in their files, checked to be of one size (H, W)."""

    image: Path
    mask: Path
    size: Pair


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
    class_names: of class 0, 1, ...; by default those of the folder's classes.txt, or VOC's.

    Raises PellucidError, naming the file, for a list that is missing or empty, an image or a mask that is, a pair
    of different sizes, and a mask with a value that is no class and not 255.
    """
    names = _class_names(folder) if class_names is None else tuple(class_names)
    listed = {part: voc_pairs(folder, part, names) for part in parts}
    shrink = size is not None
    if size is None:
        sizes = [pair.size for pairs in listed.values() for pair in pairs]
        size = max(H for H, _ in sizes), max(W for _, W in sizes)
    colour = any(picture_format(pair.image)[1] for pairs in listed.values() for pair in pairs)
    white = None if colour else wide_range(pair.image for pairs in listed.values() for pair in pairs)
    framing = Framing("canvas", 3 if colour else 1, size, shrink, white)
    datasets = []
    for part, pairs in listed.items():
        images, masks = _Images(tuple(pairs), framing), _Masks(tuple(pairs), framing)
        shown = np.array([framing.part(pair.size) for pair in pairs])
        keys = tuple(pair.image.relative_to(folder).as_posix() for pair in pairs)
        datasets.append(
            Dataset(images, masks, names, f"{folder.name} {part}", framing, shown, keys, tuple(wide_note(white)))
        )
    return datasets


def voc_pairs(folder: Path, part: str, class_names: Sequence[str]) -> list[VocPair]:
    """The images and masks of one list, all checked. Raises PellucidError as `read_voc` does."""
    names = listed_images(folder / "ImageSets" / "Segmentation" / f"{part}.txt")
    return [_pair(folder, name, class_names) for name in names]


def _class_names(folder: Path) -> tuple[str, ...]:
    path = folder / "classes.txt"
    if not path.exists():
        return VOC_CLASSES
    names = tuple(line.strip() for line in text_lines(path) if line.strip())
    if not 2 <= len(names) < IGNORED or len(set(names)) < len(names):
        raise PellucidError(f"{path}: expected 2 to {IGNORED - 1} different class names, got {len(names)}")
    return names


def text_lines(path: Path) -> list[str]:
    """The lines of a text file. Raises PellucidError where it is none."""
    try:
        return read_whole(path).decode().splitlines()
    except UnicodeDecodeError:
        raise PellucidError(f"{path}: expected lines of text, got something else") from None


def listed_images(path: Path) -> list[str]:
    """The names in one of VOC's lists of images. Raises PellucidError where there is none, or one twice."""
    if not path.exists():
        raise PellucidError(f"{path}: no such file, expected a list of images, one a line")
    names = [line.split()[0] for line in text_lines(path) if line.strip()]
    if not names:
        raise PellucidError(f"{path}: the list is empty, expected names of images, one a line")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise PellucidError(f"{path}: {name} is listed twice")
        seen.add(name)
    return names


def _pair(folder: Path, name: str, class_names: Sequence[str]) -> VocPair:
    candidates = [folder / "JPEGImages" / f"{name}{suffix}" for suffix in (".jpg", *sorted(SUFFIXES - {".jpg"}))]
    image = next((path for path in candidates if path.exists()), None)
    mask = folder / "SegmentationClass" / f"{name}.png"
    if image is None:
        raise PellucidError(f"{candidates[0]}: no such image")
    if not mask.exists():
        raise PellucidError(f"{mask}: no such mask, expected one for {image.name}")
    (H, W), _ = picture_format(image)
    indices = _indices(open_picture(mask), mask)
    if indices.shape != (H, W):
        h, w = indices.shape
        raise PellucidError(f"{mask}: the mask is {h}x{w} pixels, its image {image.name} is {H}x{W}")
    found = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    wrong = [int(value) for value in found if value >= len(class_names) and value != IGNORED]
    if wrong:
        raise PellucidError(f"{mask}: value {wrong[0]}, expected 0 to {len(class_names) - 1} or {IGNORED} (ignore)")
    return VocPair(image, mask, (H, W))


def _indices(picture: Image, path: Path) -> Array:
    """The pixel values of a mask, which are its classes: (H, W) uint8."""
    if picture.mode not in {"P", "L"}:
        raise PellucidError(f"{path}: expected a palette or grey PNG of 8 bits, got mode {picture.mode}")
    return np.asarray(picture, np.uint8)


@dataclass(frozen=True, eq=False)
class _Files:
    """Files that are read when asked for; `[indices]` is a smaller collection, still unread."""

    pairs: tuple[VocPair, ...]
    framing: Framing

    dtype = np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def paths(self) -> list[Path]:
        """Those that are read."""
        raise NotImplementedError

    def fingerprint(self) -> bytes:
        """Hash of the files' contents."""
        state = hashlib.sha256(repr((type(self).__name__, self.framing.size)).encode())
        for path in self.paths:
            state.update(hashlib.sha256(read_whole(path)).digest())
        return state.digest()


@dataclass(frozen=True, eq=False)
class _Images(_Files):
    """Images (N, channels, H, W) uint8."""

    @property
    def shape(self) -> Shape:
        """(N, channels, H, W)."""
        return (len(self), self.framing.channels, *self.framing.size)

    @property
    def paths(self) -> list[Path]:
        """Those of the images."""
        return [pair.image for pair in self.pairs]

    def __getitem__(self, indices: Any) -> _Images:
        return _Images(tuple(self.pairs[i] for i in indices), self.framing)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        """The pixels, stored channels last."""
        images = memory.empty_images(self.shape, np.uint8)
        for image, path in zip(images, self.paths, strict=True):
            image[...] = self.framing.read(path).pixels
        return images if dtype is None else images.astype(dtype, copy=False)


@dataclass(frozen=True, eq=False)
class _Masks(_Files):
    """Masks, `[indices]` of which are an array (n, H, W) uint8."""

    @property
    def paths(self) -> list[Path]:
        """Those of the masks."""
        return [pair.mask for pair in self.pairs]

    def __getitem__(self, indices: Any) -> Any:
        masks = np.full((len(indices), *self.framing.size), IGNORED, np.uint8)
        for mask, i in zip(masks, indices, strict=True):
            h, w = self.framing.part(self.pairs[i].size)
            mask[:h, :w] = resized(open_picture(self.pairs[i].mask), (h, w), sharp=True)
        return masks
