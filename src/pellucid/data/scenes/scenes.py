"""Scenes: digits, or whatever an IDX set shows, scattered over a larger canvas, with the exact class of every pixel
and the exact box of every digit.

A digit is magnified, turned and put where it overlaps the earlier ones no more than is allowed; later ones lie
on top. A pixel belongs to the topmost digit that covers at least `ink` of it, else to the background. A box is
tight around the pixels that its digit covers so, whether or not a later digit lies on them; it is inside the canvas.

After M2NIST (Benchetrit 2018) for the smaller scenes, and the cluttered MNIST of Mnih, Heess, Graves, Kavukcuoglu
2014, "Recurrent Models of Visual Attention", for those with fragments of digits as distractors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.arguments import checked
from pellucid.data.dataset import Dataset
from pellucid.data.framing import Framing
from pellucid.data.randomness import generator
from pellucid.data.scenes.patches import Patches, inked_boxes, paste, reaches, resampled
from pellucid.data.scenes.settings import SceneSettings
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array

BACKGROUND = "background"
_BLOCK = 256  # scenes that share a generator: a scene depends on the seed and its number, not on how many there are
_TRIES = 24  # places that are tried for a digit before it is left out


@dataclass(frozen=True, eq=False)
class Scenes:
    """N scenes with M digits on them.

    images: (N, 1, H, W) uint8. masks: (N, H, W) uint8, 0 for background, 1 + label for a digit. boxes: (M, 4)
    float32, x0, y0, x1, y1 in pixels, from the left and upper edge of the first pixel inside to the right and lower
    edge of the last. labels: (M,) int64, index into class_names. starts: (N + 1,) int64, scene i has the digits
    starts[i] to below starts[i + 1], bottom one first.

    >>> digits = pl.data.mnist_dataset(train=False)
    >>> scenes = pl.data.make_scenes(pl.data.scene_settings("detection"), digits, 2, seed=0)
    >>> scenes.images.shape, scenes.masks.shape
    ((2, 1, 128, 128), (2, 128, 128))
    """

    images: Array
    masks: Array
    boxes: Array
    labels: Array
    starts: Array
    class_names: tuple[str, ...]
    name: str

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self.images)

    def digits(self, index: int) -> tuple[Array, Array]:
        """(boxes, labels) of one scene."""
        here = slice(self.starts[index], self.starts[index + 1])
        return self.boxes[here], self.labels[here]

    def segmentation(self) -> Dataset:
        """Images with their masks; class 0 is the background."""
        framing = scene_framing(self.images)
        return Dataset(self.images, self.masks, (BACKGROUND, *self.class_names), self.name, framing)


def scene_framing(images: Array) -> Framing:
    """How pictures are scenes as (N, C, H, W): as they are, as the networks that learn from scenes take any size."""
    _, C, H, W = images.shape
    return Framing("own", C, (H, W))


@checked
def make_scenes(settings: SceneSettings, source: Dataset, count: int, seed: int, name: str = "scenes") -> Scenes:
    """`count` scenes of what `source` shows: grey images (N, 1, h, w) uint8 with a class each, light on dark.

    settings: see `scene_settings`. seed: of all that is drawn. name: of the data set in messages.
    Scene i is the same for every count. Raises PellucidError where the source is no such set.

    >>> digits = pl.data.mnist_dataset(train=False)
    >>> pl.data.make_scenes(pl.data.scene_settings("detection"), digits, 2, seed=0).images.shape
    (2, 1, 128, 128)
    """
    if count < 1:
        raise PellucidError(f"{name}: expected at least 1 scene, got {count}")
    if source.image_shape[0] != 1 or source.classes > 254:
        raise PellucidError(
            f"{source.name}: scenes need grey images of at most 254 classes, "
            f"got {source.image_shape[0]} channels and {source.classes} classes"
        )
    stock = _Stock(np.asarray(source.inputs)[:, 0], np.asarray(source.targets), settings.ink)
    blocks = []
    for block in range(-(-count // _BLOCK)):
        rng = generator(seed, "scenes", block)
        blocks.append(_block(settings, stock, rng, min(_BLOCK, count - block * _BLOCK)))
    images, masks, boxes, labels, counts = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    starts = np.concatenate(([0], np.cumsum(counts)))
    return Scenes(images[:, None], masks, boxes, labels, starts, source.class_names, name)


class _Stock:
    """The images that scenes are made of."""

    def __init__(self, images: Array, labels: Array, ink: float) -> None:
        self.images, self.labels, self.threshold = images, labels.astype(np.int64), ink * 255
        self.reach = reaches(images)


def _block(
    settings: SceneSettings, stock: _Stock, rng: np.random.Generator, count: int
) -> tuple[Array, Array, Array, Array, Array]:
    """Images, masks, boxes, labels and number of digits of up to _BLOCK scenes."""
    K = settings.digits[1]
    wanted = rng.integers(settings.digits[0], K, _BLOCK, endpoint=True)
    which = rng.integers(len(stock.images), size=(_BLOCK, K))
    low, high = np.log(settings.scale)
    scale = np.exp(low + (high - low) * rng.random((_BLOCK, K)))
    angle = np.radians(settings.rotate) * (2 * rng.random((_BLOCK, K)) - 1)
    places = rng.random((_BLOCK, K, _TRIES, 2))

    (H, W), margin = settings.size, Patches.margin(settings.scale[1], settings.rotate, stock.images.shape[1:])
    canvas = np.zeros((count, H + 2 * margin, W + 2 * margin), np.uint8)
    owner = np.zeros_like(canvas)
    _clutter(settings, stock, rng, canvas[:, margin : margin + H, margin : margin + W])
    kept = np.zeros((count, K), bool)
    boxes = np.zeros((count, K, 4), np.int64)
    for k in range(K):
        scenes = np.flatnonzero(wanted[:count] > k)
        chosen = which[scenes, k]
        for patches in resampled(stock.images, chosen, stock.reach, scale[scenes, k], angle[scenes, k]):
            here = scenes[patches.rows]
            local, inked = inked_boxes(patches.ink, stock.threshold)
            moved, found = _placed(local, inked, boxes[here, :k], kept[here, :k], places[here, k], settings)
            here, ink, corner = here[found], patches.ink[found], moved[found] - local[found, :2]
            boxes[here, k, :2] = moved[found]
            boxes[here, k, 2:] = moved[found] + local[found, 2:] - local[found, :2]
            kept[here, k] = True
            labels = stock.labels[which[here, k]] + 1
            paste(canvas, owner, ink, here, corner + margin, labels, stock.threshold)

    inner = (slice(None), slice(margin, margin + H), slice(margin, margin + W))
    images = _noisy(canvas[inner], settings.noise, rng)
    edges = boxes[kept][:, [1, 0, 3, 2]].astype(np.float32)  # from (y, x) to (x, y)
    return images, owner[inner].copy(), edges, stock.labels[which[:count][kept]], kept.sum(axis=1)


def _placed(
    local: Array, inked: Array, earlier: Array, kept: Array, places: Array, settings: SceneSettings
) -> tuple[Array, Array]:
    """Upper left corner (n, 2) of each digit's box at the first place that will do, and whether there is one.

    local: (n, 4) the boxes, y0, x0, y1, x1, on their patches. earlier: (n, k, 4) boxes of the scene, where kept.
    places: (n, tries, 2) uniform numbers.
    """
    extent = local[:, 2:] - local[:, :2]
    room = np.array(settings.size) - extent
    corners = np.floor(places * np.maximum(room + 1, 0)[:, None]).astype(np.int64)
    ends = corners + extent[:, None]
    sides = np.minimum(ends[:, :, None], earlier[:, None, :, 2:]) - np.maximum(
        corners[:, :, None], earlier[:, None, :, :2]
    )
    shared = np.prod(np.maximum(sides, 0), axis=-1)
    smaller = np.minimum(
        np.prod(extent, axis=-1)[:, None, None], np.prod(earlier[..., 2:] - earlier[..., :2], axis=-1)[:, None]
    )
    crowded = ((shared > settings.overlap * smaller) & kept[:, None]).any(axis=2)
    first = np.argmin(crowded, axis=1)
    row = np.arange(len(local))
    return corners[row, first], inked & (room >= 0).all(axis=1) & ~crowded[row, first]


def _clutter(settings: SceneSettings, stock: _Stock, rng: np.random.Generator, canvas: Array) -> None:
    """Draw fragments of random digits, cut out around some of their ink, anywhere on the canvas."""
    most, side = settings.clutter[1], settings.fragment
    if not most:
        return
    wanted = rng.integers(settings.clutter[0], most, _BLOCK, endpoint=True)
    which = rng.integers(len(stock.images), size=(_BLOCK, most))
    uniform = rng.random((_BLOCK, most, 4))
    h, w = stock.images.shape[1:]
    room = np.array([h - side, w - side, canvas.shape[1] - side, canvas.shape[2] - side]) + 1
    if room.min() < 1:
        raise PellucidError(f"scenes: fragment = {side}: larger than the canvas {settings.size} or images {(h, w)}")
    uniform[..., :2] = 0.25 + uniform[..., :2] / 2  # the middle of the image, where the ink is
    corner = np.floor(uniform * room).astype(np.int64)
    offsets = np.arange(side)
    for f in range(most):
        scenes = np.flatnonzero(wanted[: len(canvas)] > f)
        rows, columns, down, along = (corner[scenes, f, axis, None] + offsets for axis in range(4))
        pieces = stock.images[which[scenes, f][:, None, None], rows[:, :, None], columns[:, None]]
        place = (scenes[:, None, None], down[:, :, None], along[:, None])
        canvas[place] = np.maximum(canvas[place], pieces)


def _noisy(images: Array, deviation: float, rng: np.random.Generator) -> Array:
    if deviation == 0:
        return images.copy()
    noise = rng.standard_normal(images.shape, dtype=np.float32)
    noise *= 255 * deviation
    noise += images
    return np.clip(np.rint(noise), 0, 255).astype(np.uint8)
