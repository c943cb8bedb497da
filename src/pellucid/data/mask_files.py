"""Masks as people's tools write them: what class each sample of a file stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pellucid.data.pictures import flattened, open_picture
from pellucid.data.text_files import text_lines
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array

if TYPE_CHECKING:
    from PIL.Image import Image

IGNORED = 255
LOSSY = {".jpg", ".jpeg", ".webp"}
"""Endings of pictures whose values aren't kept."""
_FEW_FILES, _FEW_VALUES = 3, 16  # of two folders that are looked at; of a mask
COLOURS = "colours.txt"
IGNORED_NAMES = {"ignored", "ignore", "void", "unlabelled", "unlabeled"}
_BETWEEN = re.compile(r"\s*[,;\s]\s*")
_DEPTH, _KIND = 24, 25  # where a PNG's header says how many bits a sample has, and what it is
_GREY = 0
_WHITE = 65535  # of 16 bits
_COLOUR, _SHADES = frozenset({"RGB", "RGBA"}), frozenset({"P", "L"})  # modes of Pillow


@dataclass(frozen=True)
class MaskRule:
    """What the samples of masks mean.

    Whole numbers mean themselves, whatever bits they have: 0, 1, ... are classes and 255 is ignored (65535 in 16
    bits). Three equal channels are one. colours: class by (red, green, blue), for masks in colour; shades: for grey
    ones and those of a palette too. white_is_one: 255 is class 1, as in masks of black and white for two
    classes. lookup: the class of value 0, 1, ..., where the values aren't the classes.
    """

    colours: Mapping[tuple[int, int, int], int] = field(default_factory=dict)
    shades: bool = False
    white_is_one: bool = False
    lookup: tuple[int, ...] = ()

    def read(self, path: Path) -> Array:
        """The classes of a mask's pixels, (H, W) uint8. Raises PellucidError, naming the file, where it is none."""
        picture = open_picture(path)
        by_colours = self.colours and picture.mode in (_COLOUR | _SHADES if self.shades else _COLOUR)
        classes = self._of_colours(picture, path) if by_colours else _values(picture, path)
        if self.lookup and not by_colours:
            table = np.arange(256, dtype=np.uint8)
            table[: len(self.lookup)] = self.lookup
            if (classes < IGNORED).any() and (most := int(classes[classes < IGNORED].max())) >= len(self.lookup):
                raise PellucidError(f"{path}: {where_value(classes, most)}, expected 0 to {len(self.lookup) - 1}")
            classes = table[classes]
        return np.where(classes == IGNORED, np.uint8(1), classes) if self.white_is_one else classes

    def of_all(self, masks: Iterable[Path]) -> MaskRule:
        """The rule for masks that belong together: `shades` if all those of a palette or grey are drawn in colours of
        the table alone. Index masks may happen to be, one by one.
        """
        return replace(self, shades=bool(self.colours) and all(map(self._knows, masks)))

    def _knows(self, path: Path) -> bool:
        """Whether a mask is one in colour, or has no colour but the table's."""
        picture = open_picture(path)
        shades = picture.convert("RGB").getcolors() if picture.mode in _SHADES else None  # 256 at most
        return all(colour in self.colours for _, colour in shades or ())

    def _of_colours(self, picture: Image, path: Path) -> Array:
        """The classes of colours. Raises PellucidError for one that isn't in the table."""
        pixels = np.asarray(picture.convert("RGB"))
        codes = (pixels.astype(np.uint32) << np.array([16, 8, 0], np.uint32)).sum(axis=2, dtype=np.uint32)
        found, place = np.unique(codes, return_inverse=True)
        classes = np.zeros(len(found), np.uint8)
        for i, code in enumerate(found.tolist()):
            colour = code >> 16, code >> 8 & 255, code & 255
            if colour not in self.colours:
                raise PellucidError(f"{path}: the colour {', '.join(map(str, colour))} isn't in {COLOURS}")
            classes[i] = self.colours[colour]
        return classes[place].reshape(codes.shape)


def _values(picture: Image, path: Path) -> Array:
    """The values of a mask (H, W) uint8. Raises PellucidError, naming the file, for one beyond 255."""
    samples = _samples(picture, path)
    if picture.mode == "L" and (most := (1 << _grey_bits(path)) - 1) < IGNORED:
        samples = samples // (255 // most)  # Pillow spreads few bits over 0 to 255
    if samples.dtype != bool and samples.size:
        if samples.dtype.itemsize > 1 and samples.max() == _WHITE:  # of 16 bits
            samples = np.where(samples == _WHITE, IGNORED, samples)
        if not 0 <= samples.min() <= samples.max() <= IGNORED:
            raise PellucidError(f"{path}: value {samples.max()}, expected classes from 0 to {IGNORED - 1}")
    return samples.astype(np.uint8)


