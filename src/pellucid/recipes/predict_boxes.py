"""What a trained detector finds on images and image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pellucid.data.framing import Framed
from pellucid.data.pictures import picture_format
from pellucid.errors import PellucidError
from pellucid.files import write_whole
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan import AnyNetwork, answering
from pellucid.precision import fold_batch_norm
from pellucid.recipes.model import AnyModel
from pellucid.recipes.predict import inputs
from pellucid.tasks.box_pictures import draw_boxes
from pellucid.tasks.detect import Detect
from pellucid.tasks.detections import Detections
from pellucid.tasks.mask_pictures import check_targets, encoded
from pellucid.tasks.padded import forward_each, periods

ENDING = "-boxes.png"
BATCH = 16  # files that go through the network together


class Detector:
    """A model that finds objects on images of any size; its batch normalisations are folded into the convolutions.

    Raises PellucidError where the model's task is another.
    """

    def __init__(self, model: AnyModel) -> None:
        if not isinstance(model.task, Detect):
            raise PellucidError(f"{model.path}: its task, {model.recipe.task['name']}, has no boxes")
        self.model, self.task = model, model.task
        network = model.network
        self.network: AnyNetwork = fold_batch_norm(network) if isinstance(network, Network) else network
        self.period = periods(model.nodes)

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
        outputs = forward_each(self.network, seen, self.period)
        return [self.task.decode(y[None], size[None])[0] for y, size in zip(outputs, sizes, strict=True)]


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


def detect_files(model: AnyModel, paths: Sequence[Path], folder: Path) -> Iterator[DetectedFile]:
    """For each image file, of any size, what is found, and the picture NAME-boxes.png in a folder.

    All files are looked at before the first is computed. Raises PellucidError, naming the file, for one that is no
    image, and for two of one name.
    """
    detector = Detector(model)
    names: dict[str, Path] = {}
    for path in paths:
        picture_format(path)
        if names.setdefault(path.stem, path) != path:
            raise PellucidError(f"{path}: {names[path.stem]} has the same name, their pictures would too")
    check_targets(paths, folder, [ENDING])
    for start in range(0, len(paths), BATCH):
        some = paths[start : start + BATCH]
        pictures = [model.framing.open(path) for path in some]
        images = [model.framing.frame(picture) for picture in pictures]
        for path, picture, found in zip(some, pictures, detector(images), strict=True):
            image = np.asarray(picture).reshape(picture.height, picture.width, -1).transpose(2, 0, 1)
            shown = found.above(detector.task.shown_score)
            drawn = draw_boxes(image, shown.boxes, shown.labels, model.class_names, shown.scores)
            target = folder / f"{path.stem}{ENDING}"
            write_whole(target, encoded(drawn))
            yield DetectedFile(path, target, found, shown)
