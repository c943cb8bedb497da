"""What readers of boxes share: images of various sizes on one canvas, and boxes that don't fit their image."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pellucid.data.boxes import Boxes
from pellucid.data.dataset import Dataset
from pellucid.data.formats.image_files import ImageFiles, canvas_framing, keeping
from pellucid.data.framing import Framing
from pellucid.data.pictures import picture_format
from pellucid.data.text_files import readable
from pellucid.errors import PellucidError
from pellucid.files import is_file
from pellucid.ops.arrays import Array, Pair

Outside = Literal["refuse", "clip"]
"""What is done about a box that isn't wholly inside its image, or has no area."""

FLAGS = {**dict.fromkeys(("", "0", "0.0", "false"), False), **dict.fromkeys(("1", "1.0", "true"), True)}
"""What people write for no and yes."""
_ROUNDING = 1e-3  # pixels
ROUNDED = 32  # sides of a canvas that is made to fit are multiples of it, so that they can be halved five times


@dataclass(frozen=True, eq=False)
class BoxedFile:
    """An image in its file, of size (H, W), and what is on it: boxes (m, 4), labels (m,), kinds (m,)."""

    image: Path
    size: Pair
    colour: bool
    boxes: Array
    labels: Array
    kinds: Array


@dataclass
class BoxChecker:
    """Boxes against their images. outside: what to do. notes: what was done, a line each."""

    outside: Outside
    notes: list[str] = field(default_factory=list)

    def compare(self, size: Pair, said: Sequence[Any], place: str) -> None:
        """Note an image of another size (H, W) than its annotations say, where they say one, in numbers or text."""
        try:
            H, W = (int(side) for side in said)
        except (TypeError, ValueError, OverflowError):
            return
        if H > 0 and W > 0 and size != (H, W):
            self.notes.append(f"{place}: the image is {size[0]}x{size[1]} pixels, the annotations say {H}x{W}")

    def check(self, box: Sequence[float], size: Pair, place: str) -> list[float] | None:
        """The box, cut where need be; None if nothing is left of it.

        Raises PellucidError, naming the place, for a box that isn't wholly inside its image of size (H, W) or has no
        area, unless boxes are clipped; and for one that is no four finite numbers in any case.
        """
        H, W = size
        shown = ", ".join(f"{edge:g}" for edge in box)
        if not np.isfinite(box).all():
            raise PellucidError(f"{place}: box {shown}: expected four finite numbers")
        x0, y0, x1, y1 = _rounded(box, size)
        if x0 >= x1 or y0 >= y1:
            fault = f"{place}: box {shown} (x0, y0, x1, y1) has no area"
        elif x0 < 0 or y0 < 0 or x1 > W or y1 > H:
            fault = f"{place}: box {shown} (x0, y0, x1, y1) isn't inside the image of {H}x{W} pixels"
        else:
            return [x0, y0, x1, y1]
        if self.outside == "refuse":
            raise PellucidError(f'{fault}; data.boxes = "clip" would cut it')
        cut = [max(x0, 0), max(y0, 0), min(x1, W), min(y1, H)]
        left = cut[0] < cut[2] and cut[1] < cut[3]
        self.notes.append(f"{fault}: {'cut' if left else 'left out'}")
        return cut if left else None


def _rounded(box: Sequence[float], size: Pair) -> list[float]:
    """The box, its edges on the image's where they differ by less than what arithmetic makes of decimals."""
    edges = [float(edge) for edge in box]
    for i, most in enumerate((size[1], size[0], size[1], size[0])):
        for border in (0.0, float(most)):
            if abs(edges[i] - border) < _ROUNDING:
                edges[i] = border
    return edges


def opened_image(path: Path, place: str) -> tuple[Pair, bool]:
    """(size, whether in colour) of an image that annotations name. Raises PellucidError where it isn't there."""
    if not is_file(path):
        raise PellucidError(f"{place}: no image {path}")
    return picture_format(path)


def key_of(file: BoxedFile, folder: Path) -> str:
    """The path of an image relative to the data, which it may lie outside of."""
    return os.path.relpath(file.image, folder).replace(os.sep, "/")


def boxed_datasets(
    parts: Mapping[str, Sequence[BoxedFile]],
    size: Pair | None,
    names: tuple[str, ...],
    folder: Path,
    notes: Sequence[str],
    framing: Framing | None = None,
) -> list[Dataset]:
    """A data set for each part, all on one canvas of size (H, W), by default one on which all fit as they are.

    Images are grey where all files are, else in colour. framing: a model's own, which leaves nothing to choose. The
    notes go with the first part.
    """
    files, names = [file for part in parts.values() for file in part], tuple(map(readable, names))
    said = list[str]()
    if framing is None:
        colour = any(file.colour for file in files)
        framing, said = canvas_framing([file.image for file in files], size, colour=colour)
    framing = framing.of_all((_whole(file.size[0]), _whole(file.size[1])) for file in files)
    datasets: list[Dataset] = []
    for name, part in parts.items():
        targets = _on_canvas(part, framing, () if datasets else notes)
        images = keeping(ImageFiles(tuple(file.image for file in part), framing))
        keys = tuple(key_of(file, folder) for file in part)
        datasets.append(
            Dataset(images, targets, names, f"{folder.name} {name}", framing, targets.sizes, keys, tuple(said))
        )
    return datasets


def _whole(side: int) -> int:
    """A side of a canvas that a network of usual strides takes whole."""
    return -(-side // ROUNDED) * ROUNDED


def _on_canvas(files: Sequence[BoxedFile], framing: Framing, notes: Sequence[str]) -> Boxes:
    sizes = [framing.part(file.size) for file in files]
    scaled = [
        (file.boxes * np.array([w / file.size[1], h / file.size[0]] * 2), file.labels, file.kinds)
        for file, (h, w) in zip(files, sizes, strict=True)
    ]
    return Boxes.gathered(scaled, np.array(sizes), framing.size, notes)


def as_arrays(found: Sequence[tuple[Sequence[float], int, int]]) -> tuple[Array, Array, Array]:
    """Boxes (m, 4), labels (m,) and kinds (m,) of rows of the three."""
    boxes = np.array([box for box, _, _ in found], np.float64).reshape(-1, 4)
    return boxes, np.array([row[1] for row in found], np.int64), np.array([row[2] for row in found], np.uint8)
