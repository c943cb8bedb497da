"""Batches from a data set: in an order, normalised, augmented, one share a rank."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.arguments import Checked
from pellucid.data.ahead import ahead
from pellucid.data.augmentation import Augmentation
from pellucid.data.boxes import Boxes
from pellucid.data.colours import Colours, mixed
from pellucid.data.dataset import Dataset
from pellucid.data.geometry import warp_images, warp_masks
from pellucid.data.mosaic import Mosaic, are_masks, drawn_mosaic, moved_rows
from pellucid.data.paired_augmentation import RandomCrop
from pellucid.data.randomness import generator, uniform_rows
from pellucid.errors import PellucidError
from pellucid.ops import memory
from pellucid.ops.arrays import Array
from pellucid.ops.formats import checked_float

IGNORED = 255  # the class of a mask's pixel that came from outside the image: it counts for nothing


@dataclass(frozen=True, eq=False)
class Batch:
    """Images and targets of one step.

    inputs: (n, C, H, W) float, stored channels last. targets: the n entries of the data set's targets.
    samples: (n,) their indices in the data set. index: which batch of the epoch, from 0. first: place of the
    first image in the epoch's order. offset: its place in the global batch. global_size: images of the global
    batch, those of every rank together; n where there is one rank.

    >>> data = pl.data.arrays(np.zeros((8, 1, 4, 4), np.uint8), [0, 1] * 4, test=2)
    >>> batch = next(iter(pl.data.Loader(data.train, 4, 0, True).epoch(0)))
    >>> batch.inputs.shape, batch.targets.shape
    ((4, 1, 4, 4), (4,))
    """

    inputs: Array
    targets: Any
    samples: Array
    index: int
    first: int
    offset: int
    global_size: int

    def __len__(self) -> int:
        """Number of images here."""
        return len(self.inputs)


@dataclass(frozen=True, eq=False)
class Loader(Checked):
    """Makes the batches of an epoch.

    What a batch holds depends on the settings, the epoch and the batch's number only: not on what was drawn
    before it, so training can stop and resume anywhere, and not on the number of ranks.

    dataset: what to draw from. batch_size: images a step, those of every rank together. seed, shuffle: order
    of the images, a new one each epoch; without shuffle they come as they lie. augment: random changes; None
    for none. crop: a random window after those, masks and boxes moved alike; None for none. colours: random changes
    of colours behind both; None for none. dtype: float type of the inputs. drop_last: leave out the last batch where
    it is smaller. mean, std: of each channel, in units where white is 1; None leaves 0 .. 1 as it is. ignored: label
    of a mask's pixels that come from outside the image. rank, ranks: this process's share; see `shard`.

    >>> images, labels = np.zeros((6, 1, 4, 4), np.uint8), np.arange(6) % 2
    >>> dataset = pl.data.Dataset(images, labels, ("even", "odd"), "mine")
    >>> len(pl.data.Loader(dataset, 4, 0, True))
    2
    """

    dataset: Dataset
    batch_size: int = 128
    seed: int = 0
    shuffle: bool = True
    augment: Augmentation | None = None
    crop: RandomCrop | None = None
    colours: Colours | None = None
    dtype: npt.DTypeLike = np.float32
    drop_last: bool = False
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    ignored: int = IGNORED
    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise PellucidError(f"batch size {self.batch_size}: expected at least 1")
        checked_float(self.dtype)
        C = self.dataset.shape[0]
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(self.dataset.shape) == 3 and len(values) != C:
                raise PellucidError(f"{name}: expected {C}, one a channel of {self.dataset.name}, got {len(values)}")
        if self.std is not None and not min(self.std) > 0:
            raise PellucidError(f"std: expected numbers above 0, got {list(self.std)}")
        if not 0 <= self.rank < self.ranks:
            raise PellucidError(f"rank {self.rank} of {self.ranks}: expected 0 <= rank < ranks")
        if self.batch_size < self.ranks:
            raise PellucidError(f"batch size {self.batch_size} is smaller than the number of ranks, {self.ranks}")
        if self.drop_last and len(self.dataset) < self.batch_size:
            raise PellucidError(
                f"{self.dataset.name}: {len(self.dataset)} images make no batch of {self.batch_size} (drop_last)"
            )

    def __len__(self) -> int:
        """Batches an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def shard(self, rank: int, ranks: int) -> "Loader":
        """The loader of one of several ranks: a contiguous share, uneven where need be, of every global batch.

        All ranks' shares put together are the batch that one process alone would get. A last batch of fewer
        images than ranks leaves some ranks with a batch of none: they have as many steps as the others.
        """
        if ranks > 1 and self.colours is not None and self.colours.mixup:
            raise PellucidError(f"mixup: mixes the images of one process, expected no more than that, got {ranks}")
        return replace(self, rank=rank, ranks=ranks)

    def order(self, epoch: int) -> Array:
        """Indices of the images in the order of that epoch."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return generator(self.seed, "order", epoch).permutation(len(self.dataset))

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Batch]:
        """The batches of an epoch (counted from 0) from the given one on; from files, the next are read meanwhile."""
        order = self.order(epoch)

        def made(index: int) -> Batch:
            return self._batch(order, epoch, index)

        indices, in_memory = range(start_batch, len(self)), isinstance(self.dataset.inputs, np.ndarray)
        yield from map(made, indices) if in_memory else ahead(made, indices)

    def _batch(self, order: Array, epoch: int, index: int) -> Batch:
        start = index * self.batch_size
        size = min(self.batch_size, len(order) - start)
        offset, end = size * self.rank // self.ranks, size * (self.rank + 1) // self.ranks
        samples = order[start + offset : start + end]
        first, mosaic = start + offset, self._mosaic(epoch, start + offset, len(samples))
        read = samples if mosaic is None else np.concatenate([samples, mosaic.others.ravel()])
        pixels, targets = np.asarray(self.dataset.inputs[read]), self.dataset.targets[read]
        if pixels.ndim == 2 and any(change is not None for change in (self.augment, self.crop, self.colours)):
            raise PellucidError(f"{self.dataset.name}: augmentation and crops change images, got rows of a table")
        if mosaic is not None and not (isinstance(targets, Boxes) or are_masks(targets)):
            raise PellucidError(f"{self.dataset.name}: crop.mosaic is for images with boxes or masks")
        parts = self.dataset.parts
        shown = np.broadcast_to(pixels.shape[-2:], (len(read), 2)) if parts is None else parts[read]
        white = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1
        if self.augment is not None:
            uniform = moved_rows(mosaic, self.seed, "augment", epoch, first, len(samples), Augmentation.COLUMNS)
            visible = (self.crop or RandomCrop()).visible
            pixels, targets = _augmented(self.augment, uniform, pixels, targets, shown, visible, self.ignored)
        if self.crop is not None:
            uniform = moved_rows(mosaic, self.seed, "crop", epoch, first, len(samples), self.crop.columns)
            masks, around = targets if are_masks(targets) else None, self.crop.around(uniform, targets, self.ignored)
            if isinstance(targets, Boxes):
                affine, regions = (
                    self.crop.affine(uniform, shown, around),
                    None if mosaic is None else mosaic.regions(),
                )
                targets = targets.moved(affine, self.crop.size, self.crop.visible, regions)
            pixels, moved = self.crop(uniform, pixels, masks, self.ignored, shown, around)
            targets = targets if moved is None else moved
        if mosaic is not None:
            pixels = mosaic.joined(pixels)
            targets = mosaic.joined_boxes(targets) if isinstance(targets, Boxes) else mosaic.joined(targets)
        if self.colours is not None:
            uniform = uniform_rows(self.seed, "colours", epoch, first, len(samples), Colours.COLUMNS)
            pixels = self.colours(pixels, uniform, white)
        inputs = normalized(pixels, self.dtype, white, self.mean, self.std)
        if self.colours is not None and self.colours.mixup:
            if not isinstance(targets, np.ndarray) or targets.ndim != 1 or targets.dtype.kind not in "iu":
                raise PellucidError(f"{self.dataset.name}: mixup is for a class an image")
            inputs, targets = mixed(inputs, targets, self.colours.mixup, self.seed, epoch, index)
        return Batch(inputs, targets, samples, index, first, offset, size)

    def _mosaic(self, epoch: int, first: int, count: int) -> Mosaic | None:
        """The mosaics of a batch, if it is to have some."""
        if self.crop is None or not self.crop.mosaic:
            return None
        _, H, W = self.dataset.image_shape
        size = self.crop.size or (H, W)
        return drawn_mosaic(self.crop.mosaic, self.seed, epoch, first, count, len(self.dataset), size)


def _augmented(
    augment: Augmentation,
    uniform: Array,
    pixels: Array,
    targets: Any,
    shown: Array,
    visible: float,
    ignored: int,
) -> tuple[Array, Any]:
    """Images and, where they are masks or boxes, targets, both moved alike. shown: size of the images' own parts."""
    if augment.moves:
        affine = augment.affine(uniform, shown)
        pixels = warp_images(pixels, affine)
        if are_masks(targets):
            targets = warp_masks(targets, affine, ignored)
        elif isinstance(targets, Boxes):
            targets = targets.moved(affine, visible=visible)
    if augment.erase:
        augment.erase_from(pixels, uniform, shown)
        if are_masks(targets):
            targets = np.array(targets)  # may be the data set's own
            augment.erase_from(targets[:, None], uniform, shown, ignored)
        elif isinstance(targets, Boxes):
            targets = targets.hidden(augment.rectangles(uniform, shown), visible)
    return pixels, targets


def normalized(
    pixels: Array,
    dtype: npt.DTypeLike = np.float32,
    white: float = 255,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Array:
    """What a network sees of images (n, C, H, W): pixel / white, then (that - mean) / std; channels last.

    pixels: the images, or a table's rows. dtype: of what is returned. white: the pixel that is 1; 255 for bytes.
    mean, std: one number a channel; None for 0 and 1. A table's rows (n, F) only change their type. Where nothing
    changes, the pixels themselves are given back.

    >>> pl.data.normalized(np.full((1, 1, 2, 2), 255, np.uint8), np.float32, 255).max().item()
    1.0
    """
    if pixels.ndim == 2:
        return np.ascontiguousarray(pixels, dtype)
    if white == 1 and mean is None and std is None and pixels.dtype == dtype:
        return memory.channels_last(pixels)
    x = memory.empty_images(pixels.shape, dtype)
    x[...] = pixels
    if white != 1:
        x /= white
    if mean is not None:
        x -= np.asarray(mean, x.dtype)[:, None, None]
    if std is not None:
        x /= np.asarray(std, x.dtype)[:, None, None]
    return x
