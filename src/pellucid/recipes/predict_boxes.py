"""What a trained detector finds on images and image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.data import normalized
from pellucid.data.pictures import picture_format, read_picture
from pellucid.errors import PellucidError
from pellucid.files import write_whole
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan import AnyNetwork
from pellucid.precision import fold_batch_norm
from pellucid.recipes.model import AnyModel
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

    def __call__(self, images: Sequence[Array]) -> list[Detections]:
        """What is on images (C, H, W) uint8 of any sizes; what one holds doesn't depend on the others."""
        data = self.model.recipe.data
        inputs = [
            normalized(image[None], self.network.dtype, 255, data.mean or None, data.std or None)[0]
            for image in images
        ]
        outputs = forward_each(self.network, inputs, self.period)
        sizes = [np.array([image.shape[1:]]) for image in images]
        return [self.task.decode(y[None], size)[0] for y, size in zip(outputs, sizes, strict=True)]


@dataclass(frozen=True)
class DetectedFile:
    """One image file: what was found on it, that of it which is sure enough to be shown, and the picture of that."""

    image: Path
    picture: Path
    found: Detections
    shown: Detections


def detect_files(model: AnyModel, paths: Sequence[Path], folder: Path) -> Iterator[DetectedFile]:
    """For each PNG or JPEG file, of any size, what is found, and the picture NAME-boxes.png in a folder.

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
    channels = model.image_shape[0]
    for start in range(0, len(paths), BATCH):
        some = paths[start : start + BATCH]
        images = [read_picture(path, channels, picture_format(path)[0]).transpose(2, 0, 1) for path in some]
        for path, image, found in zip(some, images, detector(images), strict=True):
            shown = found.above(detector.task.shown_score)
            picture = draw_boxes(image, shown.boxes, shown.labels, model.class_names, shown.scores)
            target = folder / f"{path.stem}{ENDING}"
            write_whole(target, encoded(picture))
            yield DetectedFile(path, target, found, shown)
