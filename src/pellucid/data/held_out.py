"""Which images are held out of training where the data don't say: drawn by their names, and kept in a list.

Of each class the images with the smallest hashes of (seed, path relative to the data) are held out. So what is drawn
depends on nothing but the names: a file that is renamed, added or taken away moves no other one, but for the last of
its class. A run keeps the list of what it held out, and is measured by it later on, whatever has become of the data.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from pellucid.data.randomness import generator
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array

Part = Literal["validation", "test"]

TEST_SHARE = 0.2  # of the images of each class, where a directory has no test images apart


@dataclass(frozen=True)
class HeldOut:
    """How images are held out of training.

    seed: of the draw. lists: paths relative to the data, or places in a file, of an earlier run's images by part.
    by_position: whether to draw as version 0.1 did, whose runs have no lists. whole: whether nothing was learnt from
    the images, so that all of them are to be measured.
    """

    seed: int = 0
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)
    by_position: bool = False
    whole: bool = False

    def parted(self, keys: Sequence[str], labels: Array) -> tuple[Array, Array]:
        """(indices of the training images, of the test images), ascending; see `test`. Of whole data all are both."""
        every = np.arange(len(keys))
        if self.whole:
            return every, every
        test = self.test(keys, labels)
        return np.setdiff1d(every, test), test

    def test(self, keys: Sequence[str], labels: Array) -> Array:
        """Indices, ascending, of the test images among images with these keys and labels: a share of each class.

        A class of one image keeps it for training. Raises PellucidError where that leaves no image.
        """
        if "test" in self.lists:
            return self._listed("test", keys)
        sizes = np.bincount(labels)
        counts = np.array([min(max(n - 1, 0), max(1, round(TEST_SHARE * n))) for n in sizes.tolist()])
        if self.by_position:
            draw = generator(self.seed, "held out")
            chosen = [draw.permutation(np.flatnonzero(labels == label))[:count] for label, count in enumerate(counts)]
            return np.sort(np.concatenate(chosen))
        return self._smallest(keys, labels, counts)

    def validation(self, keys: Sequence[str], labels: Array, part: float, name: str) -> Array:
        """Indices, ascending, of the validation images: a fraction below 1 of all images, or a number of them.

        Each class has its share, and at least one where there are as many. Raises PellucidError, naming the data,
        where no image would be left on either side.
        """
        if isinstance(part, bool) or not isinstance(part, int | float | np.number) or not abs(part) < np.inf:
            raise PellucidError(f"{name}: expected a fraction of the images or a number of them, got {part!r}")
        total = round(part * len(keys)) if part < 1 else int(part)
        if not 0 < total < len(keys):
            raise PellucidError(f"{name}: cannot take {part} of {len(keys)} images and leave some of both")
        if "validation" in self.lists:
            return self._listed("validation", keys)
        if self.by_position:
            return np.sort(generator(self.seed, "split").permutation(len(keys))[:total])
        return self._smallest(keys, labels, shares(np.bincount(labels), total))

    def _listed(self, part: Part, keys: Sequence[str]) -> Array:
        known = set(self.lists[part])
        found = np.array([i for i, key in enumerate(keys) if key in known], np.intp)
        if not len(found):
            raise PellucidError(f"none of the {len(known)} {part} images that the run held out is there any more")
        return found

    def missing(self, part: Part, found: Sequence[str]) -> list[str]:
        """What is to be said where not all that is listed was found."""
        count = len(self.lists.get(part, found))
        few = count - len(found)
        return [f"{few} of the run's {count} {part} images are no longer there"] if few else []

    def _smallest(self, keys: Sequence[str], labels: Array, counts: Array) -> Array:
        hashes = [digest(self.seed, key) for key in keys]
        chosen: list[int] = []
        for label, count in enumerate(counts.tolist()):
            members = sorted(np.flatnonzero(labels == label).tolist(), key=lambda i: hashes[i])
            chosen += members[:count]
        return np.sort(np.array(chosen, np.intp))


def digest(seed: int, key: str) -> bytes:
    """What images are drawn by: the SHA-256 of seed, a slash and the path."""
    return hashlib.sha256(f"{seed}/".encode() + os.fsencode(key)).digest()


def shares(sizes: Array, total: int) -> Array:
    """How many of each class, of these sizes, make so many together: in proportion, by largest remainders.

    None is left out as long as there are as many as classes, and none is taken whole.
    """
    able = sizes > 1
    quotas = total * sizes / sizes.sum()
    counts: Array = np.floor(quotas).astype(np.int64)
    if total >= able.sum():
        counts = np.maximum(counts, able)
    most = np.maximum(sizes - 1, 0) if total <= np.maximum(sizes - 1, 0).sum() else sizes
    counts = np.minimum(counts, most)
    while counts.sum() != total:
        up = counts.sum() < total
        free = counts < most if up else counts > (able if total >= able.sum() else 0)
        off = np.where(free, quotas - counts if up else counts - quotas, -np.inf)
        counts[int(off.argmax())] += 1 if up else -1
    return counts