def _samples(picture: Image, path: Path) -> Array:
    """The samples of a mask (H, W). Raises PellucidError, naming the file, where it has colours or fractions."""
    samples = np.asarray(picture)
    if picture.mode in {"RGB", "RGBA", "LA"}:
        shades = samples[..., : 1 if picture.mode == "LA" else 3]
        if (shades != shades[..., :1]).any():
            raise PellucidError(
                f"{path}: expected a palette or grey PNG of 8 bits, got mode {picture.mode}; where colours are "
                f"classes, {COLOURS} in the folder says so, a line of red, green, blue and the class each"
            )
        return shades[..., 0]
    whole = picture.mode == "F" and bool((samples == np.floor(samples)).all())
    if not whole and picture.mode not in {"P", "L", "1", "I", "I;16", "I;16B"}:
        raise PellucidError(f"{path}: expected a palette or grey PNG of 8 bits, got mode {picture.mode}")
    return samples


def read_colours(folder: Path, names: Sequence[str]) -> dict[tuple[int, int, int], int]:
    """Class by colour, by the folder's colours.txt; empty where there is none.

    A line is red, green, blue, each 0 to 255, and the name of a class, or `ignored`. Raises PellucidError, naming the
    line, where it is another.
    """
    path = folder / COLOURS
    if not path.is_file():
        return {}
    colours = {}
    for number, line in enumerate(text_lines(path), 1):
        if not line.strip():
            continue
        words = _BETWEEN.split(line.strip(), 3)
        *numbers, name = words if len(words) > 3 else [""]
        known = name in names or name.lower() in IGNORED_NAMES
        if not known or not all(part.isdecimal() and len(part) <= 3 and int(part) <= 255 for part in numbers):
            raise PellucidError(
                f"{path}:{number}: expected red, green, blue and a class ({', '.join(names)}, ignored), "
                f"got {line.strip()!r}"
            )
        red, green, blue = map(int, numbers)
        colours[red, green, blue] = names.index(name) if name in names else IGNORED
    return colours


def coloured_classes(folder: Path) -> tuple[str, ...]:
    """The names of classes in the folder's colours.txt, as they come; none where there is no such file."""
    path = folder / COLOURS
    lines = [_BETWEEN.split(line.strip(), 3) for line in text_lines(path)] if path.is_file() else []
    names = (words[3] for words in lines if len(words) > 3)
    return tuple(dict.fromkeys(name for name in names if name.lower() not in IGNORED_NAMES))


def where_value(classes: Array, value: int) -> str:
    """Where in a mask (H, W) a value stands, and how often."""
    rows, columns = np.nonzero(classes == value)
    pixels = "1 pixel" if len(rows) == 1 else f"{len(rows):,} pixels, the first"
    return f"value {value} ({pixels} at row {rows[0]}, column {columns[0]})"


def masks_of(*folders: Sequence[Path]) -> str | None:
    """Whether of the files of two folders one's are masks of the other's: called alike, of the same sizes, and of few
    values without loss, some of more than one. What is to be said then, else None.
    """
    first, second = ({path.stem: path for path in files} for files in folders)
    if first.keys() != second.keys() or len(first) < _FEW_FILES:
        return None
    chosen = list(first)[:: max(1, len(first) // _FEW_FILES)][:_FEW_FILES]
    for images, masks in ((first, second), (second, first)):
        values = [_values_of_mask(images[stem], masks[stem]) for stem in chosen]
        if min(values) > 0 and max(values) > 1:  # pictures of one shade each may be a class
            a, b = images[chosen[0]].parent.name, masks[chosen[0]].parent.name
            return (
                f"{b} looks like masks of what is in {a}, and no class; as images/ and masks/ they would be read so"
            )
    return None


def _values_of_mask(image: Path, mask: Path) -> int:
    """How many values one picture has that has few without loss, where another of its size has many; else 0."""
    if mask.suffix.lower() in LOSSY:
        return 0
    of, picture = open_picture(image), open_picture(mask)
    few, many = (flattened(one).convert("L").getcolors(_FEW_VALUES) for one in (picture, of))
    return len(few) if of.size == picture.size and few is not None and many is None else 0


def _grey_bits(path: Path) -> int:
    """Bits of a sample where the file is a grey PNG of less than 8, else 8."""
    with path.open("rb") as file:
        head = file.read(_KIND + 1)
    grey = len(head) > _KIND and head.startswith(b"\x89PNG") and head[_KIND] == _GREY
    return head[_DEPTH] if grey and head[_DEPTH] in {1, 2, 4} else 8
