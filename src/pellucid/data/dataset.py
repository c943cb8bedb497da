"""What a network learns from: images, what is to be learnt about each, and the names of the classes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from pellucid.arguments import Checked
from pellucid.data.framing import Framing
from pellucid.data.held_out import HeldOut
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Shape


class Rows(Protocol):
    """One entry an image, taken by an array of indices: an ndarray, or a collection that acts like one.

    Class labels are an integer array (N,), masks an integer array (N, H, W). Boxes, of which every image has
    its own number, are a collection whose `[indices]` is a smaller collection of the same kind. A collection
    that is no array has a method `fingerprint() -> bytes`, different where its contents are.

    >>> labels: pl.data.Rows = pl.data.mnist().test.targets
    >>> labels[np.array([0, 1])].tolist()
    [7, 2]
    """

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Any, /) -> Any: ...


class Images(Rows, Protocol):
    """Images (N, C, H, W): an ndarray, or a collection of files that `np.asarray` reads.

    `[indices]` is a smaller collection of the same kind, so that a subset of files reads none.

    >>> images: pl.data.Images = pl.data.mnist().test.inputs
    >>> len(images), images[np.array([0, 2])].shape
    (10000, (2, 1, 28, 28))
    """

    @property
    def shape(self) -> Shape:
        """(N, C, H, W)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a pixel."""


@dataclass(frozen=True, eq=False)
class Dataset(Checked):
    """Images with their targets; it never changes.

    inputs: images (N, C, H, W), or a table's rows (N, F); whole numbers (uint8) mean 0 .. largest of their
        type, floats mean themselves.
    targets: one entry an image; see `Rows`.
    class_names: name of class 0, 1, ...
    name: what messages call it.
    framing: how pictures become such images; None where nothing is known of that.
    parts: (N, 2) height and width of each image's own part, in the upper left corner; None where that is all of it.
    keys: name of each image in the data: its path relative to them; None where only its place is known.
    notes: what is to be said of the data, a line each.
    class_ids: what annotations call class 0, 1, ...; None where they have no numbers for them.

    >>> images, labels = np.zeros((6, 1, 4, 4), np.uint8), np.arange(6) % 2
    >>> pl.data.Dataset(images, labels, ("even", "odd"), "mine").shape
    (1, 4, 4)
    """

    inputs: Images
    targets: Rows
    class_names: tuple[str, ...]
    name: str
    framing: Framing | None = None
    parts: Array | None = None
    keys: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    class_ids: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.inputs.shape) not in {2, 4}:
            raise PellucidError(
                f"{self.name}: expected images (N, C, H, W) or vectors (N, F), got the shape {self.inputs.shape}"
            )
        if len(self.inputs) != len(self.targets):
            raise PellucidError(f"{self.name}: {len(self.inputs)} images but {len(self.targets)} targets")
        if len(self.inputs) == 0:
            raise PellucidError(f"{self.name}: no images")

    def __len__(self) -> int:
        """Number of images."""
        return len(self.inputs)

    @property
    def shape(self) -> Shape:
        """Shape of one sample: (C, H, W), or (F,) of a table's row."""
        return tuple(self.inputs.shape[1:])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        if len(self.shape) != 3:
            raise PellucidError(f"{self.name}: expected images (C, H, W), got vectors of {self.shape[0]} numbers")
        C, H, W = self.shape
        return C, H, W

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def subset(self, indices: Sequence[int] | Array, name: str | None = None) -> "Dataset":
        """The images of the given indices, in their order."""
        rows = np.asarray(indices, np.intp)
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self):
            raise PellucidError(f"{self.name}: an index outside 0 .. {len(self) - 1}")
        parts = None if self.parts is None else self.parts[rows]
        inputs, targets = self.inputs[rows], self.targets[rows]
        keys = None if self.keys is None else tuple(self.keys[row] for row in rows)
        return replace(self, inputs=inputs, targets=targets, name=name or self.name, parts=parts, keys=keys)

    def split(self, part: float, seed: int, held_out: HeldOut | None = None) -> tuple["Dataset", "Dataset"]:
        """(rest, part): a part, a fraction below 1 or a number of images, of each class its share, taken out by seed.

        held_out: how; see there. Both have keys.
        """
        named = self if self.keys is not None else replace(self, keys=tuple(map(str, range(len(self)))))
        assert named.keys is not None
        labels = self.targets if isinstance(self.targets, np.ndarray) and self.targets.ndim == 1 else None
        if labels is None or labels.dtype.kind not in "iu" or labels.min() < 0:  # masks, boxes, numbers: one class
            labels = np.zeros(len(self), np.int64)
        taken = (held_out or HeldOut(seed)).validation(named.keys, labels, part, self.name)
        return named.subset(np.setdiff1d(np.arange(len(self)), taken)), named.subset(taken)

    @cached_property
    def digest(self) -> str:
        """Hash of the contents (hexadecimal): equal if and only if images, targets and class names are."""
        state = hashlib.sha256(repr(self.class_names).encode())
        for rows in (self.inputs, self.targets):
            _add(state, rows)
        return state.hexdigest()


def _add(state: "hashlib._Hash", rows: Any) -> None:
    """Feed an array's type, shape and elements, or a collection's fingerprint, to a hash."""
    if isinstance(rows, np.ndarray):
        state.update(f"{rows.dtype.str}{rows.shape}".encode())
        state.update(np.ascontiguousarray(rows).data)
    else:
        state.update(rows.fingerprint())
