"""What a trained detector finds on images and image files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pellucid.data.framing import Framed
from pellucid.data.pictures import picture_format
from pellucid.errors import PellucidError
from pellucid.files import names_for, write_whole
from pellucid.network import Network
from pellucid.ops.arrays import Array, Pair
from pellucid.plan import AnyNetwork, answering
from pellucid.precision import fold_batch_norm
from pellucid.recipes.model import AnyModel
from pellucid.recipes.predict import inputs, opened
from pellucid.tasks.box_pictures import draw_boxes
from pellucid.tasks.detect import Detect
from pellucid.tasks.detections import Detections
from pellucid.tasks.mask_pictures import check_targets, encoded, to_draw_on
from pellucid.tasks.padded import forward_each, periods
from pellucid.tasks.tiles import TILE, fitting_tile, places

ENDING = "-boxes.png"
BATCH = 16  # files that go through the network together
MOST = 5000  # candidates of an image, however large: each is compared with each


class Detector:
    """A model that finds objects on images of any size; its batch normalisations are folded into the convolutions.

    tile: the longest side that goes through the network at once, pixels; larger images are cut into tiles, whose
    places are put together before boxes are made of them. By default as the network fits.
    Raises PellucidError where the model's task is another.
    """

    def __init__(self, model: AnyModel, tile: int | None = None) -> None:
        if not isinstance(model.task, Detect):
            raise PellucidError(f"{model.path}: its task, {model.recipe.task['name']}, has no boxes")
        self.model, self.task = model, model.task
        network = model.network
        self.network: AnyNetwork = fold_batch_norm(network) if isinstance(network, Network) else network
        self.nodes = model.nodes
        self.period = periods(self.nodes)
        self.tile = tile

    def __call__(self, images: Sequence[Framed]) -> list[Detections]:
        """What is on images as the model sees them, in pixels of each image itself.

        What one holds doesn't depend on the others.
        """
        found = self._decoded([inputs(self.model, image.pixels[None])[0] for image in images], images)
        return [_enlarged(one, image) for one, image in zip(found, images, strict=True)]

    def _decoded(self, seen: Sequence[Array], images: Sequence[Framed]) -> list[Detections]:
        """What is found, in pixels as the network sees them."""
        sizes = np.array([image.part for image in images])
        if all(x.shape == self.model.image_shape for x in seen):  # as in training, which knows no other size
            return self.task.decode(answering(self.network)(np.stack(seen)), sizes)
        large = [max(x.shape[1:]) > (self.tile or TILE) for x in seen]
        fitting = [x for x, big in zip(seen, large, strict=True) if not big]
        small = iter(forward_each(self.network, fitting, self.period) if fitting else ())
        found = []
        for x, big, size in zip(seen, large, sizes, strict=True):
            outputs = self._by_tiles(x) if big else next(small)
            found += self._for_area(x.shape[1:]).decode(outputs[None], size[None])
        return found

    def _by_tiles(self, x: Array) -> Array:
        """The outputs for an image, which goes on in black up to the next multiple of the network's period."""
        missing = [-side % period for side, period in zip(x.shape[1:], self.period, strict=True)]
        whole = np.pad(x, [(0, 0), (0, missing[0]), (0, missing[1])]) if any(missing) else x
        return places(self.network, whole, self.tile or fitting_tile(self.nodes, whole.shape), self.nodes)

    def _for_area(self, size: Pair) -> Detect:
        """The task, with as many more candidates as the image is larger than those that were learnt from."""
        _, H, W = self.model.image_shape
        factor = size[0] * size[1] / (H * W)
        if factor <= 1:
            return self.task
        candidates, most = (min(MOST, math.ceil(count * factor)) for count in (self.task.candidates, self.task.most))
        return replace(self.task, candidates=max(candidates, self.task.candidates), most=max(most, self.task.most))


def _enlarged(found: Detections, image: Framed) -> Detections:
    """The boxes as large as the image is itself."""
    if image.part == image.size:
        return found
    (H, W), (h, w) = image.size, image.part
    return replace(found, boxes=found.boxes * np.array([W / w, H / h] * 2, found.boxes.dtype))


@dataclass(frozen=True)
class DetectedFile:
    """One image file: what was found on it, that of it which is sure enough to be shown, and the picture of that."""

    image: Path
    picture: Path
    found: Detections
    shown: Detections


def detect_files(
    model: AnyModel, paths: Sequence[Path], folder: Path, unread: list[str] | None = None
) -> Iterator[DetectedFile]:
    """For each image file, of any size, what is found, and the picture NAME-boxes.png in a folder; see `names_for`.

    All files are looked at before the first is computed. unread: where errors of pictures go that turn out to be
    damaged; without it such a one is raised. Raises PellucidError, naming the file, for one that is no image.
    """
    detector = Detector(model)
    for path in paths:
        picture_format(path)
    names = names_for(paths)
    check_targets(paths, folder, [ENDING])
    for start in range(0, len(paths), BATCH):
        some = zip(paths[start : start + BATCH], names[start : start + BATCH], strict=True)
        pictures = [(path, name, opened(model, path, unread)) for path, name in some]
        there = [(path, name, picture) for path, name, picture in pictures if picture is not None]
        images = [model.framing.frame(picture) for _, _, picture in there]
        for (path, name, picture), found in zip(there, detector(images) if images else [], strict=True):
            seen, factor = to_draw_on(picture)
            image = np.asarray(seen).reshape(seen.height, seen.width, -1).transpose(2, 0, 1)
            shown = found.above(detector.task.shown_score)
            drawn = draw_boxes(image, shown.boxes / factor, shown.labels, model.class_names, shown.scores)
            target = folder / f"{name}{ENDING}"
            write_whole(target, encoded(drawn))
            yield DetectedFile(path, target, found, shown)
